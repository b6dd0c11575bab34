"""Devices are handed over while nobody has the GPUs for itself."""

from nova_gpuvirt import exception
from nova_gpuvirt import handover
from nova_gpuvirt import model
from nova_gpuvirt.host import lock
from tests.unit import test_gpus

_CLAIM = model.Claim('VGPU', f'mdev:{test_gpus._CARD}/0@nvidia-t4-8q')


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
