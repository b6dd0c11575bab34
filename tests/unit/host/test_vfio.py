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
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import simulated


class VfioTest(testtools.TestCase):
    def reasons(self, kind, modules=None, **changes):
        """What `discover` says of a changed host's cards.

        :param modules: the modules that the kernel has, where it shows them
        """
        folder = self.useFixture(fixtures.TempDir()).path
        root = pathlib.Path(folder)
        host = dataclasses.replace(hosts.HOSTS[kind](), **changes)
        simulated.SimulatedHost(host, root)
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
