"""A test of the lab begins again, once, if the emulation has spoiled it."""

import contextlib
import io
import unittest

import testtools
from testtools.testresult.doubles import StreamResult

from lab.tests.host import spoiled


def _made(**attributes):
    """Make a test, which is none of this file's."""

    class Test(spoiled.SpoiledOnceTestCase):
        failures = 0
        skips = False
        faults = 'Triple fault'

        def spoiled_by(self):
            return self.faults

        def test(self):
            self.runs = getattr(self, 'runs', 0) + 1
            self.addCleanup(setattr, self, 'is_clean', True)
            if self.skips:
                self.skipTest('no card')
            self.assertGreater(self.runs, self.failures)

    test = Test('test')
    for name, value in attributes.items():
        setattr(test, name, value)
    return test


class SpoiledTest(unittest.TestCase):
    def outcomes(self, **attributes):
        """Run a test, and list what is told of it, and the runs it took."""
        test = _made(**attributes)
        stream = StreamResult()
        with contextlib.redirect_stdout(io.StringIO()) as self.said:
            test.run(testtools.ExtendedToStreamDecorator(stream))
        self.assertTrue(test.is_clean)
        statuses = [
            event.test_status
            for event in stream._events
            if event[0] == 'status' and event.test_status
        ]
        return [s for s in statuses if s != 'inprogress'], test.runs

    def test_one_that_passes_runs_once(self):
        self.assertEqual((['success'], 1), self.outcomes())

    def test_one_that_was_spoiled_once_passes(self):
        self.assertEqual((['success'], 2), self.outcomes(failures=1))
        self.assertIn('Triple fault', self.said.getvalue())
        self.assertIn('once more', self.said.getvalue())

    def test_one_that_was_spoiled_twice_fails(self):
        self.assertEqual((['fail'], 2), self.outcomes(failures=2))

    def test_one_that_fails_of_itself_fails_at_once(self):
        self.assertEqual((['fail'], 1), self.outcomes(failures=1, faults=''))

    def test_a_skip_is_one(self):
        self.assertEqual((['skip'], 1), self.outcomes(skips=True, faults=''))
