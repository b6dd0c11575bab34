"""Whole cards: what is offered, and what those keep that have it."""

import dataclasses
import pathlib
import threading
import uuid

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import gpus
from nova_gpuvirt import handover
from nova_gpuvirt import model
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.host import card_openers
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.placement import inventory as inventory_
from nova_gpuvirt.placement import providers
from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.simulation import simulated
from nova_gpuvirt.simulation.hosts import accelerators
from nova_gpuvirt.simulation.hosts import apu
from nova_gpuvirt.simulation.hosts import gvtd
from nova_gpuvirt.simulation.hosts import hgx_h100
from nova_gpuvirt.simulation.hosts import navi
from nova_gpuvirt.simulation.hosts import t4

INSTANCE = str(uuid.uuid4())


class TestCase(testtools.TestCase):
    """A test of one simulated host, `self.host`."""

    def start(self, host, **options):
        """Start a host from its description, with options of the machine."""
        folder = self.useFixture(fixtures.TempDir()).path
        self.host = simulated.SimulatedHost(host, pathlib.Path(folder))
        root = self.host.root
        seen = machine.Machine(
            sysfs.Sysfs(root, root_.Root(self.host)),
            pciids.PciIds([root]),
            hypervisor.Absent(),
            **options,
        )
        self.gpus = gpus.Gpus(seen, operator_filter.OperatorFilter())
        self.handover = handover.Handover(self.gpus)

    def update(self):
        """Look at the host as a periodic update does, and list its cards."""
        found = self.gpus.survey(refresh=True).gpus
        return {str(gpu.address): gpu for gpu in found}

    def claim(self, address):
        return model.Claim('PGPU', f'passthrough:{address}')

    def attach(self, address):
        """Hand a card over that was claimed, and list its functions."""
        devices = self.handover.attach(INSTANCE, [self.claim(address)])
        return [str(device.host) for device in devices]

    def free(self, address, *claims):
        """Count what is free in Placement, with these claims on the card."""
        card = model.PciAddress.parse(address)
        known = {
            card: inventory_.Known({'PGPU': {'total': 1}}, (), claims),
        }
        name = providers.provider_name('node1', card)
        (provider,) = (
            p for p in self.gpus.report('node1', known) if p.name == name
        )
        self.assertLessEqual({*claims}, {*provider.resources['PGPU']})
        inventory = provider.inventories['PGPU']
        return inventory['total'] - inventory['reserved'] - len(claims)


class WithheldTest(TestCase):
    """What an older version gave to a guest stays with it."""

    def test_guest_keeps_what_is_no_gpu(self):
        self.start(accelerators.host())
        self.assertEqual(0, self.free(accelerators.FPGA))
        claim = self.claim(accelerators.FPGA)
        self.assertEqual(0, self.free(accelerators.FPGA, claim))
        self.assertEqual([accelerators.FPGA], self.attach(accelerators.FPGA))


class RefusedTest(TestCase):
    def test_card_that_can_not_go_whole_is_not_given_again(self):
        self.start(navi.host())
        gpu = self.update()[navi.DISPLAY]
        refused = dataclasses.replace(gpu, whole_refusal='it has no reset')
        slot = model.Slot(model.WHOLE, gpu.address)
        error = self.assertRaises(
            exception.PrepareFailed,
            self.gpus.backends[model.WHOLE].prepare,
            refused,
            slot,
            INSTANCE,
        )
        self.assertIn('it has no reset', str(error))


class CompanionsTest(TestCase):
    def test_apu_is_not_given_whole(self):
        self.start(apu.host())
        gpu = self.update()[apu.DISPLAY]
        self.assertIn('0000:05:00.2 (class 1080', gpu.why_not_whole)
        self.assertEqual(0, self.free(apu.DISPLAY))

    def test_guest_keeps_what_it_had_of_an_apu(self):
        self.start(apu.host())
        self.assertEqual([apu.DISPLAY], self.attach(apu.DISPLAY))

    def test_companion_that_can_not_go_keeps_the_card_from_guests(self):
        disk = description.Function(
            address='0000:40:04.0',
            vendor=0x8086,
            device=0xA190,
            subsystem=(0x8086, 0),
            class_code=0x010601,
            driver='ahci',
            iommu_group=33,
        )
        host = navi.host()
        functions = (*host.functions, disk)
        self.start(dataclasses.replace(host, functions=functions))
        gpu = self.update()[navi.DISPLAY]
        self.assertIn(f'{navi.AUDIO}: its IOMMU group', gpu.why_not_whole)
        self.assertIn('which ahci has', gpu.why_not_whole)
        # One that got it when the audio stayed behind can be started again.
        self.assertEqual([navi.DISPLAY], self.attach(navi.DISPLAY))


