"""Who waits, waits for so long and no longer."""

import threading

import testtools

from nova_gpuvirt.host import bounded


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
