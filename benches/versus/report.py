"""Tables of results, for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from results import Results, Row, Table

Column = tuple[str, Callable[[Row], str]]


def columns(table: Table) -> list[Column]:
    """The columns of a table: a title, and what a row has in it."""
    found: list[Column] = [("", lambda row: row.name), ("median", _median), ("range", _range)]
    for reference in table.references:
        if unit := table.seconds_of(reference):
            found.append((reference.title, partial(_ratio, unit)))
    found.append(("cost, time", lambda row: _cost(table, row, lambda other: other.seconds)))
    found.append(("cost, CPU", lambda row: _cost(table, row, lambda other: other.cpu_s)))
    if table.payload:
        found.append(("MB/s", lambda row: _rate(row, table.payload)))
    found.append(("CPU", lambda row: _number(row.cpu_s, "{:.2f} s")))
    found.append(("memory, seeder", lambda row: _peak(row, seeder=True)))
    found.append(("memory, downloader", lambda row: _peak(row, seeder=False)))
    return found


def cells(table: Table) -> list[list[str]]:
    """Titles and rows, without the columns that have nothing in them."""
    full = [[title, *map(cell, table.rows)] for title, cell in columns(table)]
    return [list(line) for line in zip(*(column for column in full if any(column[1:])))]


def text(table: Table) -> str:
    """For a terminal."""
    lines = cells(table)
    widths = [max(map(len, column)) for column in zip(*lines)]
    out = [f"{table.scenario}: {table.about}"]
    for line in lines:
        name, *numbers = line
        right = (f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:]))
        out.append("  ".join([f"{name:<{widths[0]}}", *right]).rstrip())
    return "\n".join(out)


def markdown(table: Table) -> str:
    """For a page."""
    titles, *rows = cells(table)
    rule = ["---", *("---:" for _ in titles[1:])]
    lines = ["| " + " | ".join(line) + " |" for line in (titles, rule, *rows)]
    runs = max((len(row.samples) for row in table.rows), default=0)
    return "\n".join([f"{table.about} Medians of {runs} runs.", "", *lines])


def update_page(page: Path, results: Results) -> list[str]:
    """Writes the tables into the page, each between its two marks, and leaves the rest as it is.

    The marks are comments: `<!-- versus:NAME -->` and `<!-- /versus -->`. `machine` is the name of
    what was measured on. Returns the names of tables that the page lacks a mark of.
    """
    content, absent = page.read_text(), []
    versions = "\n".join(f"- {version}" for version in results.versions)
    where = f"{results.machine}. {results.date}."
    parts = {"machine": f"{where}\n\n{versions}"}
    parts.update((table.scenario, markdown(table)) for table in results.tables)
    for name, part in parts.items():
        begin, end = f"<!-- versus:{name} -->\n", "<!-- /versus -->"
        before, _, rest = content.partition(begin)
        _, found, after = rest.partition(end)
        if found:
            content = "".join([before, begin, part, "\n", end, after])
        else:
            absent.append(name)
    page.write_text(content)
    return absent


def _number(value: float | None, shape: str) -> str:
    return "" if value is None else shape.format(value)


def _median(row: Row) -> str:
    # A note says why there is no number; beside a number it says why there are fewer runs.
    failed = f"({row.failures} failed)" if row.failures else ""
    return " ".join(part for part in (_number(row.seconds, "{:.2f} s"), row.note, failed) if part)


def _range(row: Row) -> str:
    times = [sample.seconds for sample in row.samples]
    return f"{min(times):.2f}–{max(times):.2f}" if len(times) > 1 else ""


def _ratio(unit: float, row: Row) -> str:
    return _number(row.seconds and row.seconds / unit, "{:.2f}")


def _rate(row: Row, payload: int) -> str:
    return _number(row.seconds and payload / row.seconds / 1e6, "{:,.0f}")


def _cost(table: Table, row: Row, of: Callable[[Row], float | None]) -> str:
    base = table.row(row.without) if row.without else None
    mine, theirs = of(row), of(base) if base else None
    return f"{(mine / theirs - 1) * 100:+.1f} %" if mine and theirs else ""


def _peak(row: Row, *, seeder: bool) -> str:
    peak = row.median(lambda run: (run.seeder if seeder else run.getter).peak_bytes)
    return f"{peak / 2**20:,.0f} MiB" if peak else ""
