"""What keeps cards and their VFs from guests, where VFIO can't have them."""

import dataclasses
import pathlib

import fixtures
import testtools

from nova_gpuvirt import gpus
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.cards import reasons as reasons_
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import simulated
from nova_gpuvirt.simulation.hosts import epyc


class TestCase(testtools.TestCase):
    def reasons(self, kind, modules=None, before=None, **changes):
        """What `discover` says of a changed host's cards.

        :param modules: the modules that the kernel has, where it shows them
        :param before: what is done to the host before it is looked at
        """
        folder = self.useFixture(fixtures.TempDir()).path
        root = pathlib.Path(folder)
        host = dataclasses.replace(hosts.HOSTS[kind](), **changes)
        started = simulated.SimulatedHost(host, root)
        if before is not None:
            before(started)
        if modules is not None:
            place = root / 'lib/modules' / host.kernel
            place.mkdir(parents=True)
            lines = (f'kernel/drivers/{name}.ko:\n' for name in modules)
            (place / 'modules.dep').write_text(''.join(lines))
            (place / 'modules.builtin').write_text('')
        seen = machine.Machine(
            sysfs.Sysfs(root), pciids.PciIds([root]), hypervisor.Absent()
        )
        found = (
            gpus.Gpus(seen, operator_filter.OperatorFilter())
            .survey(refresh=True)
            .gpus
        )
        return ' '.join(
            reason
            for gpu in found
            for reason in reasons_.reasons(gpu)
            if 'ASPEED' not in reason
        )


class VfioTest(TestCase):
    def test_kernel_without_vfio_pci(self):
        wanted = 'the kernel has no vfio-pci'
        for kind in ('workstation', 'b60'):
            found = self.reasons(kind, ['vfio/pci/other'], drivers=())
            self.assertIn(wanted, found, kind)
        found = self.reasons('b60', ['vfio/pci/other'], drivers=())
        self.assertIn('not 0000:17:00.1 and 3 other VFs: the kernel', found)

    def test_vfio_pci_need_not_be_loaded(self):
        for modules in (['vfio/pci/vfio-pci'], None):
            for kind in ('workstation', 'b60'):
                found = self.reasons(kind, modules, drivers=())
                self.assertNotIn('vfio-pci', found)

    def test_host_without_an_iommu(self):
        for kind in ('workstation', 'b60'):
            found = self.reasons(kind, iommu=False)
            self.assertIn('it has no IOMMU group', found, kind)


class GroupTest(TestCase):
    """Who of a card's IOMMU group may stay with the host, on an EPYC."""

    def whole(self, **changes):
        """Tell why the card is not offered, with another host bridge."""
        functions = tuple(
            dataclasses.replace(f, **changes)
            if f.address == epyc.BRIDGE
            else f
            for f in epyc.host().functions
        )
        return self.reasons('epyc', functions=functions)

    def test_host_bridge_without_a_driver_stays_behind(self):
        self.assertEqual('', self.reasons('epyc'))

    def test_any_function_without_a_driver_stays_behind(self):
        self.assertEqual('', self.whole(class_code=0x130000))

    def test_drivers_that_leave_dma_to_others(self):
        for driver in ('vfio-pci', 'mlx5_vfio_pci', 'pci-stub'):
            self.assertEqual('', self.whole(driver=driver))

    def test_host_bridge_with_a_driver_would_go_along(self):
        self.assertEqual(
            f'its IOMMU group would take along {epyc.BRIDGE} (AMD '
            'Starship/Matisse PCIe Dummy Host Bridge, which edac has): use '
            "another slot, or the firmware's setting for ACS",
            self.whole(driver='edac'),
        )

    def test_bridge_stays_behind_with_the_port_driver_alone(self):
        bridge = description.BRIDGE
        self.assertEqual('', self.whole(class_code=bridge, driver='pcieport'))
        for other in (
            {'class_code': bridge, 'driver': 'switchtec'},
            # An event collector, which kernels before 5.19 don't forgive.
            {'class_code': 0x080700, 'driver': 'pcieport'},
        ):
            self.assertIn('would take along', self.whole(**other))

    def test_another_card_is_for_another_guest(self):
        for driver in (None, 'vfio-pci'):
            found = self.whole(
                class_code=description.DISPLAY_3D, driver=driver
            )
            self.assertIn(f'would take along {epyc.BRIDGE}', found)

    def test_vf_is_for_another_guest(self):
        def making_a_vf(host):
            devices = host.root / 'sys/bus/pci/devices'
            (devices / epyc.BRIDGE / 'physfn').symlink_to(
                '../0000:40:00.0', target_is_directory=True
            )

        self.assertIn(
            f'would take along {epyc.BRIDGE}',
            self.reasons('epyc', before=making_a_vf),
        )

    def test_member_that_can_not_be_read_is_not_taken_for_harmless(self):
        def breaking(host):
            host.break_file(epyc.BRIDGE, 'class', None)

        found = self.reasons('epyc', before=breaking)
        self.assertIn(
            f'its IOMMU group has {epyc.BRIDGE} too, of which it is not known',
            found,
        )
        self.assertIn('class', found)
