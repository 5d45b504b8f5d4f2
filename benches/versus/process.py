"""Client processes: started, listened to, accounted for, and always ended.

A client says in its own words that it is ready or done: a line on its output, or a word that a hook
of it writes into a named pipe. One thread waits for all of these and notes the time of each, so
that nothing is polled while the clock runs.
"""

from __future__ import annotations

import fcntl
import os
import re
import selectors
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import accounting
from model import Failed, TooSlow, Usage

#: How often memory and CPU are looked at while we wait: what a process took is gone when it ends.
SAMPLE_S = 0.1
#: Of a longer line only the end is looked at: a full screen draws for minutes without a line feed.
LINE_MAX = 64 << 10
#: What a terminal is asked, and has to answer, when a full screen opens on it.
ASK_CURSOR, CURSOR_AT_HOME = b"\x1b[6n", b"\x1b[1;1R"


@dataclass
class Process:
    """A running client."""

    popen: subprocess.Popen[bytes]
    #: What it must say for each sign that we wait for.
    signs: Mapping[str, re.Pattern[str]]
    log: Path
    #: When a sign was first seen, and the line.
    seen: dict[str, tuple[float, str]] = field(default_factory=dict)
    #: When it ended.
    ended: float | None = None
    _reaped: bool = False
    _usage: Usage = Usage()

    def usage(self) -> Usage:
        """What it has taken so far, or had when it ended."""
        if not self._reaped:
            now = accounting.usage(self.popen.pid)
            if now.peak_bytes:
                self._usage = now
        return self._usage

    def reap(self) -> bool:
        """Whether it has ended."""
        if not self._reaped:
            pid, status, taken = os.wait4(self.popen.pid, os.WNOHANG)
            if pid:
                self._reaped = True
                self.popen.returncode = os.waitstatus_to_exitcode(status)
                cpu_s = taken.ru_utime + taken.ru_stime
                # Its own figure for the peak has ours before the exec in it: the last look counts.
                self._usage = Usage(cpu_s, self._usage.peak_bytes)
        return self._reaped

    def last_words(self) -> str:
        """The end of its log."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 2000))
            lines = log.read().decode(errors="replace").replace("\r", "\n").splitlines()
        return "\n".join(lines[-8:])


@dataclass
class _Stream:
    process: Process
    fd: int
    rest: bytes = b""


@dataclass
class _End:
    process: Process


class Processes:
    """All processes of a run, as a context manager that ends them."""

    def __init__(self) -> None:
        self._all: list[Process] = []
        self._selector = selectors.DefaultSelector()
        self._changed = threading.Condition()
        self._wake, self._waker = os.pipe()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._listener = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Processes:
        self._listener.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._all:
            self._end(process)
        os.write(self._waker, b".")
        self._listener.join()
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        self._selector.close()
        os.close(self._waker)

    def start(
        self,
        argv: Sequence[str],
        log: Path,
        signs: Mapping[str, str],
        *,
        env: Mapping[str, str] | None = None,
        terminal: bool = False,
        fifo: Path | None = None,
    ) -> Process:
        """Starts a process.

        `signs` maps names to regular expressions over lines. With `terminal` it is on a terminal of
        100 columns. A line written to `fifo` counts as one of its lines.
        """
        ours, theirs = _terminal() if terminal else os.pipe()
        popen = subprocess.Popen(
            argv,
            stdin=theirs if terminal else subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, **(env or {})},
            # A session of its own: Ctrl-C in our terminal is for us, and we end all of it.
            start_new_session=True,
        )
        os.close(theirs)
        log.touch()
        process = Process(popen, {name: re.compile(sign) for name, sign in signs.items()}, log)
        self._all.append(process)
        fds = [ours]
        if fifo is not None:
            # Read and write, so that there is no end of file between two writers.
            fds.append(os.open(fifo, os.O_RDWR | os.O_NONBLOCK))
        for fd in fds:
            self._selector.register(fd, selectors.EVENT_READ, _Stream(process, fd))
        end = os.pidfd_open(popen.pid)
        self._selector.register(end, selectors.EVENT_READ, _End(process))
        return process

    def wait(self, processes: Sequence[Process], sign: str, timeout_s: float) -> float:
        """Waits until each has given the sign; returns when the last one did.

        Raises `Failed` if one ends without it and `TooSlow` after the timeout. The sign "exit" is
        that the process ended with success.
        """
        start = time.monotonic()
        while True:
            times = [self._time_of(process, sign) for process in processes]
            if None not in times:
                return max(at for at in times if at is not None)
            left = start + timeout_s - time.monotonic()
            if left <= 0:
                raise TooSlow(timeout_s)
            with self._changed:
                self._changed.wait(min(left, SAMPLE_S))
            for process in processes:
                process.usage()

    def _time_of(self, process: Process, sign: str) -> float | None:
        if sign in process.seen:
            return process.seen[sign][0]
        if process.ended is None or not process.reap():
            return None
        if sign == "exit" and process.popen.returncode == 0:
            return process.ended
        # What it said last may still be in the pipe.
        time.sleep(SAMPLE_S)
        if sign in process.seen:
            return process.seen[sign][0]
        code = process.popen.returncode
        raise Failed(f"ended with {code} before '{sign}':\n{process.last_words()}")

    def _end(self, process: Process) -> None:
        if process.reap():
            return
        try:
            os.killpg(process.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.popen.wait()

    def _listen(self) -> None:
        while True:
            for key, _ in self._selector.select():
                now = time.monotonic()
                if key.fd == self._wake:
                    return
                if isinstance(key.data, _End):
                    key.data.process.ended = now
                    self._forget(key.fd)
                elif data := _read(key.fd):
                    self._take(key.data, data, now)
                else:
                    self._forget(key.fd)
                with self._changed:
                    self._changed.notify_all()

    def _forget(self, fd: int) -> None:
        self._selector.unregister(fd)
        os.close(fd)

    def _take(self, stream: _Stream, data: bytes, now: float) -> None:
        process = stream.process
        if ASK_CURSOR in data and os.isatty(stream.fd):
            os.write(stream.fd, CURSOR_AT_HOME)
        with process.log.open("ab") as log:
            log.write(data)
        *lines, rest = re.split(rb"[\r\n]", stream.rest + data)
        stream.rest = rest[-LINE_MAX:]
        for raw in lines:
            line = raw.decode(errors="replace")
            for name, sign in process.signs.items():
                if name not in process.seen and sign.search(line):
                    process.seen[name] = (now, line)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 16)
    except OSError:
        return b""  # A terminal whose other end was closed says so with an error.


def _terminal() -> tuple[int, int]:
    """A terminal of 100 columns and 30 lines: our end, the client's end."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    return ours, theirs
