"""Who arrives is known to all that is done for it meanwhile."""

import threading

import testtools

from nova_gpuvirt.compute import arriving


class ArrivalsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.arriving = arriving.Arriving()

    def test_one_arrives_until_it_is_there(self):
        self.assertNotIn('a', self.arriving)
        with self.arriving.of('a'):
            with self.arriving.of('a'):
                self.assertNotIn('b', self.arriving)
            self.assertIn('a', self.arriving)
        self.assertNotIn('a', self.arriving)

    def test_one_that_fails_arrives_no_more(self):
        with (
            testtools.ExpectedException(ValueError),
            self.arriving.of('a'),
        ):
            raise ValueError
        self.assertNotIn('a', self.arriving)

    def test_another_thread_does_not_see_it(self):
        found = []
        with self.arriving.of('a'):
            thread = threading.Thread(
                target=lambda: found.append('a' in self.arriving)
            )
            thread.start()
            thread.join()
        self.assertEqual([False], found)
