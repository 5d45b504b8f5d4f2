"""What it costs to watch a download."""

from __future__ import annotations

import share
from clients.swarm import Swarm
from model import Case, Options, Plan
from transfer import Transfer

MIB = 1024


def plan(options: Options) -> Plan:
    """`swarm get` on a terminal: showing nothing, a bar, the full screen. Until it has ended."""
    data = share.make_file(options.memory / "source", options.size(MIB))
    cases: list[Case] = []
    for how in ("none", "bar", "tui"):
        flags = ("--seed", "never", "--progress", how)
        client = Swarm(options.swarm, "plain", get_flags=flags, terminal=True)
        run = Transfer(client, data, options.memory / "run", options.cap_s, until="exit")
        name = f"--progress {how}"
        cases.append(run.case(name, without="" if how == "none" else "--progress none"))
    about = (
        f"{data.size >> 20} MiB from one host to one other in memory, plain transport, on a "
        "terminal of 100 columns and 30 lines, until `swarm get` has ended."
    )
    return Plan(about, cases, payload=data.size)
