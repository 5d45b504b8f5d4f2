"""A share much larger than the others: whether memory grows with it."""

from __future__ import annotations

import share
from clients import some
from model import Options, Plan
from transfer import Transfer

MIB = 10 * 1024
SMALL_MIB = 1024


def plan(options: Options) -> Plan:
    """Peak memory of both sides for a large and a small share, on the disk: two copies of the large
    one seldom fit into memory."""
    cases = []
    for mib in (SMALL_MIB, options.mib or MIB):
        data = share.make_file(options.disk / f"source-{mib}", mib << 20)
        for client in some(options, "swarm-plain", "swarm"):
            # What must be warm is memory for the page cache, and that is never all of it.
            transfer = Transfer(client, data, options.disk / "run", options.conditions)
            cases.append(transfer.case(f"{client.name}, {mib / 1024:g} GiB"))
    return Plan("From one host to one other, on a disk: peak memory.", cases)
