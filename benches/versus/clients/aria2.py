"""aria2."""

from __future__ import annotations

from pathlib import Path

from clients.base import Ground, Seat, first_line
from clients.bittorrent import BY_HOOK, PORT, BitTorrent, make_hook
from process import Process

SETTINGS = [
    "--enable-dht=false",
    "--enable-dht6=false",
    "--bt-enable-lpd=false",
    f"--listen-port={PORT}",
    # No limit on peers, and more are always wanted.
    "--bt-max-peers=0",
    "--bt-request-peer-speed-limit=1024M",
    "--file-allocation=none",
    "--disk-cache=64M",
    "--seed-ratio=0.0",
    "--summary-interval=0",
    "--show-console-readout=false",
]
# Seeders do not read everything first.
SEED_SETTINGS = ["--bt-seed-unverified=true", "--check-integrity=false", "--allow-overwrite=true"]


class Aria2(BitTorrent):
    """`aria2c`, with everything that only finds strangers turned off."""

    name = "aria2"

    def programs(self) -> list[str]:
        return ["aria2c"]

    def version(self) -> str:
        return first_line("aria2c", "--version")

    def start(self, ground: Ground, seat: Seat, file: Path, *, seed: bool) -> Process:
        fifo, hook = make_hook(seat)
        argv = ["aria2c", f"--dir={seat.folder}", f"--on-bt-download-complete={hook}", *SETTINGS]
        argv += [*(SEED_SETTINGS if seed else []), str(file)]
        log = seat.state / "log"
        return ground.processes.start(seat.host.command(*argv), log, BY_HOOK, fifo=fifo)
