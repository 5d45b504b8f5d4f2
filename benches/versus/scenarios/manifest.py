"""Reading and hashing a file to share it, from the page cache and on all cores."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import share
from clients.base import lacking
from model import Case, Options, Plan, Reference, Sample, Usage
from process import Processes

MIB = 1024
#: mktorrent takes the exponent.
PIECE_LENGTH_LOG2 = 20


def plan(options: Options) -> Plan:
    """Each makes its own kind of manifest: SHA-256 trees are ours, SHA-1 the others'."""
    data = share.make_file(options.memory / "source", options.size(MIB))
    out = options.memory / "made"
    commands: dict[str, list[str]] = {
        "swarm": [str(options.swarm), "create", "-q", "-o", f"{out}.swarm", str(data.path)],
        "mktorrent": [
            *("mktorrent", "-t", str(os.cpu_count()), "-l", str(PIECE_LENGTH_LOG2)),
            *("-a", "http://tracker.example/announce", "-o", str(out), str(data.path)),
        ],
        "imdl": [
            *("imdl", "torrent", "create", "--piece-length", str(1 << PIECE_LENGTH_LOG2)),
            *("--output", str(out), str(data.path)),
        ],
    }
    cases = [
        Case(name, _run(argv, options), lacking(argv[0]))
        for name, argv in commands.items()
        if options.wants(name)
    ]
    about = f"Making the manifest of {data.size >> 20} MiB in memory, on all cores."
    return Plan(about, cases, [Reference("÷ swarm", "swarm")], data.size)


def _run(argv: list[str], options: Options) -> Callable[[], Sample]:
    def run() -> Sample:
        for made in options.memory.glob("made*"):
            made.unlink()
        with Processes() as processes:
            cap_s = options.conditions.cap_s
            usage, seconds = _time(processes, argv, options.memory / "log", cap_s)
        return Sample(seconds, usage)

    return run


def _time(processes: Processes, argv: list[str], log: Path, cap_s: float) -> tuple[Usage, float]:
    start = time.monotonic()
    process = processes.start(argv, log, {})
    end = processes.wait([process], "exit", cap_s)
    return process.usage(), end - start