class ResetTest(TestCase):
    def changed(self, host, address, **changes):
        return dataclasses.replace(
            host,
            functions=tuple(
                dataclasses.replace(f, **changes)
                if f.address == address
                else f
                for f in host.functions
            ),
        )

    def test_card_that_has_its_bus_alone_is_reset_by_it(self):
        for method in ('bus', None):
            self.start(
                self.changed(navi.host(), navi.DISPLAY, reset_method=method)
            )
            self.assertTrue(self.update()[navi.DISPLAY].can_go_whole)

    def test_card_beside_another_device_is_not_reset_by_the_bus(self):
        host = navi.host()
        other = dataclasses.replace(
            host.functions[-1],
            address='0000:44:01.0',
            class_code=0x020000,
            driver=None,
            iommu_group=34,
        )
        host = dataclasses.replace(host, functions=(*host.functions, other))
        self.start(host)
        gpu = self.update()[navi.DISPLAY]
        self.assertIn(
            'its bus has others too: 0000:44:01.0', gpu.why_not_whole
        )
        self.assertIn('[gpuvirt]without_reset', gpu.why_not_whole)
        self.assertEqual([navi.DISPLAY, navi.AUDIO], self.attach(navi.DISPLAY))
        for method in ('flr', 'pm bus', 'device_specific'):
            self.start(self.changed(host, navi.DISPLAY, reset_method=method))
            self.assertTrue(self.update()[navi.DISPLAY].can_go_whole)

    def test_card_on_a_root_bus_needs_a_reset_of_its_own(self):
        address = '0000:00:02.0'
        host = self.changed(gvtd.host(), address, reset_method=None)
        self.start(host)
        gpu = self.update()[address]
        self.assertIn('no bridge above it', gpu.why_not_whole)
        self.start(host, without_reset=('0000:00:02.*',))
        self.assertTrue(self.update()[address].can_go_whole)

    def test_older_kernel_says_only_that_there_is_one(self):
        address = '0000:00:02.0'
        self.start(self.changed(gvtd.host(), address, reset_method=None))
        device = self.host.root / 'sys/bus/pci/devices' / address
        (device / 'reset').touch(0o200)
        self.assertTrue(self.update()[address].can_go_whole)

    def test_reset_that_can_not_be_read_is_not_taken_for_one(self):
        self.start(navi.host())
        self.host.break_file(navi.DISPLAY, 'reset_method', None)
        gpu = self.update()[navi.DISPLAY]
        self.assertIn(
            'whether it can be reset is not known', gpu.why_not_whole
        )


