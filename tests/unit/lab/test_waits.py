"""A wait has a bound, which is longer where the machine is busy."""

import unittest
from unittest import mock

from lab import exception
from lab import waits


class WaitsTest(unittest.TestCase):
    def setUp(self):
        self.now = 1000.0
        self.load = 0.0
        for name, value in (
            ('time.monotonic', lambda: self.now),
            ('time.sleep', self._sleep),
            ('os.getloadavg', lambda: (self.load, 0.0, 0.0)),
            ('os.sched_getaffinity', lambda _: {0, 1}),
        ):
            patcher = mock.patch(name, value)
            patcher.start()
            self.addCleanup(patcher.stop)

    def _sleep(self, seconds):
        self.now += seconds

    def _wait(self, seconds, check=lambda: False):
        try:
            waits.until(check, seconds, 'a bus', 1)
        except exception.NotReady as e:
            return str(e)
        return None

    def test_what_holds_is_not_waited_for(self):
        self.assertIsNone(self._wait(0, lambda: True))
        self.assertEqual(1000, self.now)

    def test_what_holds_in_time_is_waited_for(self):
        self.assertIsNone(self._wait(30, lambda: self.now >= 1020))

    def test_an_idle_machine_has_the_seconds_of_the_bound(self):
        self.load = 1.5
        self.assertEqual('waited 31 s for a bus', self._wait(30))

    def test_a_busy_machine_has_as_much_longer(self):
        self.load = 10
        self.assertEqual(
            'waited 151 s (30 s of a machine with little to do) for a bus',
            self._wait(30),
        )

    def test_a_bound_follows_the_load(self):
        def check():
            self.load = 6 if self.now < 1030 else 0
            return False

        self._wait(30, check)
        # A third of 30 s, and all of 20.
        self.assertAlmostEqual(1050, self.now, delta=2)
