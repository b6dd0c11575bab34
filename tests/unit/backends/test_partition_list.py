"""What is known of the partitions, and which hosts have any."""

import dataclasses
import pathlib

import fixtures
import testtools

from nova_gpuvirt.backends import partition_list
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.simulation import simulated
from nova_gpuvirt.simulation.commands import fabric_manager
from nova_gpuvirt.simulation.hosts import hgx_h100


class PartitionListTest(testtools.TestCase):
    def start(self, name, **options):
        self.start_described(hosts.HOSTS[name](), **options)

    def start_described(self, host, **options):
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = simulated.SimulatedHost(host, root)
        power = root_.Root(self.host)
        self.machine = machine.Machine(
            sysfs.Sysfs(root, power),
            pciids.PciIds([root]),
            hypervisor.Absent(),
            power.run,
            **options,
        )
        self.list = partition_list.PartitionList(self.machine)
        self.gpus = discovery.discover(
            self.machine.sysfs, self.machine.names
        ).gpus

    def view(self):
        self.list.refresh(self.gpus)
        return self.list.view(self.gpus)

    def test_hosts_with_nvswitches_have_partitions(self):
        for name in ('h100', 'hgx-h100', 'hgx-h200', 'hgx-b200'):
            self.start(name)
            self.assertIsNotNone(self.view(), name)

    def test_hosts_without_have_none_but_where_it_is_said(self):
        for name in ('t4', 'h100-nvl', 'mi300x-hive', 'none'):
            self.start(name)
            self.assertIsNone(self.view(), name)
        self.start('h100-nvl', fabric_manager='192.0.2.7')
        self.assertIn('192.0.2.7', self.machine.fabric_manager)
        self.assertIsNotNone(self.view().refusal)

    def test_b200_has_those_that_fabric_manager_lists(self):
        self.start('hgx-b200')
        view = self.view()
        self.assertEqual(15, len(view.cards))
        self.assertEqual({}, view.untold)
        cards = {card for cards in view.cards for card in cards}
        self.assertEqual({gpu.address for gpu in self.gpus}, cards)

    def test_b200_functions_that_are_no_gpus_are_nobodys(self):
        self.start('hgx-b200')
        functions = [f for gpu in self.gpus for f in gpu.functions]
        self.assertEqual(8, len(functions))
        self.assertEqual({0x2901}, {f.device_id for f in functions})

    def test_without_an_answer_it_says_what_to_set(self):
        self.start('hgx-b200')
        self.host.end(fabric_manager.DAEMON)
        refusal = self.view().refusal
        self.assertIn('its NVSwitches need Fabric Manager', refusal)
        self.assertIn('name in [gpuvirt]fabric_manager', refusal)

    def test_a100_is_not_known_by_its_module(self):
        """As long as Fabric Manager does not name it, as here."""
        board = hosts.HOSTS['hgx-h100']()
        functions = tuple(
            dataclasses.replace(f, device=0x20B2)
            if f.device == hgx_h100.DEVICE
            else f
            for f in board.functions
        )
        self.start_described(dataclasses.replace(board, functions=functions))
        view = self.view()
        self.assertEqual(frozenset(), view.cards)
        self.assertEqual(8, len(view.untold))
        for reason in view.untold.values():
            self.assertIn('[gpuvirt]gpu_modules', reason)

    def test_card_that_cannot_be_read_is_neither(self):
        self.start('hgx-b200')
        for gpu in self.gpus:
            self.host.break_file(str(gpu.address), 'device', None)
        self.assertIsNone(self.view())
