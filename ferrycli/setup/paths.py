"""Paths as a person reads or types them."""

from __future__ import annotations

from pathlib import Path


def shown_path(path: Path) -> str:
    """A path for reading: from where one stands, or from one's home."""
    near, home = near_path(path), Path.home()
    return f"~/{near.relative_to(home)}" if near.is_relative_to(home) else str(near)


def near_path(path: Path) -> Path:
    """A path as short as a shell takes it from the working directory."""
    whole, here = path.absolute(), Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) else path
