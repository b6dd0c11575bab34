"""Who arrives is known to all that is done for it meanwhile."""

import threading

import testtools

from nova_gpuvirt.compute import arrivals


class ArrivalsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.arrivals = arrivals.Arrivals()

    def test_one_arrives_until_it_is_there(self):
        self.assertNotIn('a', self.arrivals)
        with self.arrivals.of('a'):
            with self.arrivals.of('a'):
                self.assertNotIn('b', self.arrivals)
            self.assertIn('a', self.arrivals)
        self.assertNotIn('a', self.arrivals)

    def test_one_that_fails_arrives_no_more(self):
        with (
            testtools.ExpectedException(ValueError),
            self.arrivals.of('a'),
        ):
            raise ValueError
        self.assertNotIn('a', self.arrivals)

    def test_another_thread_does_not_see_it(self):
        found = []
        with self.arrivals.of('a'):
            thread = threading.Thread(
                target=lambda: found.append('a' in self.arrivals)
            )
            thread.start()
            thread.join()
        self.assertEqual([False], found)
