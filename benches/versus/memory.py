"""Memory that is warm, so that no client pays for what the machine or another one did before.

A virtual machine may give free memory back to its host, and then pays for the first touch of each
page again, which costs more than receiving it. Whoever runs second would gain from the first; so
everybody gets memory that was touched before, outside of the timed part.

Which free memory the kernel hands out next is nobody's choice. To touch as much as a run needs
helps to a degree; to touch all of it takes a minute on a large machine, and the host has it back
before the run is over. So one can have all of it held, and let go as fast as memory is taken: what
is free then was held, and so warm, a moment ago. It is held in private memory, since to give back
what a file in memory holds takes several times as long, which is the clients' time; and in small
pages, since with huge ones every client was slower: large blocks of free memory seem to be what
such a host takes first.
"""

from __future__ import annotations

import mmap
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
FREE = 768 * MIB
#: How much more is held or let go at a time, and how often that is looked at: enough for 4 GiB/s, with
#: the time that Python takes for it.
STEP = 64 * MIB
LOOK_S = 0.01
#: madvise(2) of Linux 5.14, for which Python has no name.
MADV_POPULATE_WRITE = 23
#: What may wait to be written to a disk, of what memory could be used for that: when the kernel
#: begins to write, and when those who write have to wait.
DIRTY = Path("/proc/sys/vm")
DIRTY_LIMITS = ("dirty_background", "dirty")


class Warmth:
    """What sees to it, for one invocation."""

    def __init__(self, hold: bool) -> None:
        """`hold` all memory, or only touch some before each run."""
        self._held = _Held() if hold else None

    @contextmanager
    def given(self, copies: int, beside: Path) -> Iterator[None]:
        """Gives warm memory to a run with copies of so many bytes, which are made in `beside`."""
        if self._held is None:
            # For a share that fills the memory the page cache takes what there is.
            _touch(beside / "scratch", min(copies + EXTRA, available() // 4 * 3))
            yield
            return
        with _dirty_limits_of(available() + self._held.size), self._held.for_a_run():
            yield

    def release(self) -> None:
        """Lets go of what is held from run to run."""
        if self._held is not None:
            self._held.release()


class _Held:
    """All memory that is free, and ours for now: the first `size` bytes of a mapping."""

    def __init__(self) -> None:
        self.size = 0
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self._mapping = mmap.mmap(-1, _meminfo("MemTotal") // STEP * STEP, flags)
        self._mapping.madvise(mmap.MADV_NOHUGEPAGE)

    @contextmanager
    def for_a_run(self) -> Iterator[None]:
        """Takes what is free, and lets it go whenever memory gets short."""
        while _free() > FREE + STEP and self.size < len(self._mapping):
            self._mapping.madvise(MADV_POPULATE_WRITE, self.size, STEP)
            self.size += STEP
        over = threading.Event()
        thread = threading.Thread(target=self._let_go, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def release(self) -> None:
        """Lets go of everything."""
        self.size = 0
        self._mapping.madvise(mmap.MADV_DONTNEED)

    def _let_go(self, over: threading.Event) -> None:
        # Where clients have every core it has to be there first.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -20)
        while self.size > 0 and not over.wait(LOOK_S):
            if _free() < FREE:
                self.size -= STEP
                self._mapping.madvise(mmap.MADV_DONTNEED, self.size, STEP)


@contextmanager
def _dirty_limits_of(memory: int) -> Iterator[None]:
    """Has the kernel write to disks when it would with so much memory.

    It goes by what is not in use, and memory that is held is.
    """
    ratios = {name: int((DIRTY / f"{name}_ratio").read_text()) for name in DIRTY_LIMITS}
    sizes = {name: int((DIRTY / f"{name}_bytes").read_text()) for name in DIRTY_LIMITS}
    try:
        for name in DIRTY_LIMITS:
            if ratios[name]:
                (DIRTY / f"{name}_bytes").write_text(str(memory * ratios[name] // 100))
        yield
    finally:
        for name in DIRTY_LIMITS:
            # To set one of the two sets the other to zero; both may be, and then it is the ratio.
            kind, value = ("bytes", sizes[name]) if sizes[name] else ("ratio", ratios[name])
            (DIRTY / f"{name}_{kind}").write_text(str(value))


def available() -> int:
    """Bytes that programs can have before the machine is short of memory."""
    return _meminfo("MemAvailable")


def _free() -> int:
    # Asked for often while clients run: a thirtieth of what it costs to read a file of the kernel's.
    return os.sysconf("SC_AVPHYS_PAGES") * mmap.PAGESIZE


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
