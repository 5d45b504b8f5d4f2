"""What is measured: scenarios, their cases, and what one run of a case gives.

A scenario is a question ("how long does one copy take?"), a case one answer's row in its table
(usually a client). `run.py` runs the cases of a scenario in alternation and knows nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from memory import Warmth


class Skip(Exception):
    """A case or scenario cannot be run here; the message says why in a few words."""


class Failed(Exception):
    """A client did not do what was asked of it; the message says what, and shows its last words."""


class TooSlow(Exception):
    """A client was not done in the time that it has."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not done in {seconds:.0f} s")
        self.seconds = seconds


@dataclass(frozen=True)
class Usage:
    """What processes took: CPU seconds (user and system, ended children too) and resident bytes."""

    cpu_s: float = 0.0
    peak_bytes: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Of both together; the peak is that of the larger one."""
        return Usage(self.cpu_s + other.cpu_s, max(self.peak_bytes, other.peak_bytes))

    def since(self, before: Usage) -> Usage:
        """The CPU seconds since then; a peak cannot be divided, so it stays that of the whole."""
        return Usage(max(0.0, self.cpu_s - before.cpu_s), self.peak_bytes)


@dataclass(frozen=True)
class Sample:
    """One run."""

    #: From the start of the first downloader to the end of the last one.
    seconds: float
    #: What the seeding side took in that time.
    seeder: Usage = Usage()
    #: What all downloaders took together; the peak is that of the largest.
    getter: Usage = Usage()


@dataclass(frozen=True)
class Case:
    """One row of a scenario's table."""

    name: str
    #: Does one run; raises `Failed` or `TooSlow`.
    run: Callable[[], Sample]
    #: Why it cannot be run here, in a few words; empty if it can.
    missing: str = ""
    #: The case without what this one adds: the table has the difference in percent.
    without: str = ""


@dataclass(frozen=True)
class Reference:
    """What all times of a scenario are divided by."""

    title: str
    #: The name of a case, or a number of seconds that nothing can beat.
    of: str | float


@dataclass(frozen=True)
class Plan:
    """A scenario with its sizes settled."""

    #: One sentence for the head of the table.
    about: str
    cases: Sequence[Case]
    references: Sequence[Reference] = ()
    #: Bytes that each downloader receives, for a rate; 0 if that says nothing.
    payload: int = 0


@dataclass(frozen=True)
class Conditions:
    """What all runs of one invocation have in common."""

    #: Seconds after which a run is given up.
    cap_s: float
    #: What sees to it that memory is warm.
    warmth: Warmth
    #: The hosts' congestion control; empty for the machine's own.
    congestion: str = ""


@dataclass(frozen=True)
class Options:
    """What the command line settles for all scenarios."""

    #: Names of clients to run; empty for all that a scenario has.
    clients: Sequence[str]
    #: Our program.
    swarm: Path
    #: Folder in memory for this invocation.
    memory: Path
    #: Folder on a real file system for this invocation.
    disk: Path
    #: Size of the share in MiB instead of the scenario's own; 0 for that.
    mib: int
    #: What all runs have in common.
    conditions: Conditions

    def size(self, mib: int) -> int:
        """The bytes to share where the scenario's own size is `mib`."""
        return (self.mib or mib) << 20

    def wants(self, client: str) -> bool:
        """Whether the client was asked for."""
        return not self.clients or client in self.clients


#: Settles a scenario; raises `Skip` if it cannot be run here at all.
Scenario = Callable[[Options], Plan]
