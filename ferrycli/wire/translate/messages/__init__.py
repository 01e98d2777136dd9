"""Anthropic's messages: requests and replies, read and written."""
