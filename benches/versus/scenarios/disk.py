"""On a real file system, until the data is safe."""

from __future__ import annotations

import share
from clients import everyone
from model import Options, Plan, Reference
from transfer import Transfer

MIB = 1024


def plan(options: Options) -> Plan:
    """`swarm get` syncs before it says that it is done. The others leave that to the system, so the
    clock runs on until the harness has synced their copies."""
    data = share.make_file(options.disk / "source", options.size(MIB))
    cases = [
        Transfer(
            client, data, options.disk / "run", options.conditions, synced=True
        ).case()
        for client in everyone(options)
    ]
    about = (
        f"{data.size >> 20} MiB from one host to one other, on a disk, until the copy is synced. "
        "The source is in the page cache."
    )
    references = [
        Reference("÷ plain", "swarm-plain"),
        Reference("÷ TLS", "swarm"),
        Reference("÷ curl", "curl"),
    ]
    return Plan(about, cases, references, data.size)
