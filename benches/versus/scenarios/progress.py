"""What it costs to watch a download."""

from __future__ import annotations

import share
from clients.swarm import Swarm
from model import Case, Options, Plan
from transfer import Transfer

MIB = 1024
#: From one seeder, and from as many as a screen of peers has rows for.
SEEDERS = (1, 16)


def plan(options: Options) -> Plan:
    """`swarm get` on a terminal: showing nothing, a bar, the full screen. Until it has ended."""
    data = share.make_file(options.memory / "source", options.size(MIB))
    cases: list[Case] = []
    for seeders in SEEDERS:
        who = "1 peer" if seeders == 1 else f"{seeders} peers"
        for how in ("none", "bar", "tui"):
            flags = ("--seed", "never", "--progress", how)
            client = Swarm(options.swarm, "plain", get_flags=flags, terminal=True)
            run = Transfer(
                client,
                data,
                options.memory / "run",
                options.conditions,
                seeders=seeders,
                until="exit",
            )
            without = "" if how == "none" else f"{who}, --progress none"
            cases.append(run.case(f"{who}, --progress {how}", without))
    about = (
        f"{data.size >> 20} MiB to one host from one or {SEEDERS[-1]} others in memory, plain "
        "transport, on a terminal of 100 columns and 30 lines, until `swarm get` has ended."
    )
    return Plan(about, cases, payload=data.size)
