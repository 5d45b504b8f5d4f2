"""Memory that is warm, so that no client pays for what the machine or another one did before.

A virtual machine may give free memory back to its host, and then pays for the first touch of each
page again, which costs more than receiving it. Whoever runs second would gain from the first; so
everybody gets memory that was touched right before, outside of the timed part.

Which free memory the kernel hands out next is nobody's choice. To touch as much as a run needs
helps to a degree; to touch all of it takes a minute on a large machine, and the host has it back
before the run is over. So one can have most of it held, in a file that grows and shrinks, and all
of the little that is left touched before each run.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MIB = 1 << 20
CHUNK = 4 * MIB
#: What programs and their buffers touch beside the copies.
EXTRA = 256 * MIB
#: Free memory that is not held beside what a run needs: for whatever else the machine does.
SPARE = 2048 * MIB
#: What is left of that while the rest is touched.
UNTOUCHED = 512 * MIB


class Warmth:
    """What sees to it, for one invocation."""

    def __init__(self, folder: Path, hold: bool) -> None:
        """In a folder in memory; `hold` what no run needs."""
        self._folder = folder
        self._hold = hold

    def warm(self, copies: int, beside: Path) -> None:
        """Touches what a run with copies of so many bytes will need: those are made in `beside`."""
        if not self._hold:
            # For a share that fills the memory the page cache takes what there is.
            _touch(beside / "scratch", min(copies + EXTRA, available() // 4 * 3))
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        held = self._folder / "held"
        size = held.stat().st_size if held.exists() else 0
        # The copies may go to the same file system, which may have less room than the machine.
        free = min(_free() - SPARE, shutil.disk_usage(self._folder).free)
        _resize(held, size + free - copies - EXTRA)
        _touch(self._folder / "scratch", _free() - UNTOUCHED)


def available() -> int:
    """Bytes that programs can have before the machine is short of memory."""
    return _meminfo("MemAvailable")


def _free() -> int:
    return _meminfo("MemFree")


def _meminfo(name: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise OSError(f"/proc/meminfo has no {name}")


def _touch(scratch: Path, size: int) -> None:
    try:
        _resize(scratch, size)
    finally:
        scratch.unlink(missing_ok=True)


def _resize(path: Path, size: int) -> None:
    """Makes the file about so long, written all over."""
    size = max(size, 0) // CHUNK * CHUNK
    zeros = bytes(CHUNK)
    with path.open("ab", buffering=0) as out:
        if out.tell() > size:
            os.truncate(out.fileno(), size)
        while out.tell() < size:
            out.write(zeros)
