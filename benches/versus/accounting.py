"""CPU seconds and peak memory of a running process and its children, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from model import Usage

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat after the name: utime, stime, cutime and cstime, the last two of
# children that have ended.
CPU_FIELDS = slice(11, 15)


def usage(pid: int) -> Usage:
    """Of the process and all below it. The peak is that of the largest process, by its own
    high-water mark; a process that maps files counts their resident pages as well."""
    total = Usage()
    for member in _tree(pid):
        try:
            stat = Path(f"/proc/{member}/stat").read_text()
            status = Path(f"/proc/{member}/status").read_text()
        except OSError:
            continue  # It has ended between two looks.
        # The name is in brackets and may hold anything.
        fields = stat.rpartition(")")[2].split()
        ticks = sum(map(int, fields[CPU_FIELDS]))
        total += Usage(ticks / TICKS_PER_S, _high_water_bytes(status))
    return total


def _high_water_bytes(status: str) -> int:
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0  # A zombie has none.


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    for task in tasks:
        try:
            children = Path(f"/proc/{pid}/task/{task}/children").read_text()
        except OSError:
            continue
        for child in children.split():
            yield from _tree(int(child))
