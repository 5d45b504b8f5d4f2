"""rqbit."""

from __future__ import annotations

from pathlib import Path

from clients.base import DONE, Ground, Seat, first_line
from clients.bittorrent import PORT, BitTorrent
from process import Process

SETTINGS = [
    "--disable-dht",
    "--disable-upnp-port-forward",
    "--disable-lsd",
    "--listen-ip=0.0.0.0",
    f"--listen-port={PORT}",
    "-v=info",
]


class Rqbit(BitTorrent):
    """`rqbit download`, which goes on to share. Its seeder reads everything before it is ready."""

    name = "rqbit"

    def version(self) -> str:
        return first_line("rqbit", "--version")

    def start(self, ground: Ground, seat: Seat, file: Path, *, seed: bool) -> Process:
        argv = ["rqbit", *SETTINGS, "download", "--overwrite", f"--output-folder={seat.folder}"]
        return ground.processes.start(
            seat.host.command(*argv, file),
            seat.state / "log",
            {DONE: "torrent finished downloading"},
            env={"HOME": str(seat.state)},
        )
