"""One seeder, one or four downloaders, nothing shaped: how fast the programs themselves are."""

from __future__ import annotations

import share
from clients import everyone
from model import Options, Plan, Reference
from transfer import Transfer

MIB = 1024


def one_to_one(options: Options) -> Plan:
    """One copy of a file."""
    return _plan(options, 1, "{size} MiB from one host to one other, in memory.")


def one_to_four(options: Options) -> Plan:
    """Four copies of a file, until the last one is done."""
    return _plan(options, 4, "{size} MiB from one host to four others, in memory; last one done.")


def _plan(options: Options, getters: int, about: str) -> Plan:
    data = share.make_file(options.memory / "source", options.size(MIB), copies=getters)
    folder = options.memory / "run"
    cases = [
        Transfer(client, data, folder, options.conditions, getters=getters).case()
        for client in everyone(options)
        # For four, nginx would only show what a server's cable bears.
        if getters == 1 or client.name != "curl"
    ]
    references = [Reference("÷ plain", "swarm-plain"), Reference("÷ TLS", "swarm")]
    if getters == 1:
        references.append(Reference("÷ curl", "curl"))
    return Plan(about.format(size=data.size >> 20), cases, references, data.size)
