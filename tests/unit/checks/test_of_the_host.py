"""What the host does with cards is seen, or told not to be."""

import dataclasses
import functools

import testtools

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import of_the_host
from nova_gpuvirt.checks import services
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import simulated
from tests.unit.checks import subjects

PASS = finding.Level.PASS
WARN = finding.Level.WARN


class OfTheHostTest(testtools.TestCase):
    def start(self, name, *, bare=False):
        start = functools.partial(
            simulated.SimulatedHost, hosts.HOSTS[name](), bare=bare
        )
        return self.useFixture(subjects.Checked(start))

    def test_guests_are_no_holders(self):
        checked = self.start('epyc')
        checked.host.hold('0000:41:00.0')
        (found,) = of_the_host.holders(checked.subject)
        self.assertIs(PASS, found.level)

    def test_somebody_else_with_vfio_is_named(self):
        checked = self.start('epyc')
        path = 'sys/bus/pci/devices/0000:41:00.0/iommu_group'
        group = (checked.root / path).readlink().name
        checked.host.start('dpdk-testpmd', f'/dev/vfio/{group}')
        (found,) = of_the_host.holders(checked.subject)
        self.assertIs(WARN, found.level)
        self.assertIn('(dpdk-testpmd)', found.found)

    def test_a_vgpu_manager_is_no_holder(self):
        checked = self.start('t4')
        checked.host.start('nvidia-vgpu-mgr', '/dev/nvidia0')
        (found,) = of_the_host.holders(checked.subject)
        self.assertIs(PASS, found.level)

    def test_holders_that_are_not_seen_are_not_none(self):
        checked = self.start('t4')
        checked.host.hide_processes()
        (found,) = finding.together(of_the_host.holders(checked.subject))
        self.assertIs(WARN, found.level)
        self.assertEqual(4, len(found.devices))
        self.assertIn('pid_mode: host', found.remedy)

    def test_without_root_nobody_is_seen(self):
        for name in ('t4', 'epyc'):
            checked = self.start(name)
            checked.machine = dataclasses.replace(
                checked.machine, sysfs=sysfs.Sysfs(checked.root)
            )
            (found,) = finding.together(of_the_host.holders(checked.subject))
            self.assertIs(WARN, found.level)
            self.assertIn('as root', found.remedy)

    def test_cards_with_vfs_are_nobodys_whole(self):
        checked = self.start('l40s')
        checked.host.start('nv-hostengine', '/dev/nvidia0')
        (found,) = of_the_host.holders(checked.subject)
        self.assertIs(PASS, found.level)

    def test_services_that_are_not_seen_are_not_missing(self):
        for name, ask in (
            ('l40s', services.nvidia_vgpu),
            ('hgx-h100', services.fabric_manager),
        ):
            checked = self.start(name)
            checked.host.hide_processes()
            (found,) = ask(checked.subject)
            self.assertIs(WARN, found.level)
            self.assertIn('can not be seen', found.found)
            self.assertIn('pid_mode: host', found.remedy)

    def test_cards_without_their_vfs_ask_for_the_vgpu_manager(self):
        checked = self.start('l40s', bare=True)
        (found,) = services.nvidia_vgpu(checked.subject)
        self.assertIs(PASS, found.level)
        checked.host.end('nvidia-vgpu-mgr')
        (found,) = services.nvidia_vgpu(checked.subject)
        self.assertIs(WARN, found.level)
        self.assertEqual(('0000:41:00.0', '0000:a1:00.0'), found.devices)

    def test_fabric_manager_elsewhere(self):
        checked = self.start('hgx-h100')
        checked.host.end('nv-fabricmanager')
        seen = checked.subject
        machine = dataclasses.replace(seen.machine, fabric_manager='192.0.2.7')
        elsewhere = dataclasses.replace(seen, machine=machine)
        (found,) = services.fabric_manager(elsewhere)
        self.assertEqual((PASS, True), (found.level, '192' in found.found))
