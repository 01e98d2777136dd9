"""Requests into facts, and the bodies that are sent for them: one module a dialect."""
