"""The command line: parse, call, print, exit code. What a command decides is not decided here."""
