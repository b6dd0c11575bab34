"""Summaries are read once, and tell what requests are typical."""

import unittest

import os_resource_classes as orc

from nova_gpuvirt.model import summary
from nova_gpuvirt.model import summary_text
from nova_gpuvirt.scheduler import fleet
from tests.unit.scheduler import worlds

SMALL = summary.Request(2, 2048, ((orc.PGPU, 1),))
LARGE = summary.Request(32, 65536, ((orc.PGPU, 1),))


def text(*running, model='T4', provider='card'):
    card = worlds.free(summary.Layout(model), provider)
    return summary_text.dump(summary.Summary((card,), running=running))


class FleetTest(unittest.TestCase):
    def setUp(self):
        self.now = 1000.0
        self.fleet = self.new({})

    def new(self, typical):
        return fleet.Fleet(typical, lambda: self.now)

    def typical(self, host, told, of=None):
        view = (of or self.fleet).view(host, told)
        return {
            t.vcpus
            for _, typical in view.demand.typical
            for t in typical
            if t.vcpus > 1
        }

    def test_a_host_that_tells_nothing_has_no_view(self):
        self.assertIsNone(self.fleet.view('a', None))

    def test_an_unreadable_summary_is_logged_once(self):
        with self.assertLogs('nova_gpuvirt.scheduler.fleet') as logs:
            self.assertIsNone(self.fleet.view('a', '[2]'))
            self.assertIsNone(self.fleet.view('a', '[2]'))
        self.assertEqual(1, len(logs.output))
        self.assertIn('host a', logs.output[0])

    def test_a_host_can_be_read_again_after_it_could_not(self):
        with self.assertLogs('nova_gpuvirt.scheduler.fleet'):
            self.fleet.view('a', 'nothing')
        self.assertIsNotNone(self.fleet.view('a', text()))

    def test_the_same_text_is_read_once(self):
        told = text()
        again = ''.join([*told])
        self.assertIsNot(told, again)
        self.assertIs(self.fleet.view('a', told), self.fleet.view('a', again))

    def test_another_text_is_read(self):
        self.fleet.view('a', text())
        view = self.fleet.view('a', text(provider='other'))
        self.assertEqual(['other'], [*view.cards])

    def test_what_runs_is_typical(self):
        self.assertEqual({2}, self.typical('a', text((SMALL, 5))))

    def test_what_runs_is_counted_again_in_a_minute(self):
        self.typical('a', text((SMALL, 5)))
        self.assertEqual({2}, self.typical('a', text((LARGE, 5))))
        self.now += 61
        self.assertEqual({32}, self.typical('a', text((LARGE, 6))))
        self.assertEqual({32}, self.typical('a', text((LARGE, 6))))

    def test_hosts_that_are_read_first_do_not_decide_alone(self):
        self.typical('a', text((SMALL, 5)))
        self.assertEqual({2, 32}, self.typical('b', text((LARGE, 5))))

    def test_a_host_that_is_offered_no_more_is_forgotten(self):
        self.typical('gone', text((SMALL, 5)))
        self.now += 23 * 3600
        self.assertEqual({2, 32}, self.typical('a', text((LARGE, 5))))
        self.now += 3601
        self.assertEqual({32}, self.typical('a', text((LARGE, 6))))

    def test_a_host_that_tells_the_same_for_days_is_not_forgotten(self):
        for _ in range(50):
            self.now += 3600
            self.typical('a', text((SMALL, 5)))
        self.assertEqual({2, 32}, self.typical('b', text((LARGE, 5))))

    def test_a_model_of_hosts_that_are_gone_is_forgotten(self):
        for typical in ({}, {LARGE: 1}):
            fleet_ = self.new(typical)
            model = summary.Layout(
                'K80',
                (
                    summary.Part(
                        worlds.CLASSES[0], summary.CARD, summary.Sharing.EQUAL
                    ),
                ),
            )
            told = summary.Summary((worlds.free(model, 'old'),))
            view = fleet_.view('gone', summary_text.dump(told))
            self.assertIn((worlds.CLASSES[0], 1), view.demand.units)
            self.now += 24 * 3600 + 1
            view = fleet_.view('a', text())
            self.assertNotIn((worlds.CLASSES[0], 1), view.demand.units)

    def test_a_new_model_is_known_at_once(self):
        layout = summary.Layout(
            'L40S',
            (
                summary.Part(
                    worlds.CLASSES[0], summary.CARD, summary.Sharing.EQUAL
                ),
            ),
        )
        self.fleet.view('a', text())
        told = summary.Summary((worlds.free(layout, 'new'),))
        view = self.fleet.view('b', summary_text.dump(told))
        self.assertIn((worlds.CLASSES[0], 1), view.demand.units)
        self.assertIs(view.demand, self.fleet.view('a', text()).demand)

    def test_typical_requests_that_are_given_stay(self):
        given = self.new({LARGE: 1})
        for _ in range(3):
            self.assertEqual(
                {32}, self.typical('a', text((SMALL, 5)), of=given)
            )
            self.now += 61
