"""Reboots and restarts with a vGPU of Nova's, which Nova's tests leave out.

Here our driver does most beside Nova's: a hard reboot builds the guest anew.
"""

from lxml import etree
from nova.tests.functional.libvirt import test_vgpu
from nova.tests.functional.libvirt.test_vgpu import fakelibvirt

from tests.upstream import switched


class RebootTest(switched.Switched, test_vgpu.VGPUTestBase):
    def setUp(self):
        super().setUp()
        self.flags(
            enabled_mdev_types=fakelibvirt.NVIDIA_11_VGPU_TYPE,
            group='devices',
        )
        self.start_compute_with_vgpu('host1')
        flavor = self._create_flavor(extra_spec={'resources:VGPU': '1'})
        self.server = self._create_server(flavor_id=flavor, networks='auto')
        (self.hostdev,) = self.hostdevs()
        self.held = self.allocations()

    def hostdevs(self):
        """List the <hostdev> elements of the server's guest, as text."""
        connection = self.computes['host1'].driver._host.get_connection()
        domain = connection.lookupByUUIDString(self.server['id'])
        return [
            etree.tostring(hostdev)
            for hostdev in etree.fromstring(domain.XMLDesc(0)).iter('hostdev')
        ]

    def allocations(self):
        """List what the server holds in Placement, by provider."""
        found = self._get_allocations_by_server_uuid(self.server['id'])
        return {uuid: held['resources'] for uuid, held in found.items()}

    def assert_vgpu_is_the_same(self):
        self.assertEqual([self.hostdev], self.hostdevs())
        self.assertEqual(self.held, self.allocations())

    def test_rebooted_guest_keeps_its_vgpu(self):
        for hard in (False, True):
            self._reboot_server(self.server, hard=hard)
            self._run_periodics()
            self.assert_vgpu_is_the_same()

    def test_guest_keeps_its_vgpu_when_nova_compute_restarts(self):
        self.restart_compute_service('host1')
        self._run_periodics()
        self.assert_vgpu_is_the_same()
        self._reboot_server(self.server, hard=True)
        self.assert_vgpu_is_the_same()
