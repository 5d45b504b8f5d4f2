"""A very slow peer among fast ones: whether the download waits for it."""

from __future__ import annotations

from dataclasses import replace

import share
from clients import some
from hosts import Hosts
from model import Case, Options, Plan
from transfer import Transfer

MIB = 256
FAST = 4
FAST_MBIT, SLOW_MBIT = 100, 1


def plan(options: Options) -> Plan:
    """Four seeders on fast cables, with and without a fifth on a slow one."""
    data = share.make_file(options.memory / "source", options.size(MIB))
    cases: list[Case] = []
    for client in some(options, "swarm-plain", "swarm", "libtorrent", "aria2"):
        folder, name = options.memory / "run", f"{client.name}, {FAST} fast"
        fast = Transfer(
            client, data, folder, options.conditions, seeders=FAST, shape=_shape
        )
        both = replace(fast, seeders=FAST + 1)
        cases += [fast.case(name), both.case(f"{name} and a slow one", without=name)]
    about = (
        f"{data.size >> 20} MiB to one host from {FAST} seeders of {FAST_MBIT} Mbit/s, with and "
        f"without one more of {SLOW_MBIT} Mbit/s."
    )
    return Plan(about, cases, payload=data.size)


def _shape(hosts: Hosts) -> None:
    *seeders, _getter = hosts.all
    for host in seeders:
        hosts.shape(host, SLOW_MBIT if host.number == FAST else FAST_MBIT, None)
