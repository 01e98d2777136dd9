"""The user's files and processes: starting a server, the sample file, later init and demo."""
