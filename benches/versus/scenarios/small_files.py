"""A folder of very many small files: what a file costs."""

from __future__ import annotations

import share
from clients import some
from model import Options, Plan, Reference
from transfer import Transfer

FILES = 50_000
FILE_SIZE = 4096


def plan(options: Options) -> Plan:
    """From one host to one other."""
    files = options.mib * 256 or FILES
    data = share.make_folder(options.memory / "source", files, FILE_SIZE)
    cases = [
        Transfer(client, data, options.memory / "run", options.conditions).case()
        for client in some(options, "swarm-plain", "swarm", "libtorrent", "aria2")
    ]
    about = f"{files:,} files of 4 KiB in one share, from one host to one other, in memory."
    references = [Reference("÷ plain", "swarm-plain"), Reference("÷ TLS", "swarm")]
    return Plan(about, cases, references)
