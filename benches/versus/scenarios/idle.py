"""Many connections that do nothing: what it costs to have them."""

from __future__ import annotations

import sys
import urllib.parse
from dataclasses import replace
from pathlib import Path

import share
from clients.base import Ground, Serving
from clients.swarm import PORT, Swarm
from model import Options, Plan
from transfer import Transfer

MIB = 1024
IDLE = 200
READY_TIMEOUT_S = 30
HELPER = Path(__file__).parent.parent / "helpers" / "idle_peers.py"


def plan(options: Options) -> Plan:
    """Peers without a piece that want none, at the seeder, or at the downloader from its start."""
    data = share.make_file(options.memory / "source", options.size(MIB))
    room = ("--connections", str(IDLE + 20))
    client = Swarm(
        options.swarm,
        # Its handshake is a few lines; what is measured comes after the handshake.
        "plain",
        seed_flags=room,
        get_flags=("--seed", "forever", "--json", *room),
    )
    run = Transfer(client, data, options.memory / "run", options.conditions)
    nobody = "nobody idle"
    cases = [
        run.case(nobody),
        replace(run, burden=_at_seeder).case(f"{IDLE} idle at the seeder", nobody),
        replace(run, burden=_at_getter).case(f"{IDLE} idle at the downloader", nobody),
    ]
    about = (
        f"{data.size >> 20} MiB from one host to one other in memory, plain transport, with and "
        f"without {IDLE} connections of peers that have nothing and want nothing."
    )
    return Plan(about, cases, payload=data.size)


def _at_seeder(ground: Ground, serving: Serving) -> None:
    _start(ground, serving, from_=1, to=0, sign="connected")


def _at_getter(ground: Ground, serving: Serving) -> None:
    # They dial until it listens, which it will when the clock runs.
    _start(ground, serving, from_=0, to=1, sign="dialling")


def _start(ground: Ground, serving: Serving, *, from_: int, to: int, sign: str) -> None:
    seats = [*ground.seeders, *ground.getters]
    [swarm] = urllib.parse.parse_qs(urllib.parse.urlsplit(serving.what).query)["id"]
    node = f"{seats[to].host.ip}:{PORT}"
    command = seats[from_].host.command(sys.executable, HELPER, swarm, node, str(IDLE))
    process = ground.processes.start(command, ground.folder / "idle.log", {sign: f"^{sign}$"})
    ground.processes.wait([process], sign, READY_TIMEOUT_S)
