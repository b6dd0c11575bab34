"""A card that the host itself uses is not given to a guest.

The simulated kernel waits without end to take it from NVIDIA's driver, so a
guest that came that far would never end, nor would the test.
"""

import fixtures

from tests.functional import base

_NODES = [f'/dev/nvidia{n}' for n in range(4)]


class CardsInUseTest(base.GpuTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_gpuvirt.backends.passthrough._PATIENCE', 0.5
            )
        )
        self.host = self.start_gpu_host('host1', 't4')
        self.before = self.host.snapshot()

    def test_boot_is_refused_before_updates_have_seen_it(self):
        pid = self.host.start('nvidia-persistenced', *_NODES)
        fault = self.boot_refused(base.PGPU)
        self.assertNotIn('nvidia', fault)
        self.assertIn(
            f'process {pid} (nvidia-persiste) still has it', self.log()
        )
        self.assert_agreed()
        self.assertEqual(self.before, self.host.snapshot())
        self.host.stop(pid)
        self.boot(base.PGPU)
        self.assert_agreed()

    def test_updates_withdraw_it_and_offer_it_again(self):
        kept = self.boot(base.PGPU)
        slot = self.slot(kept)
        pid = self.host.start('nvidia-persistenced', *_NODES)
        self.run_periodic()
        self.assertEqual(3, sum(self.totals('host1', 'PGPU').values()))
        self.run_periodic()
        self.assertEqual(0, sum(self.totals('host1', 'PGPU').values()))
        self.assertEqual(6, sum(self.totals('host1', 'VGPU').values()))
        self.assert_agreed()
        self.assertEqual(slot, self.slot(kept))
        self.host.stop(pid)
        self.run_periodic()
        self.assertEqual(3, sum(self.totals('host1', 'PGPU').values()))
        self._delete_server(kept)
        self.assert_agreed()
        self.assertEqual(self.before, self.host.snapshot())
