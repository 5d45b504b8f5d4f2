"""What the BitTorrent clients have in common: a torrent, a tracker, and when they are ready."""

from __future__ import annotations

import functools
import os
import shlex
from abc import abstractmethod
from pathlib import Path

import torrent
from clients.base import DONE, Client, Ground, Seat, Serving, lacking
from process import Process
from share import Share
from torrent import Torrent

PORT = 6881


@functools.lru_cache(maxsize=1)
def _torrent(share: Share, piece_length: int) -> Torrent:
    """Made once for all clients and runs of a scenario."""
    return torrent.make(share, piece_length)


class BitTorrent(Client):
    """A client that is given a torrent file."""

    def missing(self) -> str:
        return lacking("opentracker", "curl", *self.programs())

    def programs(self) -> list[str]:
        """The programs that it needs."""
        return [self.name]

    def serve(self, ground: Ground) -> Serving:
        made = _torrent(ground.share, ground.piece_length)
        host = ground.seeders[0].host
        torrent.start_tracker(ground.processes, host, ground.folder / "tracker", made)
        for_seeders = ground.folder / "seed.torrent"
        made.write(for_seeders, host)
        processes = []
        for seat in ground.seeders:
            ground.share.link_into(seat.folder)
            processes.append(self.start(ground, seat, for_seeders, seed=True))
        torrent.wait_for_seeds(host, made, len(ground.seeders))
        # Behind a relay a tracker would tell the seeder's own address.
        for_getters = ground.folder / "get.torrent"
        made.write(for_getters, None if ground.relay else host)
        return Serving(processes, str(for_getters))

    def get(self, ground: Ground, seat: Seat, what: str) -> Process:
        return self.start(ground, seat, Path(what), seed=False)

    @abstractmethod
    def start(self, ground: Ground, seat: Seat, file: Path, *, seed: bool) -> Process:
        """Starts the client; one that downloads gives the sign `DONE`."""


def make_hook(seat: Seat) -> tuple[Path, Path]:
    """A program that a client is to run when it is done, and the named pipe that it writes to."""
    fifo, hook = seat.state / "fifo", seat.state / "hook"
    os.mkfifo(fifo)
    hook.write_text(f"#!/bin/sh\necho {DONE} >{shlex.quote(str(fifo))}\n")
    hook.chmod(0o755)
    return fifo, hook


#: The sign of a client whose hook writes into its pipe.
BY_HOOK = {DONE: f"^{DONE}$"}
