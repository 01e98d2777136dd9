"""Where other gateways and tools are installed, and in which versions.

A folder of the user's cache, or the one that `FERRY_BENCH_CACHE` names; nothing of it is needed to
measure ferry itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Package:
    """One thing to install, in a folder of its own."""

    name: str
    index: str
    """`pip`, into a venv; or `npm`, under a prefix."""
    wanted: str
    """As the index's own client takes it."""
    file: str
    """Below the folder: what is there once it is installed."""


PACKAGES = (
    Package("LiteLLM", "pip", "litellm[proxy]==1.108.7", "bin/litellm"),
    Package(
        "Portkey",
        "npm",
        "@portkey-ai/gateway@1.15.2",
        "node_modules/@portkey-ai/gateway/build/start-server.js",
    ),
    Package("TensorZero", "pip", "tensorzero==2026.6.0", "bin/python"),
    Package("py-spy", "pip", "py-spy==0.4.3", "bin/py-spy"),
)


def cache_folder() -> Path:
    """Where everything is."""
    own = os.environ.get("FERRY_BENCH_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ferry-bench"


def package(name: str) -> Package:
    """One of `PACKAGES`."""
    return next(each for each in PACKAGES if each.name == name)


def folder_of(one: Package) -> Path:
    """Where it is installed, or would be."""
    return cache_folder() / one.name.lower()


def installed(name: str) -> Path | None:
    """The file to run; None where it is not installed, or not in this version."""
    one = package(name)
    found = folder_of(one) / one.file
    is_whole = found.exists() and _mark(one).exists() and _mark(one).read_text() == one.wanted
    return found if is_whole else None


def mark_installed(one: Package) -> None:
    """Say that all of it is there: an install that was broken off does not count."""
    _mark(one).write_text(one.wanted)


def _mark(one: Package) -> Path:
    return folder_of(one) / ".installed"
