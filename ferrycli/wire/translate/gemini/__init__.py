"""Gemini's generateContent: requests and replies, read and written."""
