"""The end user, as OpenAI and who speaks like it take a name of one."""

from __future__ import annotations

from hashlib import sha256

USER_LENGTH_MAX = 64
"""Longer ones are refused: "string too long. Expected a string with maximum length 64"."""


def short_user(user: str) -> str:
    """The name, or where it is too long one that stands for it, and for nobody else."""
    return user if len(user) <= USER_LENGTH_MAX else sha256(user.encode()).hexdigest()
