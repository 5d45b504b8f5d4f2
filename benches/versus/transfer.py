"""One run: hosts, seeders, warm memory, the clock, downloaders, the comparison of the copies."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clients.base import DONE, Client, Ground, Seat, Serving
from hosts import Host, Hosts
from model import Case, Conditions, Sample, Usage
from process import Process, Processes
from share import Share

MIB = 1 << 20
#: Between the readiness of the seeders and the clock: what they do on the side should be over.
SETTLE_S = 0.5


@dataclass(frozen=True)
class Transfer:
    """How one case of a scenario runs. A run is a call of `run`."""

    client: Client
    share: Share
    #: For the copies and everything else of a run; must not exist, and does not afterwards.
    folder: Path
    conditions: Conditions
    seeders: int = 1
    getters: int = 1
    piece_length: int = MIB
    #: Bounds links before anything is started.
    shape: Callable[[Hosts], None] = lambda _: None
    #: Makes the relay that the first seeder is reached through, on a host of its own.
    relay: Callable[[Processes, Host, Host, Path], Process] | None = None
    #: Adds what a run is to bear, after the seeders are ready.
    burden: Callable[[Ground, Serving], None] = lambda _ground, _serving: None
    #: The sign of the downloaders that stops the clock.
    until: str = DONE
    #: Whether the clock runs on until the copies are synced to the disk.
    synced: bool = False

    def case(self, name: str | None = None, without: str = "") -> Case:
        """A row of a table."""
        return Case(name or self.client.name, self.run, self.client.missing(), without)

    def run(self) -> Sample:
        """Does it all once."""
        self.folder.mkdir(parents=True)
        try:
            spare = 0 if self.relay is None else 1
            count = self.seeders + self.getters + spare
            with Hosts(count, self.conditions.congestion) as hosts, Processes() as processes:
                self.shape(hosts)
                ground = self._prepare(hosts, processes)
                sample = self._measure(ground)
            for seat in ground.getters:
                self.share.compare(seat.folder / self.share.name)
            return sample
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _prepare(self, hosts: Hosts, processes: Processes) -> Ground:
        seats = [self._seat(host) for host in hosts.all]
        split = self.seeders
        relay = None
        if self.relay is not None:
            passed_on = seats.pop()
            relay = passed_on.host
            started = self.relay(processes, relay, seats[0].host, passed_on.state)
            processes.wait([started], "ready", 10)
        return Ground(
            processes=processes,
            share=self.share,
            seeders=seats[:split],
            getters=seats[split:],
            folder=self.folder,
            piece_length=self.piece_length,
            relay=relay,
        )

    def _seat(self, host: Host) -> Seat:
        home = self.folder / str(host.number)
        seat = Seat(host, home / "data", home / "state")
        seat.folder.mkdir(parents=True)
        seat.state.mkdir()
        return seat

    def _measure(self, ground: Ground) -> Sample:
        serving = self.client.serve(ground)
        self.burden(ground, serving)
        if self.synced:
            os.sync()
        time.sleep(SETTLE_S)
        before = _total(serving.processes)
        copies = len(ground.getters) * self.share.size
        self.conditions.warmth.give(copies, self.folder)
        start = time.monotonic()
        getters = [self.client.get(ground, seat, serving.what) for seat in ground.getters]
        end = ground.processes.wait(getters, self.until, self.conditions.cap_s)
        seeder, getter = _total(serving.processes).since(before), _total(getters)
        if self.synced:
            for seat in ground.getters:
                _sync(seat.folder / self.share.name)
            end = time.monotonic()
        return Sample(end - start, seeder, getter)


def _total(processes: Sequence[Process]) -> Usage:
    return sum((process.usage() for process in processes), Usage())


def _sync(copy: Path) -> None:
    """Waits until the file or folder is on the disk. If it is already, there is nothing to do."""
    for path in [copy, *copy.rglob("*"), copy.parent]:
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
