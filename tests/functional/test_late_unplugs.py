"""What a guest does to a save that is slow to let its vGPU go."""

import fixtures

from nova_gpuvirt.simulation.libvirt import domain
from tests.functional import base
from tests.functional import test_snapshots

_DOMAIN = test_snapshots._DOMAIN


class SlowGuestTest(test_snapshots.SnapshotCase):
    def setUp(self):
        super().setUp()
        self.start_gpu_host('host1', 't4')
        self.server = self.boot(base.VGPU)

    def hostdev_count(self):
        return len(self.hostdevs('host1', self.server))

    def test_vgpu_that_a_guest_gives_up_late_is_missed(self):
        """Libvirt waits five seconds for a guest to unplug a device.

        Then it returns as if all were well, and the device goes when the
        guest lets it go (virDomainDetachDeviceFlags).
        """
        detach = domain.Domain.detachDeviceFlags
        asked = []

        def slow(guest, xml, flags):
            asked.append((guest, xml, flags))

        with fixtures.MonkeyPatch(f'{_DOMAIN}.detachDeviceFlags', slow):
            self.snapshot(self.server)
        self.assertEqual(1, len(asked))
        for guest, xml, flags in asked:
            detach(guest, xml, flags)
        self.run_periodic()
        server = self.api.get_server(self.server['id'])
        self.assertIn(
            (server['status'], self.hostdev_count()),
            [('ACTIVE', 1), ('ERROR', 0), ('ERROR', 1)],
        )
