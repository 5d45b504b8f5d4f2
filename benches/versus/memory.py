"""Memory that is warm, so that no client pays for what the machine or another one did before.

A virtual machine may give free memory back to its host, and then pays for the first touch of each
page again, which costs more than receiving it. Whoever runs second would gain from the first; so
everybody gets memory that was touched before, outside of the timed part.

Which free memory the kernel hands out next is nobody's choice. To touch as much as a run needs
helps to a degree; to touch all of it takes a minute on a large machine, and the host has it back
before the run is over. So one can have all of it held, in a file, that is cut shorter during a run
as fast as memory is taken: what is free then was held, and so warm, a moment ago.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 1 << 20
CHUNK = 4 * MIB
#: What programs and their buffers touch beside the copies.
EXTRA = 256 * MIB
#: What is left free of memory that is held: several times what the kernel itself wants to be free.
FREE = 512 * MIB
#: How much more is let go at a time, and how often that is looked at: enough for 10 GiB/s.
STEP = 64 * MIB
LOOK_S = 0.005


class Warmth:
    """What sees to it, for one invocation."""

    def __init__(self, folder: Path, hold: bool) -> None:
        """`hold` all memory, in a folder in memory, or only touch some before each run."""
        self._held = folder / "held"
        self._hold = hold

    @contextmanager
    def given(self, copies: int, beside: Path) -> Iterator[None]:
        """Gives warm memory to a run with copies of so many bytes, which are made in `beside`."""
        if not self._hold:
            # For a share that fills the memory the page cache takes what there is.
            _touch(beside / "scratch", min(copies + EXTRA, available() // 4 * 3))
            yield
            return
        self._held.parent.mkdir(parents=True, exist_ok=True)
        with self._held.open("ab", buffering=0) as held:
            zeros = bytes(CHUNK)
            while _free() > FREE + CHUNK:
                held.write(zeros)
            over = threading.Event()
            thread = threading.Thread(target=_let_go, args=(held.fileno(), over))
            thread.start()
            try:
                yield
            finally:
                over.set()
                thread.join()


def _let_go(held: int, over: threading.Event) -> None:
    """Cuts the file shorter whenever memory gets short."""
    size = os.fstat(held).st_size
    while size > 0 and not over.wait(LOOK_S):
        if _free() < FREE:
            size = max(size - STEP, 0)
            os.truncate(held, size)


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
    zeros = bytes(CHUNK)
    try:
        with scratch.open("wb", buffering=0) as out:
            for start in range(0, size, CHUNK):
                out.write(zeros[: min(CHUNK, size - start)])
    finally:
        scratch.unlink(missing_ok=True)
