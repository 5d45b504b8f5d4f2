"""Torrents and their tracker, for the BitTorrent clients.

A torrent of the first version (BEP 3): all clients read it, and the fastest of them is faster with
it than with the second. Made here, so that no client has to be installed for the others' sake.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hosts import Host
from model import Failed
from process import Processes
from share import Share

TRACKER_PORT = 6969
READY_TIMEOUT_S = 300

Bencoded = bytes | int | list["Bencoded"] | dict[bytes, "Bencoded"]


def bencode(value: Bencoded) -> bytes:
    """As BEP 3 has it."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    items = (bencode(key) + bencode(value[key]) for key in sorted(value))
    return b"d" + b"".join(items) + b"e"


@dataclass(frozen=True)
class Torrent:
    """A share's torrent, without where its tracker is."""

    info: dict[bytes, Bencoded]

    @property
    def info_hash(self) -> bytes:
        """What the swarm is called."""
        return hashlib.sha1(bencode(self.info)).digest()

    def write(self, path: Path, tracker: Host | None) -> None:
        """Writes the .torrent file."""
        outer: dict[bytes, Bencoded] = {b"info": dict(self.info)}
        if tracker is not None:
            outer[b"announce"] = f"http://{tracker.ip}:{TRACKER_PORT}/announce".encode()
        path.write_bytes(bencode(outer))


def make(share: Share, piece_length: int) -> Torrent:
    """Hashes the share."""
    info: dict[bytes, Bencoded] = {b"name": share.name.encode(), b"piece length": piece_length}
    if share.path.is_dir():
        files = [path for path in sorted(share.path.rglob("*")) if path.is_file()]
        info[b"files"] = [
            {
                b"length": path.stat().st_size,
                b"path": [part.encode() for part in path.relative_to(share.path).parts],
            }
            for path in files
        ]
    else:
        files = [share.path]
        info[b"length"] = share.size
    info[b"pieces"] = _piece_hashes(files, piece_length)
    return Torrent(info)


def _piece_hashes(files: list[Path], piece_length: int) -> bytes:
    """Pieces run through all files as if they were one."""
    hashes, piece, missing = [], hashlib.sha1(), piece_length
    for path in files:
        with path.open("rb") as file:
            while data := file.read(missing):
                piece.update(data)
                missing -= len(data)
                if missing == 0:
                    hashes.append(piece.digest())
                    piece, missing = hashlib.sha1(), piece_length
    if missing < piece_length:
        hashes.append(piece.digest())
    return b"".join(hashes)


def start_tracker(processes: Processes, host: Host, folder: Path, torrent: Torrent) -> None:
    """Starts opentracker for this torrent, and no others; returns when it answers, since a client
    that finds nobody there may ask again only after minutes."""
    folder.mkdir()
    (folder / "white").write_text(torrent.info_hash.hex() + "\n")
    port = str(TRACKER_PORT)
    argv: list[str | Path] = ["opentracker", "-i", host.ip, "-p", port, "-P", port]
    argv += ["-d", folder, "-w", "/white"]
    processes.start(host.command(*argv), folder / "log", {})
    _wait_for("the tracker", lambda: _seeds(host, torrent) is not None)


def wait_for_seeds(host: Host, torrent: Torrent, seeds: int) -> None:
    """Waits until so many have told the tracker that they have everything."""
    _wait_for("the seeders", lambda: (_seeds(host, torrent) or 0) >= seeds)


def _wait_for(who: str, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not ready():
        if time.monotonic() > deadline:
            raise Failed(f"{who} not ready after {READY_TIMEOUT_S} s")
        time.sleep(0.1)


def _seeds(host: Host, torrent: Torrent) -> int | None:
    """How many have everything, as the tracker there knows it; `None` if it does not answer."""
    key = urllib.parse.quote_from_bytes(torrent.info_hash, safe="")
    url = f"http://{host.ip}:{TRACKER_PORT}/scrape?info_hash={key}"
    ask = host.command("curl", "--silent", "--max-time", "2", url)
    done = subprocess.run(ask, capture_output=True, check=False)
    return seeds_in(done.stdout) if done.returncode == 0 else None


def seeds_in(scraped: bytes) -> int:
    """The number of complete peers in the answer to a scrape of one torrent (BEP 48)."""
    _, found, rest = scraped.partition(b"8:completei")
    return int(rest.partition(b"e")[0]) if found else 0
