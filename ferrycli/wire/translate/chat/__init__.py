"""OpenAI's chat completions: requests and replies, read and written."""
