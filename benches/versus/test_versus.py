"""The parts that need no root, no network and no client: `python3 -m unittest`."""

from __future__ import annotations

import contextlib
import io
import tempfile
import unittest
from collections import Counter
from itertools import pairwise, permutations, product
from pathlib import Path

import report
import run
import share
import torrent
from memory import Warmth
from model import Conditions, Failed, Options, Plan, Reference, Sample, Usage
from process import Processes
from results import Results, Row, Table


def sample(seconds: float, cpu_s: float = 1.0) -> Sample:
    return Sample(seconds, Usage(cpu_s, 10 << 20), Usage(cpu_s, 20 << 20))


def one_table() -> Table:
    rows = [
        Row("ours", samples=[sample(1.0), sample(3.0), sample(2.0)]),
        Row("ours, watched", "ours", [sample(2.2, 1.5)]),
        Row("theirs", note="no theirs"),
    ]
    return Table("race", "A race.", [Reference("÷ ours", "ours")], 200_000_000, rows)


class Orders(unittest.TestCase):
    def test_each_case_comes_equally_often_at_each_place_and_after_each_other(self) -> None:
        for count in range(1, 8):
            rounds = [run.order(count, number) for number in range(count * (1 + count % 2))]
            places = Counter((place, case) for cases in rounds for place, case in enumerate(cases))
            pairs = Counter(pair for cases in rounds for pair in pairwise(cases))
            each = range(count)
            self.assertEqual(set(places), set(product(each, each)))
            self.assertEqual(set(pairs), set(permutations(each, 2)))
            self.assertLessEqual(len({*places.values()}) , 1)
            self.assertLessEqual(len({*pairs.values()}), 1)

    def test_the_first_round_is_not_the_second(self) -> None:
        self.assertEqual([run.order(4, 0), run.order(4, 1)], [[0, 1, 3, 2], [1, 2, 0, 3]])


class Tables(unittest.TestCase):
    def test_a_row_has_medians_ratios_and_costs(self) -> None:
        titles, ours, watched, theirs = report.cells(one_table())
        numbers = dict(zip(titles, ours, strict=True))
        self.assertEqual(numbers["median"], "2.00 s")
        self.assertEqual(numbers["range"], "1.00–3.00")
        self.assertEqual(numbers["MB/s"], "100")
        self.assertEqual(numbers["memory, downloader"], "20 MiB")
        costs = dict(zip(titles, watched, strict=True))
        self.assertEqual((costs["cost, time"], costs["cost, CPU"]), ("+10.0 %", "+50.0 %"))
        self.assertEqual(costs["÷ ours"], "1.10")
        self.assertEqual(theirs[:2], ["theirs", "no theirs"])

    def test_failed_runs_are_told(self) -> None:
        row = Row("ours", samples=[sample(1.0)], failures=2)
        _, cells = report.cells(Table("race", "A race.", [], 0, [row]))
        self.assertEqual(cells[1], "1.00 s (2 failed)")

    def test_a_column_with_nothing_in_it_is_left_out(self) -> None:
        table = Table("race", "A race.", [], 0, [Row("ours", samples=[sample(1.0)])])
        self.assertEqual(
            report.cells(table)[0],
            ["", "median", "CPU", "memory, seeder", "memory, downloader"],
        )

    def test_results_survive_json(self) -> None:
        results = Results("a machine", ["ours 1"], "2026-01-01", 3, [one_table()])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "results.json"
            results.write(path)
            self.assertEqual(Results.read(path), results)

    def test_a_page_keeps_all_but_what_is_between_the_marks(self) -> None:
        results = Results("a machine", [], "2026-01-01", 3, [one_table()])
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            page.write_text("before\n<!-- versus:race -->\nold\n<!-- /versus -->\nafter\n")
            self.assertEqual(report.update_page(page, results), ["machine"])
            new = page.read_text()
            self.assertTrue(
                new.startswith("before\n<!-- versus:race -->\nA race. Medians of 3 runs.\n\n|  | median |")
            )
            self.assertTrue(new.endswith("|\n<!-- /versus -->\nafter\n"))
            self.assertNotIn("old", new)

    def test_a_page_without_the_second_mark_is_left_as_it_is(self) -> None:
        results = Results("a machine", [], "2026-01-01", 3, [one_table()])
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            page.write_text("before\n<!-- versus:race -->\nafter\n")
            self.assertEqual(report.update_page(page, results), ["machine", "race"])
            self.assertEqual(page.read_text(), "before\n<!-- versus:race -->\nafter\n")


class Plans(unittest.TestCase):
    def test_a_scenario_without_cases_is_skipped(self) -> None:
        said = io.StringIO()
        with contextlib.redirect_stderr(said), tempfile.TemporaryDirectory() as folder:
            memory, disk = Path(folder) / "memory", Path(folder) / "disk"
            conditions = Conditions(cap_s=1, warmth=Warmth(hold=False))
            options = Options(["curl"], Path("swarm"), memory, disk, 0, conditions)
            table = run.run_scenario("race", lambda _: Plan("A race.", []), options, runs=1)
        self.assertIsNone(table)
        self.assertIn("race: skipped: none of the clients", said.getvalue())


class Shares(unittest.TestCase):
    def test_a_copy_is_compared_byte_for_byte(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            data = share.make_folder(Path(folder) / "source", files=3, file_size=10)
            copy = data.link_into(Path(folder) / "copy")
            data.compare(copy)
            wrong = copy / "000" / "000001"
            wrong.unlink()
            self.assertRaises(Failed, data.compare, copy)
            wrong.write_bytes(b"0123456789")
            self.assertRaises(Failed, data.compare, copy)

    def test_bencoding_is_that_of_bep_3(self) -> None:
        value: torrent.Bencoded = {b"b": [1, b"spam"], b"a": -3}
        self.assertEqual(torrent.bencode(value), b"d1:ai-3e1:bli1e4:spamee")

    def test_seeds_are_counted_by_the_tracker(self) -> None:
        one = b"d5:filesd20:ABCDEFGHIJKLMNOPQRSTd8:completei4e10:downloadedi0e10:incompletei1eeee"
        self.assertEqual(torrent.seeds_in(one), 4)
        self.assertEqual(torrent.seeds_in(b"d5:filesdee"), 0)

    def test_pieces_of_a_torrent_run_through_all_files(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            data = share.make_folder(Path(folder) / "source", files=3, file_size=10)
            pieces = torrent.make(data, 16).info[b"pieces"]
            assert isinstance(pieces, bytes)
            self.assertEqual(len(pieces), 2 * 20)


class Clients(unittest.TestCase):
    def test_a_sign_has_a_time_and_an_early_end_is_a_failure(self) -> None:
        with tempfile.TemporaryDirectory() as folder, Processes() as processes:
            logs, signs = Path(folder), {"up": "^ready$"}
            good = ["sh", "-c", "echo ready; exec sleep 60"]
            good_one = processes.start(good, logs / "good", signs)
            self.assertGreater(processes.wait([good_one], "up", 10), 0)
            bad = processes.start(["sh", "-c", "echo no disk; exit 3"], logs / "bad", signs)
            with self.assertRaisesRegex(Failed, "^ended with 3 before 'up':\nno disk$"):
                processes.wait([bad], "up", 10)

    def test_what_an_ended_process_took_is_known(self) -> None:
        with tempfile.TemporaryDirectory() as folder, Processes() as processes:
            busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"
            process = processes.start(["sh", "-c", busy], Path(folder) / "log", {})
            processes.wait([process], "exit", 60)
            self.assertGreater(process.usage().cpu_s, 0)


if __name__ == "__main__":
    unittest.main()
