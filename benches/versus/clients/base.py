"""What a client must be able to do, and where it does it."""

from __future__ import annotations

import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hosts import Host
from process import Process, Processes
from share import Share

#: The sign of a downloader that it has everything and has verified it, if it verifies.
DONE = "done"


@dataclass(frozen=True)
class Seat:
    """One client's place: its host, and folders of its own."""

    host: Host
    #: The share appears here under its own name.
    folder: Path
    #: For configuration, keys and logs.
    state: Path


@dataclass(frozen=True)
class Ground:
    """Where one run takes place."""

    processes: Processes
    share: Share
    seeders: Sequence[Seat]
    getters: Sequence[Seat]
    #: Folder for what belongs to no seat.
    folder: Path
    #: Bytes in a piece of a torrent.
    piece_length: int
    #: A host that passes connections on to the first seeder, which is reached through it only.
    relay: Host | None = None


@dataclass(frozen=True)
class Serving:
    """Seeders that are ready."""

    processes: Sequence[Process]
    #: What a downloader is given: a link, an address, a torrent file.
    what: str


class Client(ABC):
    """A program that shares and fetches."""

    name: str

    @abstractmethod
    def missing(self) -> str:
        """What is not installed; empty if it can run."""

    @abstractmethod
    def version(self) -> str:
        """Its name and version, for the record."""

    @abstractmethod
    def serve(self, ground: Ground) -> Serving:
        """Starts all seeders; returns when they are ready to upload."""

    @abstractmethod
    def get(self, ground: Ground, seat: Seat, what: str) -> Process:
        """Starts a downloader, which gives the sign `DONE` and then shares on."""


def lacking(*programs: str) -> str:
    """Which of these programs are not installed."""
    absent = [program for program in programs if shutil.which(program) is None]
    return f"no {' and no '.join(absent)}" if absent else ""


def first_line(*argv: str | Path) -> str:
    """The first line that a command prints, wherever it prints it."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else ""
