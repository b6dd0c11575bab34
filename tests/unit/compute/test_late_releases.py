"""What can't be taken back yet is tried again, for a minute."""

import threading

import fixtures
import testtools

from nova_gpuvirt import model
from nova_gpuvirt.compute import late_releases

_ONE = model.Claim('VGPU', 'vendor-vfio:0001:c8:00.2@nvidia-dc-48q')
_TWO = model.Claim('VGPU', 'vendor-vfio:0001:c8:00.3@nvidia-dc-48q')
_WHY = 'Device or resource busy'


class _NoThread:
    """A thread that the test is itself."""

    started = 0

    def __init__(self, **kwargs):
        pass

    def start(self):
        type(self).started += 1

    def join(self, timeout):
        pass


class LateReleasesTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.now = 100.0
        self.kept = {_ONE, _TWO}
        self.tried = []
        self.told = 0
        self.late = late_releases.LateReleases(
            self.release, self.tell, lambda: self.now
        )

    def release(self, instance, claims):
        self.tried.append((instance, frozenset(claims)))
        return {claim: _WHY for claim in claims if claim in self.kept}

    def tell(self):
        self.told += 1

    def add(self, *claims, instance='a'):
        self.late.add(instance, dict.fromkeys(claims, _WHY))


class LookTest(LateReleasesTestCase):
    def setUp(self):
        super().setUp()
        _NoThread.started = 0
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_gpuvirt.compute.late_releases.threading.Thread',
                _NoThread,
            )
        )

    def test_it_is_tried_until_it_can_be_taken_back(self):
        self.add(_ONE)
        self.assertTrue(self.late.look())
        self.assertTrue(self.late.look())
        self.assertEqual(0, self.told)
        self.kept.clear()
        self.assertFalse(self.late.look())
        self.assertEqual(3 * [('a', {_ONE})], self.tried)
        self.assertEqual(1, self.told)

    def test_each_is_tried_alone(self):
        self.add(_ONE, _TWO)
        self.kept.remove(_ONE)
        self.assertTrue(self.late.look())
        self.assertEqual(1, self.told)
        self.late.look()
        self.assertEqual(('a', {_TWO}), self.tried[-1])

    def test_after_a_minute_it_is_left_to_the_updates(self):
        self.add(_ONE)
        self.now += 59.5
        self.assertTrue(self.late.look())
        self.assertNotIn('Could not release', self.log.output)
        self.now += 0.5
        self.assertFalse(self.late.look())
        self.assertIn(f'Could not release {_ONE.identifier}', self.log.output)
        self.assertIn(_WHY, self.log.output)
        self.assertEqual(0, self.told)

    def test_what_is_taken_back_at_last_is_told(self):
        self.add(_ONE)
        self.now += 60
        self.kept.clear()
        self.assertFalse(self.late.look())
        self.assertNotIn('Could not release', self.log.output)
        self.assertEqual(1, self.told)

    def test_guest_that_starts_again_keeps_what_it_had(self):
        self.add(_ONE, _TWO)
        self.late.forget('a', [_ONE])
        self.late.forget('b', [_TWO])
        self.assertTrue(self.late.look())
        self.assertEqual([('a', {_TWO})], self.tried)
        self.late.forget('a', [_TWO])
        self.assertFalse(self.late.look())

    def test_database_that_is_away_is_waited_for(self):
        def release(*args):
            raise RuntimeError('no database')

        self.late = late_releases.LateReleases(
            release, self.tell, lambda: self.now
        )
        self.add(_ONE)
        self.assertTrue(self.late.look())
        self.now += 60
        self.assertFalse(self.late.look())
        self.assertIn('no database', self.log.output)

    def test_update_that_fails_is_logged_and_no_more(self):
        def tell():
            raise RuntimeError('no Placement')

        self.late = late_releases.LateReleases(
            self.release, tell, lambda: self.now
        )
        self.kept.clear()
        self.add(_ONE)
        self.assertFalse(self.late.look())
        self.assertIn('no Placement', self.log.output)

    def test_nothing_is_tried_after_a_stop(self):
        self.add(_ONE)
        self.late.stop()
        self.assertTrue(self.late.look())
        self.add(_TWO, instance='b')
        self.assertEqual([], self.tried)
        self.assertEqual(1, _NoThread.started)

    def test_one_thread_does_for_all(self):
        self.add(_ONE)
        self.add(_TWO, instance='b')
        self.assertEqual(1, _NoThread.started)


class ThreadTest(LateReleasesTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_gpuvirt.compute.late_releases._PAUSE', 0.01
            )
        )
        self.freed = threading.Event()

    def tell(self):
        self.freed.set()

    def threads(self):
        return [
            t for t in threading.enumerate() if t.name == 'gpuvirt-releases'
        ]

    def test_thread_ends_with_the_last_and_begins_with_the_next(self):
        for _ in range(2):
            self.freed.clear()
            self.kept.clear()
            self.add(_ONE)
            self.assertTrue(self.freed.wait(30))
            for thread in self.threads():
                thread.join(30)
            self.assertEqual([], self.threads())

    def test_stop_ends_it_while_something_waits(self):
        self.add(_ONE)
        self.assertEqual(1, len(self.threads()))
        self.late.stop()
        self.assertEqual([], self.threads())

    def test_nobody_waits_for_a_driver_that_hangs_with_another(self):
        hangs = threading.Event()
        began = threading.Event()

        def release(instance, claims):
            began.set()
            hangs.wait(30)
            return dict.fromkeys(claims, _WHY)

        self.late = late_releases.LateReleases(
            release, self.tell, lambda: self.now
        )
        self.addCleanup(self.late.stop)
        self.addCleanup(hangs.set)
        self.add(_ONE)
        self.assertTrue(began.wait(30))
        done = []

        def others():
            self.late.forget('b', [_TWO])
            self.add(_TWO, instance='a')
            done.append('others')
            self.late.forget('a', [_ONE, _TWO])
            done.append('itself')

        thread = threading.Thread(target=others)
        thread.start()
        thread.join(1)
        self.assertEqual(['others'], done)
        hangs.set()
        thread.join(30)
        self.assertEqual(['others', 'itself'], done)
        self.assertFalse(self.late.look())
