"""Transmission."""

from __future__ import annotations

import json
from pathlib import Path

from clients.base import Ground, Seat, first_line
from clients.bittorrent import BY_HOOK, PORT, BitTorrent, make_hook
from process import Process

SETTINGS = {
    "dht-enabled": False,
    "lpd-enabled": False,
    "utp-enabled": False,
    "encryption": 0,
    "peer-limit-per-torrent": 100,
    "upload-slots-per-torrent": 50,
    "cache-size-mb": 64,
    "preallocation": 0,
}


class Transmission(BitTorrent):
    """`transmission-cli`. Its seeder reads everything before it is ready."""

    name = "transmission"

    def programs(self) -> list[str]:
        return ["transmission-cli"]

    def version(self) -> str:
        return first_line("transmission-cli", "--version")

    def start(self, ground: Ground, seat: Seat, file: Path, *, seed: bool) -> Process:
        fifo, hook = make_hook(seat)
        (seat.state / "settings.json").write_text(json.dumps(SETTINGS))
        argv: list[str | Path] = ["transmission-cli", "--config-dir", seat.state]
        argv += ["--download-dir", seat.folder, "--port", str(PORT), "--no-portmap"]
        argv += ["--encryption-tolerated", "--finish", hook]
        command = seat.host.command(*argv, file)
        return ground.processes.start(command, seat.state / "log", BY_HOOK, fifo=fifo)
