#!/usr/bin/env python3
"""Runs the installed file-sharing clients and swarm side by side. README.md says what is needed.

Examples:
  run.py one-to-one                           all clients that are installed, 5 runs each
  run.py crowd --clients swarm,aria2 --runs 3
  run.py one-to-one --mib 64 --runs 1         a quick look
  run.py all --json results.json --markdown ../../docs/benchmarks.md
  run.py --from results.json                  print the tables of an earlier invocation
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import signal
import sys
from pathlib import Path

import hosts
import report
from clients import everyone
from clients.base import lacking
from memory import Warmth
from model import Case, Conditions, Failed, Options, Plan, Scenario, Skip, TooSlow
from results import Results, Row, Table, describe_machine
from scenarios import SCENARIOS

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("scenarios", nargs="*", metavar="SCENARIO", help=f"all, or of: {', '.join(SCENARIOS)}")
    add("--runs", type=int, default=5, help="runs of each case, in alternation (default 5)")
    add("--clients", default="", metavar="A,B", help="only these clients")
    add("--mib", type=int, default=0, help="size of the share instead of the scenario's own")
    add("--cap", type=float, default=300, metavar="S", help="give a run up after S seconds")
    add("--congestion", default="cubic", metavar="NAME", help="the hosts'; empty: the machine's")
    add("--swarm", type=Path, default=REPOSITORY / "target/release/swarm", help="our program")
    add("--memory", type=Path, default=Path("/dev/shm"), help="a folder in memory")
    add("--disk", type=Path, default=Path("/var/tmp"), help="a folder on a real file system")
    add("--hold-memory", action="store_true", help="touch all free memory, hold a page of each MiB")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured to FILE")
    add("--markdown", type=Path, metavar="FILE", help="put the tables into this page")
    add("--from", type=Path, dest="source", metavar="FILE", help="measure nothing, read this JSON")
    args = parser.parse_args()
    if args.scenarios == ["all"]:
        args.scenarios = list(SCENARIOS)
    for name in args.scenarios:
        if name not in SCENARIOS:
            parser.error(f"there is no scenario {name}; there are: {', '.join(SCENARIOS)}")
    if not args.scenarios and args.source is None:
        parser.error("name a scenario, or all")
    if args.runs < 1 or args.mib < 0:
        parser.error("--runs and --mib are positive numbers")
    return args


def say(line: str) -> None:
    """What goes on, beside the tables."""
    print(line, file=sys.stderr, flush=True)


def check_machine() -> None:
    """Ends the program with a word why if hosts cannot be made here."""
    if os.geteuid() != 0:
        sys.exit("run.py: makes hosts as network namespaces, which takes root: run it with sudo")
    if absent := lacking("ip", "tc"):
        sys.exit(f"run.py: {absent} here: install iproute2")


def remove_old_files(*folders: Path) -> None:
    """Removes what runs that were killed have left there."""
    for path in (path for folder in folders for path in folder.iterdir()):
        if hosts.is_left_over(path.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def run_case(case: Case, row: Row) -> None:
    """One run more, unless the client is not here or has been too slow already."""
    if row.note:
        return
    try:
        sample = case.run()
    except TooSlow as slow:
        row.note = f"over {slow.seconds:.0f} s"
        say(f"  {case.name}: {row.note}")
    except Failed as failed:
        row.failures += 1
        say(f"  {case.name}: failed: {failed}")
    else:
        row.samples.append(sample)
        say(f"  {case.name}: {sample.seconds:.2f} s")


def order(count: int, number: int) -> list[int]:
    """The order in which so many cases run in this round.

    As in E. J. Williams, "Experimental designs balanced for the estimation of residual effects of
    treatments" (1949): over `count` rounds, twice as many if that is odd, each case comes equally
    often at each place and after each other one, so that what one leaves behind, in the memory for
    example, meets all alike.
    """
    zigzag = [(place + 1) // 2 if place % 2 else -place // 2 for place in range(count)]
    cases = [(case + number) % count for case in zigzag]
    mirrored = count % 2 == 1 and number // count % 2 == 1
    return cases[::-1] if mirrored else cases


def run_plan(name: str, plan: Plan, runs: int) -> Table:
    """All cases in alternation, so that what changes on the machine meets all of them alike."""
    rows = [Row(case.name, case.without, note=case.missing) for case in plan.cases]
    if not rows:
        raise Skip("none of the clients that were asked for is in it")
    for number in range(runs):
        say(f"{name}: run {number + 1} of {runs}")
        for case in order(len(rows), number):
            run_case(plan.cases[case], rows[case])
    return Table(name, plan.about, list(plan.references), plan.payload, rows)


def run_scenario(name: str, scenario: Scenario, options: Options, runs: int) -> Table | None:
    """One table, and nothing left in the folders."""
    try:
        return run_plan(name, scenario(options), runs)
    except Skip as skip:
        say(f"{name}: skipped: {skip}")
        return None
    finally:
        for folder in (options.memory, options.disk):
            shutil.rmtree(folder, ignore_errors=True)


def measure(args: argparse.Namespace) -> Results:
    """Runs the scenarios; prints each table when it is there."""
    check_machine()
    hosts.remove_leftovers()
    remove_old_files(args.memory, args.disk)
    own = f"{hosts.PREFIX}-{os.getpid()}"
    options = Options(
        clients=[name for name in args.clients.split(",") if name],
        swarm=args.swarm.resolve(),
        memory=args.memory / own,
        disk=args.disk / own,
        mib=args.mib,
        conditions=Conditions(args.cap, Warmth(hold=args.hold_memory), args.congestion),
    )
    present = [client for client in everyone(options) if not client.missing()]
    results = Results(
        machine=describe_machine(),
        versions=sorted({client.version() for client in present}),
        date=datetime.date.today().isoformat(),
        runs=args.runs,
    )
    for name in args.scenarios:
        table = run_scenario(name, SCENARIOS[name], options, args.runs)
        if table is not None:
            results.tables.append(table)
            print(report.text(table), end="\n\n", flush=True)
            # After each, so that hours of work survive what comes later.
            if args.json:
                results.write(args.json)
    return results


def main() -> None:
    """The program."""
    args = parse_args()
    # Being told to end is like Ctrl-C: what was started and made is removed on the way out.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        if args.source is None:
            results = measure(args)
        else:
            results = Results.read(args.source)
            print("\n\n".join(map(report.text, results.tables)))
    except KeyboardInterrupt:
        sys.exit(130)
    if args.markdown:
        for name in report.update_page(args.markdown, results):
            say(f"{args.markdown} has no place for {name}")


if __name__ == "__main__":
    main()
