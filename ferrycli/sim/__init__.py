"""The simulated provider: request bytes to reply chunks with delays as values; pure."""
