"""Who waits, waits for so long and no longer."""

import importlib.util
import os
import pathlib
import subprocess
import sys
import threading

import fixtures
import testtools

from nova_gpuvirt.host import bounded

# A pipe stands for a file that nobody can read while a card is reset.
_UNDER_EVENTLET = """
import warnings
warnings.simplefilter('ignore')
import eventlet
eventlet.monkey_patch()
import sys
import time
from nova_gpuvirt.host import bounded

def read():
    with open(sys.argv[1], 'rb') as file:
        return file.read()

calls = bounded.OneByOne()
for _ in range(5):
    begin = time.monotonic()
    try:
        calls.in_time('a card', read, 1)
    except TimeoutError:
        print(time.monotonic() - begin)
"""


class BoundedTest(testtools.TestCase):
    def test_what_is_returned(self):
        self.assertEqual(3, bounded.in_time(lambda: 3, 30))
        self.assertIsNone(bounded.in_time(lambda: None, 30))

    def test_what_is_raised(self):
        self.assertRaises(KeyError, bounded.in_time, lambda: {}['nothing'], 30)

    def test_what_does_not_end(self):
        never = threading.Event()
        self.addCleanup(never.set)
        error = self.assertRaises(
            TimeoutError, bounded.in_time, never.wait, 0.1
        )
        self.assertIn('0.1 seconds', str(error))


class OneByOneTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.calls = bounded.OneByOne()
        self.never = threading.Event()
        self.addCleanup(self.never.set)

    def hang(self, name):
        return str(
            self.assertRaises(
                TimeoutError, self.calls.in_time, name, self.never.wait, 0.1
            )
        )

    def test_what_is_returned_and_raised(self):
        for _ in range(2):
            self.assertEqual(3, self.calls.in_time('a', lambda: 3, 30))
            self.assertRaises(
                KeyError, self.calls.in_time, 'a', lambda: {}['nothing'], 30
            )

    def test_next_one_is_not_made_while_one_hangs(self):
        self.assertIn('0.1 seconds', self.hang('a'))
        before = threading.active_count()
        self.assertIn('the last one has not ended', self.hang('a'))
        self.assertEqual(before, threading.active_count())

    def test_one_of_another_name_is_made_meanwhile(self):
        self.hang('a')
        self.assertEqual(3, self.calls.in_time('b', lambda: 3, 30))

    def test_next_one_is_made_when_the_last_has_ended(self):
        self.hang('a')
        self.never.set()
        self.calls._pending['a'].join()
        self.assertEqual(3, self.calls.in_time('a', lambda: 3, 30))

    def test_read_that_blocks_is_bounded_under_eventlet_too(self):
        """It costs the process its bound once, and nothing from then on."""
        if importlib.util.find_spec('eventlet') is None:
            self.skipTest('eventlet is not installed')
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        os.mkfifo(folder / 'config')
        done = subprocess.run(
            [sys.executable, '-c', _UNDER_EVENTLET, folder / 'config'],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual('', done.stderr)
        first, *others = map(float, done.stdout.split())
        self.assertLess(first, 3)
        self.assertEqual(4, len(others))
        self.assertLess(sum(others), 0.5)
