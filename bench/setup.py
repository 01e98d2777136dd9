"""Installs what ferry is measured beside, each into a folder of its own in the user's cache.

LiteLLM, TensorZero and py-spy by pip, Portkey's gateway by npm; nginx by apt-get, where this
program may. What is there already is left alone; what cannot be had is said, and is "not measured".
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from bench.scratch import PACKAGES, Package, cache_folder, folder_of, installed, mark_installed

INSTALL_S_MAX = 1_800.0


def main(arguments: Sequence[str] = ()) -> None:
    """Install, and say of each what became of it."""
    parser = argparse.ArgumentParser(prog="python -m bench setup", description=__doc__)
    parser.parse_args(arguments)
    print(f"setup: into {cache_folder()}")
    for one in PACKAGES:
        print(f"  {one.name:<12}{_install(one)}", flush=True)
    print(f"  {'nginx':<12}{_install_nginx()}")


def _install(one: Package) -> str:
    if installed(one.name):
        return f"{one.wanted} is there"
    folder = folder_of(one)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if one.index == "npm":
        program = shutil.which("npm")
        if program is None:
            return "not installed: there is no npm"
        quiet = ["--silent", "--no-fund", "--no-audit", "--ignore-scripts"]
        commands = [[program, "install", *quiet, "--prefix", str(folder), one.wanted]]
    else:
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "install", one.wanted]
        commands = [[sys.executable, "-m", "venv", str(folder)], pip]
    for command in commands:
        complaint = _complaint(command)
        if complaint:
            return f"not installed: {complaint}"
    mark_installed(one)
    return f"{one.wanted} is installed"


def _install_nginx() -> str:
    if shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin"):
        return "is there"
    program = shutil.which("apt-get")
    if program is None or os.geteuid() != 0:
        return "not installed: that takes apt-get and root"
    for command in (["update"], ["install", "--yes", "nginx-light"]):
        complaint = _complaint([program, "--quiet", *command])
        if complaint:
            return f"not installed: {complaint}"
    return "is installed"


def _complaint(command: Sequence[str]) -> str:
    """The last line of what a command that failed has said; "" where it did not fail."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_S_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
    return said.splitlines()[-1]
