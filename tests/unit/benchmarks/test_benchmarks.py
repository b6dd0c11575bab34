"""The frame of the benchmarks: what a table says and keeps."""

import subprocess
import sys
import unittest

import benchmarks
from benchmarks import table
from benchmarks import timing


class TableTest(unittest.TestCase):
    def test_targets_bound_figure_ratio_and_speed_up(self):
        met = {
            (target, ours, peer): table.Row('x', 's', ours, peer, target).met
            for target, ours, peer in (
                (table.at_most(10), 10, None),
                (table.at_most(10), 11, None),
                (table.ratio_at_most(2), 4, 2),
                (table.ratio_at_most(2), 5, 2),
                (table.times_faster(100), 1, 100),
                (table.times_faster(100), 1, 99),
                (None, 1, 2),
            )
        }
        self.assertEqual(
            [True, False, True, False, True, False, None], list(met.values())
        )

    def test_a_target_beside_a_peer_is_missed_without_one(self):
        row = table.Row('x', 's', 1, None, table.times_faster(2))
        self.assertIs(False, row.met)

    def test_a_peer_that_did_not_end_is_shown_as_more(self):
        row = table.Row('x', 's', 2, 60, None, peer_is_more=True)
        text = str(table.Table('title', (row,)))
        self.assertIn('> 60 s', text)
        self.assertIn('< 0.0333', text)

    def test_json_keeps_everything(self):
        found = table.Table(
            'title',
            (
                table.Row('a', 's', 1.5, 3, table.times_faster(100), True),
                table.Row('b', 'requests', 0, note='none'),
            ),
            (
                table.Plot(
                    'name',
                    'title',
                    'x',
                    'y',
                    (table.Curve('ours', ((1, 2.5), (10, 3.5))),),
                    log_x=True,
                ),
            ),
        )
        self.assertEqual(found, table.Table.from_json(found.to_json()))


class TimingTest(unittest.TestCase):
    def test_runs_alternate_and_the_first_of_each_does_not_count(self):
        order = []
        seconds = timing.alternate(
            {name: lambda n=name: order.append(n) for name in 'ab'}, 2
        )
        self.assertEqual(list('ababab'), order)
        self.assertEqual(
            {'a': 2, 'b': 2}, {n: len(s) for n, s in seconds.items()}
        )


class RegistryTest(unittest.TestCase):
    def test_every_benchmark_runs_alone(self):
        for name in benchmarks.NAMES:
            asked = [sys.executable, '-m', f'benchmarks.{name}', '--help']
            shown = subprocess.run(asked, capture_output=True, text=True)
            self.assertIn('--json', shown.stdout, shown.stderr)
