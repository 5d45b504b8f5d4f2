"""One seeder and a crowd on slow cables: how much the downloaders help each other."""

from __future__ import annotations

import share
from clients import everyone
from hosts import Hosts
from model import Options, Plan, Reference
from transfer import Transfer

MIB = 64
GETTERS = 16
UP_MBIT, DOWN_MBIT = 50, 100
#: Small enough that there are some to exchange; ours chooses by itself.
PIECE_LENGTH = 256 << 10


def plan(options: Options) -> Plan:
    """Until the last one is done, against what the seeder's cable needs to send it once."""
    data = share.make_file(options.memory / "source", options.size(MIB), copies=GETTERS)
    cases = [
        Transfer(
            client,
            data,
            options.memory / "run",
            options.conditions,
            getters=GETTERS,
            piece_length=PIECE_LENGTH,
            shape=_shape,
        ).case()
        for client in everyone(options)
        if client.name != "curl"
    ]
    bound = data.size * 8 / (UP_MBIT * 1e6)
    about = (
        f"{data.size >> 20} MiB from one host to {GETTERS}, each with {UP_MBIT} Mbit/s up and "
        f"{DOWN_MBIT} Mbit/s down; the last one done. The seeder needs {bound:.2f} s to send "
        "everything once, which is the bound."
    )
    return Plan(about, cases, [Reference("÷ bound", bound)], data.size)


def _shape(hosts: Hosts) -> None:
    for host in hosts.all:
        hosts.shape(host, UP_MBIT, DOWN_MBIT)