class InUseTest(TestCase):
    """A card that the host uses is not taken from it."""

    card = '0000:3b:00.0'
    node = '/dev/nvidia0'

    def start(self, host, **options):
        super().start(host, **options)
        for name, seconds in (
            ('_PATIENCE', 0.3),
            ('_PAUSE', 0.01),
            ('_BLIND', 0),
        ):
            self.useFixture(
                fixtures.MonkeyPatch(
                    f'nova_gpuvirt.backends.passthrough.{name}', seconds
                )
            )
        self.log = self.useFixture(fixtures.FakeLogger())

    def lock(self):
        folder = self.host.root / 'proc/driver/nvidia/gpus' / self.card
        return (folder / 'unbindLock').read_text().strip()

    def test_who_stays_with_a_card_keeps_it_from_guests(self):
        self.start(t4.host())
        pid = self.host.start('nvidia-persistenced', self.node)
        self.assertTrue(self.update()[self.card].can_go_whole)
        gpu = self.update()[self.card]
        self.assertIn(f'process {pid} (nvidia-persiste)', gpu.why_not_whole)
        self.assertTrue(gpu.profiles[0].available)
        self.assertEqual(0, self.free(self.card))
        # Who has it already keeps it.
        self.assertEqual(0, self.free(self.card, self.claim(self.card)))
        self.host.stop(pid)
        self.assertTrue(self.update()[self.card].can_go_whole)
        self.assertEqual(1, self.free(self.card))

    def test_log_says_once_why_a_card_is_not_offered_whole(self):
        self.start(t4.host())
        pid = self.host.start('Xorg', self.node)
        for _ in range(4):
            self.update()
            self.free(self.card)
        told = f'{self.card} is not offered: not whole: process {pid} (Xorg)'
        self.assertEqual(1, self.log.output.count(told))

    def test_what_can_not_be_seen_withdraws_nothing(self):
        self.start(t4.host())
        self.host.start('Xorg', self.node)
        self.host.hide_processes()
        for _ in range(3):
            self.assertTrue(self.update()[self.card].can_go_whole)
        told = 'Cards are offered whole though processes of the host may'
        self.assertEqual(1, self.log.output.count(told))

    def test_what_was_seen_before_is_not_taken_for_gone(self):
        self.start(t4.host())
        self.host.start('Xorg', self.node)
        self.update()
        self.update()
        self.host.hide_processes()
        self.assertFalse(self.update()[self.card].can_go_whole)

    def test_update_looks_once_for_all_cards(self):
        self.start(t4.host())
        looks = []
        find = card_openers.find

        def look(root, cards, caller):
            looks.append(list(map(str, cards)))
            return find(root, cards, caller)

        self.useFixture(
            fixtures.MonkeyPatch('nova_gpuvirt.host.card_openers.find', look)
        )
        self.update()
        cards = [self.card, '0000:5e:00.0', '0000:af:00.0', '0000:d8:00.0']
        self.assertEqual(1, len(looks))
        self.assertLessEqual({*cards}, {*looks[0]})

    def test_updates_that_see_nobody_look_less_often(self):
        self.start(t4.host())
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_gpuvirt.backends.passthrough._BLIND', 600
            )
        )
        looks = []

        def find(*args):
            looks.append(args)
            raise PermissionError('no privsep here')

        self.useFixture(
            fixtures.MonkeyPatch('nova_gpuvirt.host.card_openers.find', find)
        )
        self.update()
        self.update()
        self.assertEqual(1, len(looks))

    def test_boot_waits_for_monitoring(self):
        self.start(t4.host())
        pid = self.host.start('nvidia-smi', self.node)
        timer = threading.Timer(0.05, self.host.stop, [pid])
        timer.start()
        self.addCleanup(timer.join)
        self.assertEqual([self.card], self.attach(self.card))
        self.assertEqual('1', self.lock())

    def test_boot_is_refused_in_a_bounded_time(self):
        self.start(t4.host())
        pid = self.host.start('dcgm', self.node)
        error = self.assertRaises(
            exception.PrepareFailed, self.attach, self.card
        )
        self.assertIn(f'process {pid} (dcgm) still has it', str(error))
        self.assertEqual('0', self.lock())

    def test_set_with_a_card_in_use_leaves_no_lock(self):
        self.card = '0000:0f:00.0'
        self.start(hgx_h100.host())
        self.update()
        self.host.start('dcgm', '/dev/nvidia1')
        claim = model.Claim(
            'CUSTOM_GPU_SET_2', 'set:0000:0f:00.0+0000:11:00.0'
        )
        self.assertRaises(
            exception.PrepareFailed, self.handover.attach, INSTANCE, [claim]
        )
        self.assertEqual('0', self.lock())

    def test_lock_is_given_back_where_the_guest_never_came(self):
        self.start(t4.host())
        self.attach(self.card)
        self.handover.release(INSTANCE, [self.claim(self.card)])
        self.assertEqual('0', self.lock())

    def test_driver_has_the_last_word_where_processes_are_hidden(self):
        self.start(t4.host())
        self.host.start('dcgm', self.node)
        self.host.hide_processes()
        error = self.assertRaises(
            exception.PrepareFailed, self.attach, self.card
        )
        self.assertIn('unbindLock', str(error))

    def test_boot_says_what_it_could_not_see(self):
        self.start(navi.host())
        self.host.hide_processes()
        self.attach(navi.DISPLAY)
        self.assertIn(
            f'Who has {navi.DISPLAY} open on the host can not be seen',
            self.log.output,
        )
        self.assertIn('pid_mode', self.log.output)

    def test_card_of_another_driver(self):
        self.start(navi.host())
        pid = self.host.start('Xorg', '/dev/dri/card0')
        self.assertRaises(exception.PrepareFailed, self.attach, navi.DISPLAY)
        self.host.stop(pid)
        pid = self.host.compute('python3', navi.DISPLAY)
        error = self.assertRaises(
            exception.PrepareFailed, self.attach, navi.DISPLAY
        )
        self.assertIn(f'process {pid} (python3)', str(error))

    def test_card_with_vfio_is_looked_at_no_more(self):
        self.start(t4.host())
        pid = self.host.start('Xorg', self.node)
        self.update()
        self.update()
        self.host.stop(pid)
        device = f'/sys/bus/pci/devices/{self.card}'
        self.host.write(f'{device}/driver_override', 'vfio-pci')
        self.host.write(f'{device}/driver/unbind', self.card)
        self.host.write('/sys/bus/pci/drivers_probe', self.card)
        self.assertTrue(self.update()[self.card].can_go_whole)
        self.assertEqual([self.card], self.attach(self.card))
