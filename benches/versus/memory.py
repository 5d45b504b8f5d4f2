"""Memory that is warm, so that no client pays for what the machine or another one did before.

A virtual machine may give free memory back to its host, and then pays for the first touch of each
page again, which costs more than receiving it. Whoever runs second would gain from the first; so
everybody gets memory that was touched before, outside of the timed part.

Which free memory the kernel hands out next is nobody's choice. To touch as much as a run needs
helps to a degree. To touch all of it takes a minute on a large machine, and the host has it back
before the run is over; but it takes large blocks only. So one can have all memory touched once and
a page of each MiB kept: what is free then is in pieces too small to be taken, and stays warm.
"""

from __future__ import annotations

import mmap
from pathlib import Path

MIB = 1 << 20
CHUNK = 4 * MIB
#: What programs and their buffers touch beside the copies.
EXTRA = 256 * MIB
#: What is left free while all memory is touched: several times what the kernel itself wants.
FREE = 768 * MIB
#: How much of it is touched between two looks at what is free.
STEP = 64 * MIB
#: The order of the smallest block that a host takes: 2 MiB, in pages of 4 KiB.
LARGE_ORDER = 9
#: From one page that is kept to the next. Neighbours in a mapping are mostly neighbours in the
#: machine's memory too, and half of a large block leaves one in each however they begin.
DISTANCE = 1 * MIB
#: madvise(2) of Linux 5.14, for which Python has no name.
MADV_POPULATE_WRITE = 23


class Warmth:
    """What sees to it, for one invocation."""

    def __init__(self, hold: bool) -> None:
        """`hold` a page of each MiB of the machine's memory, or only touch some before each run."""
        self._hold = hold
        self._kept: list[mmap.mmap] = []

    def give(self, copies: int, beside: Path) -> None:
        """Warms memory for a run with copies of so many bytes, which are made in `beside`."""
        if not self._hold:
            # For a share that fills the memory the page cache takes what there is.
            _touch(beside / "scratch", min(copies + EXTRA, available() // 4 * 3))
        elif not self._kept or _in_small_blocks() < copies + EXTRA:
            # Small blocks may be left from before; the large ones beside them are cold, and whoever asks the
            # kernel for much at a time gets those.
            self._kept.append(_sprinkled())


def available() -> int:
    """Bytes that programs can have before the machine is short of memory."""
    return _meminfo("MemAvailable")


def _sprinkled() -> mmap.mmap:
    """All free memory, touched and let go of but for a page of each `DISTANCE`."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    mapping = mmap.mmap(-1, _meminfo("MemTotal") // STEP * STEP, flags)
    mapping.madvise(mmap.MADV_NOHUGEPAGE)
    size = 0
    while _meminfo("MemFree") > FREE + STEP and size < len(mapping):
        mapping.madvise(MADV_POPULATE_WRITE, size, STEP)
        size += STEP
    for start in range(0, size, DISTANCE):
        mapping.madvise(mmap.MADV_DONTNEED, start + mmap.PAGESIZE, DISTANCE - mmap.PAGESIZE)
    return mapping


def _in_small_blocks() -> int:
    """Bytes of free memory that the host cannot take, and the kernel hands out first."""
    # A line has two names and the number of free blocks of 1, 2, 4... pages.
    lines = [line.split()[4:] for line in Path("/proc/buddyinfo").read_text().splitlines()]
    small = (line[:LARGE_ORDER] for line in lines)
    pages = sum(int(blocks) << order for line in small for order, blocks in enumerate(line))
    return pages * mmap.PAGESIZE


def _meminfo(name: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise OSError(f"/proc/meminfo has no {name}")


def _touch(scratch: Path, size: int) -> None:
    zeros = bytes(CHUNK)
    try:
        with scratch.open("wb", buffering=0) as out:
            for start in range(0, size, CHUNK):
                out.write(zeros[: min(CHUNK, size - start)])
    finally:
        scratch.unlink(missing_ok=True)
