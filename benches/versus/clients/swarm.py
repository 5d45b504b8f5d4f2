"""Ours, as a user gets it: default settings, but for the address to listen on."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from clients.base import DONE, Client, Ground, Seat, Serving, first_line
from hosts import Host
from process import Process

PORT = 7001
TRACKER_PORT = 7002
SEEDING = "seeding"
READY_TIMEOUT_S = 300


class Swarm(Client):
    """`swarm seed` and `swarm get`. The first seeder runs the tracker as well."""

    def __init__(
        self,
        program: Path,
        transport: Literal["tls", "plain"],
        *,
        seed_flags: Sequence[str] = (),
        get_flags: Sequence[str] = ("--seed", "forever", "--json"),
        terminal: bool = False,
    ) -> None:
        self.name = "swarm" if transport == "tls" else "swarm-plain"
        self._program = program
        self._transport = ("--transport", transport)
        self._seed_flags = seed_flags
        self._get_flags = get_flags
        self._terminal = terminal

    def missing(self) -> str:
        return "" if os.access(self._program, os.X_OK) else f"no {self._program}"

    def version(self) -> str:
        return first_line(self._program, "--version")

    def serve(self, ground: Ground) -> Serving:
        first, *others = ground.seeders
        processes = [self._seed(ground, first, self._as_first(first, ground.relay))]
        ground.processes.wait(processes, SEEDING, READY_TIMEOUT_S)
        said = json.loads(processes[0].seen[SEEDING][1])
        for seat in others:
            processes.append(self._seed(ground, seat, ("--tracker", said["tracker"])))
        ground.processes.wait(processes, SEEDING, READY_TIMEOUT_S)
        return Serving(processes, said["link"])

    def _as_first(self, seat: Seat, relay: Host | None) -> list[str]:
        flags = ["--tracker-listen", f"{seat.host.ip}:{TRACKER_PORT}"]
        return [*flags, "--advertise", relay.ip] if relay else flags

    def _seed(self, ground: Ground, seat: Seat, more: Sequence[str]) -> Process:
        path = ground.share.link_into(seat.folder)
        argv: list[str | Path] = [self._program, "seed", path, "--json"]
        argv += [*self._common(seat), *self._seed_flags, *more]
        return ground.processes.start(
            seat.host.command(*argv),
            seat.state / "log",
            {SEEDING: '"event":"seeding"'},
            env={"SWARM_HOME": str(seat.state)},
        )

    def get(self, ground: Ground, seat: Seat, what: str) -> Process:
        argv: list[str | Path] = [self._program, "get", what, "-o", seat.folder]
        argv += [*self._common(seat), *self._get_flags]
        return ground.processes.start(
            seat.host.command(*argv),
            seat.state / "log",
            {DONE: '"event":"completed"'},
            env={"SWARM_HOME": str(seat.state)},
            terminal=self._terminal,
        )

    def _common(self, seat: Seat) -> list[str]:
        return ["--listen", f"{seat.host.ip}:{PORT}", *self._transport]
