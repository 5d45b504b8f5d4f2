"""libtorrent (rasterbar), through its Python binding."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

from clients.base import DONE, Ground, Seat, first_line
from clients.bittorrent import PORT, BitTorrent
from process import Process

PEER = Path(__file__).parent.parent / "helpers" / "libtorrent_peer.py"


@functools.cache
def _interpreter() -> str:
    """The Python that has the binding: this one or, as a package of Debian, the system's."""
    for python in (sys.executable, "/usr/bin/python3"):
        probe = [python, "-c", "import libtorrent"]
        if Path(python).exists() and subprocess.run(probe, capture_output=True).returncode == 0:
            return python
    return ""


class Libtorrent(BitTorrent):
    """A session with one torrent; `helpers/libtorrent_peer.py` has its settings."""

    name = "libtorrent"

    def programs(self) -> list[str]:
        return []

    def missing(self) -> str:
        return super().missing() or ("" if _interpreter() else "no Python module libtorrent")

    def version(self) -> str:
        return "libtorrent " + first_line(
            _interpreter(), "-c", "import libtorrent; print(libtorrent.version)"
        )

    def start(self, ground: Ground, seat: Seat, file: Path, *, seed: bool) -> Process:
        argv = [_interpreter(), str(PEER), str(file), str(seat.folder)]
        if seed:
            argv.append("--seed")
        elif ground.relay is not None:
            argv += ["--connect", f"{ground.relay.ip}:{PORT}"]
        log = seat.state / "log"
        return ground.processes.start(seat.host.command(*argv), log, {DONE: "^complete$"})
