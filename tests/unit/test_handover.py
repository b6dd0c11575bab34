"""Devices are handed over while nobody has the GPUs for itself."""

import dataclasses
import time
from concurrent import futures

import fixtures

from nova_gpuvirt import exception
from nova_gpuvirt import handover
from nova_gpuvirt import model
from nova_gpuvirt.health import dirt
from nova_gpuvirt.health import record
from nova_gpuvirt.health import records
from nova_gpuvirt.health import ways
from nova_gpuvirt.host import lock
from nova_gpuvirt.host import sysfs
from tests.unit import test_gpus

_CLAIM = model.Claim('VGPU', f'mdev:{test_gpus._CARD}/0@nvidia-t4-8q')
_OTHER = '455d900f-4e14-4e4c-a73d-069cbf4541e6'


class LockedTest(test_gpus.GpusTestCase):
    def setUp(self):
        super().setUp()
        self.lock = lock.Lock(self.host.root)
        self.handover = handover.Handover(
            self.gpus, lambda: lock.Lock(self.host.root).shared(0)
        )

    def attach(self):
        return self.handover.attach(test_gpus._INSTANCE, [_CLAIM])

    def test_nothing_is_made_while_another_program_has_the_gpus(self):
        with self.lock.alone(0):
            error = self.assertRaises(exception.Locked, self.attach)
        self.assertIn('nova-gpuvirt prove', str(error))
        self.assertEqual(self.before, self.host.snapshot())
        self.assertEqual(1, len(self.attach()))

    def test_nothing_is_taken_back_either(self):
        self.attach()
        made = self.host.snapshot()
        with self.lock.alone(0):
            self.handover.release(test_gpus._INSTANCE, [_CLAIM])
            (leftover,) = self.handover.leftovers(())
            self.handover.discard([leftover])
        self.assertEqual(made, self.host.snapshot())
        self.assertIn('Could not discard', self.log.output)
        self.handover.discard([leftover])
        self.assertEqual(self.before, self.host.snapshot())

    def test_one_that_fails_is_undone_under_the_same_lock(self):
        self.host.fail('*/nvidia-*/create', 5)
        self.assertRaises(exception.PrepareFailed, self.attach)
        with self.lock.alone(0):
            pass


class RememberedTestCase(test_gpus.GpusTestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.host.root / 'state'
        self.folder.mkdir()
        self.records = records.Records(self.folder)
        self.handover = handover.Handover(
            self.gpus,
            dirt=dirt.Dirt(
                self.records,
                ways.Ways({'mdev': ways.Way.HOOK}),
                sysfs.Sysfs(self.host.root),
            ),
        )

    def attach(self, **kwargs):
        return self.handover.attach(test_gpus._INSTANCE, [_CLAIM], **kwargs)


class UnrememberedTest(RememberedTestCase):
    """A server that is here already is not ended by what can't be written."""

    def test_one_that_is_here_goes_on_and_is_told_once(self):
        self.folder.rmdir()
        for _ in range(2):
            self.assertEqual(1, len(self.attach(arriving=False)))
        self.assertEqual(1, self.log.output.count('it is not remembered'))
        self.assertIn(f'mdev:{test_gpus._CARD}/0', self.log.output)
        self.assertIn('install -d', self.log.output)

    def test_one_whose_record_can_not_be_read(self):
        cards = self.folder / 'cards'
        cards.mkdir()
        (cards / f'{test_gpus._CARD}.json').write_text('{')
        self.assertEqual(1, len(self.attach(arriving=False)))

    def test_one_that_arrives_is_refused(self):
        self.folder.rmdir()
        self.assertRaises(exception.InvalidRecord, self.attach)
        self.assertEqual(self.before, self.host.snapshot())

    def test_what_another_has_left_is_given_to_none_of_both(self):
        slot = _CLAIM.identifier
        theirs = record.Dirty(slot, _OTHER, '2026-11-30T02:56:03Z')
        card = model.PciAddress.parse(test_gpus._CARD)
        self.records.change(
            card,
            lambda r: r.with_dirty(theirs).failed(theirs, 'no reset'),
        )
        for arriving in (True, False):
            self.assertRaises(
                exception.PrepareFailed, self.attach, arriving=arriving
            )
        self.assertEqual('', self.log.output)


class WaitTest(RememberedTestCase):
    """What is dirty after another is waited for, and not by all builds."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(handover, '_PAUSE', 0.01))
        self.card = model.PciAddress.parse(test_gpus._CARD)
        theirs = record.Dirty(
            _CLAIM.identifier, _OTHER, '2026-11-30T02:56:03Z'
        )
        self.records.change(self.card, lambda r: r.with_dirty(theirs))

    def clean(self):
        self.records.change(self.card, lambda r: r.cleaned(r.dirty[0]))

    def test_some_wait_and_the_others_are_refused_at_once(self):
        with futures.ThreadPoolExecutor(3) as pool:
            builds = [pool.submit(self.attach) for _ in range(3)]
            done, waiting = futures.wait(
                builds, 10, return_when=futures.FIRST_EXCEPTION
            )
            while len(done) < 2:
                done, waiting = futures.wait(builds, 0.01)
            self.clean()
            (waited,) = waiting
            self.assertEqual(1, len(waited.result(10)))
        for refused in done:
            self.assertIsInstance(refused.exception(), exception.NotClean)

    def test_place_to_wait_is_given_back(self):
        self.useFixture(fixtures.MockPatchObject(handover, '_PATIENCE', 0.05))
        for _ in range(2):
            begin = time.monotonic()
            self.assertRaises(exception.NotClean, self.attach)
            self.assertLess(0.05, time.monotonic() - begin)

    def test_one_that_is_here_waits_beside_them(self):
        self.handover._places_to_wait.acquire()
        with futures.ThreadPoolExecutor(1) as pool:
            restart = pool.submit(self.attach, arriving=False)
            done, _ = futures.wait([restart], 0.2)
            self.assertEqual(set(), done)
            self.clean()
            self.assertEqual(1, len(restart.result(10)))


class RefusedTest(test_gpus.GpusTestCase):
    def test_nothing_of_a_card_that_is_refused_is_made(self):
        (card,) = (
            gpu
            for gpu in self.gpus.survey(refresh=True).gpus
            if str(gpu.address) == test_gpus._CARD
        )
        refused = dataclasses.replace(card, refusal='it is on fire')
        self.useFixture(
            fixtures.MockPatchObject(
                self.gpus, 'look_at', return_value=[refused]
            )
        )
        error = self.assertRaises(
            exception.PrepareFailed,
            handover.Handover(self.gpus).attach,
            test_gpus._INSTANCE,
            [_CLAIM],
        )
        self.assertIn('it is on fire', str(error))
        self.assertEqual(self.before, self.host.snapshot())
