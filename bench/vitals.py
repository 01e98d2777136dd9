"""What the system says of a process: CPU, memory, files, threads. Linux; elsewhere None."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

MB = 1e6


@dataclass(frozen=True, slots=True)
class Vitals:
    """A process at one moment."""

    memory_mb: float
    """What it has in memory (RSS)."""
    files: int
    """Open files, sockets among them."""
    sockets: int
    threads: int


def cpu_s(pid: int) -> float | None:
    """CPU seconds of a process, all its threads; None for pid 0, and where it cannot be read."""
    if pid == 0 or sys.platform != "linux":
        return None
    try:
        # The number of a process's own clock, as clock_getcpuclockid(3) makes it; /proc counts
        # in hundredths of a second.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None


def thread_cpu_s(pid: int) -> dict[int, float]:
    """CPU seconds of each thread; the first thread has the number of its process."""
    folder = Path(f"/proc/{pid}/task")
    found = {int(each.name): _cpu_of(each / "stat") for each in folder.iterdir()}
    return {thread: seconds for thread, seconds in found.items() if seconds is not None}


def memory_mb(pid: int) -> float | None:
    """Megabytes that a process has in memory (RSS); None where there is no /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / MB


def vitals(pid: int) -> Vitals | None:
    """All of it at once."""
    memory = memory_mb(pid)
    if memory is None:
        return None
    # A descriptor may be closed between being listed and being read.
    links = [_target(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    return Vitals(
        memory_mb=memory,
        files=len(links),
        sockets=sum(link.startswith("socket:") for link in links),
        threads=len(list(Path(f"/proc/{pid}/task").iterdir())),
    )


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _cpu_of(stat: Path) -> float | None:
    try:
        text = stat.read_text("ascii", "replace")
    except OSError:
        return None
    # The name, in brackets, may hold spaces: fields are counted from behind it.
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
