"""What was measured, as data: kept as JSON, so that a table can be made of it again."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from model import Reference, Sample, Usage


@dataclass
class Row:
    """A case and its runs."""

    name: str
    without: str = ""
    samples: list[Sample] = field(default_factory=list)
    #: Why there are none, or no more: not installed, too slow.
    note: str = ""
    #: Runs that gave no figure because the client did not do what it should.
    failures: int = 0

    def median(self, of: Callable[[Sample], float]) -> float | None:
        """The median over the runs."""
        return statistics.median(map(of, self.samples)) if self.samples else None

    @property
    def seconds(self) -> float | None:
        """The median time."""
        return self.median(lambda sample: sample.seconds)

    @property
    def cpu_s(self) -> float | None:
        """The median of what both sides took."""
        return self.median(lambda sample: sample.seeder.cpu_s + sample.getter.cpu_s)


@dataclass
class Table:
    """A scenario's rows."""

    scenario: str
    about: str
    references: list[Reference]
    payload: int
    rows: list[Row] = field(default_factory=list)

    def row(self, name: str) -> Row | None:
        """The row of that name."""
        return next((row for row in self.rows if row.name == name), None)

    def seconds_of(self, reference: Reference) -> float | None:
        """What times are divided by."""
        if isinstance(reference.of, float):
            return reference.of
        row = self.row(reference.of)
        return row.seconds if row else None


@dataclass
class Results:
    """Everything that one invocation measured, and on what."""

    machine: str
    versions: list[str]
    date: str
    runs: int
    tables: list[Table] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Results:
        """What `write` wrote."""
        raw = json.loads(path.read_text())
        raw["tables"] = [_table(table) for table in raw["tables"]]
        return cls(**raw)


def _table(raw: dict) -> Table:  # type: ignore[type-arg]
    raw["references"] = [Reference(**reference) for reference in raw["references"]]
    raw["rows"] = [
        Row(**{**row, "samples": [_sample(sample) for sample in row["samples"]]})
        for row in raw["rows"]
    ]
    return Table(**raw)


def _sample(raw: dict) -> Sample:  # type: ignore[type-arg]
    return Sample(raw["seconds"], Usage(**raw["seeder"]), Usage(**raw["getter"]))


def describe_machine() -> str:
    """Processor, cores, memory and kernel in a line."""
    cpu, memory = platform.machine(), 0
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kernel = f"{platform.system()} {platform.release()}"
    return f"{cpu}, {os.cpu_count()} cores, {memory / 2**30:.0f} GiB of memory, {kernel}"
