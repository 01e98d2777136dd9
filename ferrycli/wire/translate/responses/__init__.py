"""OpenAI's responses: requests and replies, read and written."""
