"""Bedrock's Converse: requests and replies, read and written."""
