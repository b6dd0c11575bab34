"""Cards that belong together are found."""

import pathlib
import unittest

import fixtures
import testtools

from nova_gpuvirt import gpus
from nova_gpuvirt import model
from nova_gpuvirt.cards import nearness
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.cards import topology
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_
from tests.unit.cards.places import address
from tests.unit.cards.places import cards
from tests.unit.cards.places import gpu


class FabricTest(unittest.TestCase):
    def sets(self, found, hives=None, partitions=None):
        (fabric,) = topology.fabrics(found, hives or {}, partitions)
        return fabric

    def test_models_do_not_mix(self):
        self.assertEqual((), topology.fabrics([gpu(1)], {}, None))

    def test_sick_card_keeps_its_place(self):
        found = [gpu(n) for n in (1, 2, 4)] + [gpu(3, refusal='sick')]
        fabric = self.sets(found)
        by_address = {g.address: g for g in found}
        self.assertEqual((cards(1, 2),), topology.can_be(fabric, by_address))

    def test_card_that_is_kept_from_guests_has_no_place(self):
        found = [gpu(1, in_sets=False), *(gpu(n) for n in (2, 3))]
        self.assertEqual((cards(2, 3),), self.sets(found).sets)

    def test_hives_do_not_mix(self):
        found = [gpu(n) for n in (1, 2, 3, 4)]
        hives = {address(n): str(n % 2) for n in (1, 2, 3, 4)}
        fabric = self.sets(found, hives)
        self.assertEqual(topology.Kind.XGMI, fabric.kind)
        self.assertEqual((cards(2, 4), cards(1, 3)), fabric.sets)

    def test_card_that_vfio_has_is_of_the_only_hive(self):
        fabric = self.sets([gpu(1), gpu(2)], {address(1): '7'})
        self.assertEqual((cards(1, 2),), fabric.sets)
        self.assertEqual({}, fabric.reasons)

    def test_card_of_one_of_several_hives_is_in_none(self):
        hives = {address(n): str(n) for n in (1, 2)}
        fabric = self.sets([gpu(1), gpu(2), gpu(3)], hives)
        self.assertEqual((), fabric.sets)
        self.assertEqual([address(3)], list(fabric.reasons))

    def test_nvswitches_join_what_fabric_manager_says(self):
        table = frozenset(
            frozenset(s.cards) for s in (cards(1, 3), cards(2, 9))
        ) | {frozenset((address(1),))}
        fabric = self.sets(
            [gpu(n) for n in (1, 2, 3)],
            partitions=topology.Partitions(table),
        )
        self.assertEqual(topology.Kind.NVSWITCH, fabric.kind)
        self.assertEqual((cards(1, 3),), fabric.sets)

    def test_nvswitches_without_an_answer_join_nothing(self):
        fabric = self.sets(
            [gpu(1), gpu(2)],
            partitions=topology.Partitions(refusal='no fmpm'),
        )
        self.assertEqual((), fabric.sets)
        self.assertEqual({'no fmpm'}, {*fabric.reasons.values()})


class HostTest(testtools.TestCase):
    def survey(self, kind, **options):
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        host = hosts.simulated(kind, root)
        power = root_.Root(host)
        seen = machine.Machine(
            sysfs.Sysfs(root, power),
            pciids.PciIds([root]),
            hypervisor.Absent(),
            power.run,
            **options,
        )
        return host, gpus.Gpus(seen, operator_filter.OperatorFilter())

    @staticmethod
    def switches(found):
        return nearness.switches(
            tuple(gpu.function for gpu in found.survey().gpus)
        )

    def test_switch_of_a_card(self):
        _, found = self.survey('a16')
        switches = self.switches(found)
        card = model.PciAddress.parse('0000:b5:00.0')
        self.assertEqual('0000:b1:00.0', switches[card])

    def test_card_alone_has_no_switch(self):
        _, found = self.survey('t4')
        switches = self.switches(found)
        self.assertEqual({None}, {*switches.values()})

    def test_sets_of_a_board_are_behind_one_switch(self):
        _, found = self.survey('a16')
        (fabric,) = found.survey().fabrics
        self.assertEqual(
            [(2, 4), (4, 2), (8, 1)],
            [
                (n, sum(len(s.cards) == n for s in fabric.sets))
                for n in (2, 4, 8)
            ],
        )
        for found_set in fabric.sets:
            if len(found_set.cards) < 8:
                buses = {c.bus >> 4 for c in found_set.cards}
                self.assertEqual(1, len(buses))

    def test_hive_is_remembered_when_vfio_gets_the_cards(self):
        host, found = self.survey('mi300x-hive')
        (before,) = found.survey(refresh=True).fabrics
        for each in found.survey().gpus:
            place = f'/sys/bus/pci/devices/{each.address}'
            host.write(f'{place}/driver_override', 'vfio-pci\n')
            host.write(f'{place}/driver/unbind', f'{each.address}\n')
            host.write('/sys/bus/pci/drivers_probe', f'{each.address}\n')
        (after,) = found.survey(refresh=True).fabrics
        self.assertEqual(topology.Kind.XGMI, after.kind)
        self.assertEqual(before.sets, after.sets)

    def test_operator_tells_the_places_of_cards_that_vfio_has(self):
        _, found = self.survey('hgx-h100')
        (fabric,) = found.survey(refresh=True).fabrics
        self.assertEqual(7, len(fabric.sets))
        host, found = self.survey(
            'hgx-h100',
            gpu_modules={model.PciAddress.parse('0000:0f:00.0'): 5},
        )
        self.bind_to_vfio(host, '0000:0f:00.0')
        (fabric,) = found.survey(refresh=True).fabrics
        self.assertEqual(7, len(fabric.sets))

    def test_card_whose_place_is_not_known_is_in_no_set(self):
        host, found = self.survey('hgx-h100')
        self.bind_to_vfio(host, '0000:0f:00.0')
        (fabric,) = found.survey(refresh=True).fabrics
        self.assertEqual(4, len(fabric.sets))
        (reason,) = fabric.reasons.values()
        self.assertIn('name it in [gpuvirt]gpu_modules', reason)

    def test_bridge_is_remembered_when_vfio_gets_the_cards(self):
        host, found = self.survey('h100-nvl')
        (before,) = found.survey(refresh=True).fabrics
        pairs = [s for s in before.sets if len(s.cards) == 2]
        for card in pairs[0].cards:
            self.bind_to_vfio(host, card)
        (after,) = found.survey(refresh=True).fabrics
        self.assertEqual(topology.Kind.NVLINK, after.kind)
        self.assertEqual(before.sets, after.sets)
        for each in found.survey().gpus:
            self.assertFalse(each.goes_alone)

    def test_card_that_could_not_be_asked_is_not_given_alone(self):
        host, found = self.survey('h100-nvl')
        pair = ('0000:17:00.0', '0000:3d:00.0')
        for card in pair:
            self.bind_to_vfio(host, card)
        (fabric,) = found.survey(refresh=True).fabrics
        self.assertEqual(1, len(fabric.sets))
        for each in found.survey().gpus:
            self.assertFalse(each.goes_alone)
            if str(each.address) in pair:
                self.assertIn('not known', each.alone_refusal)

    def test_cards_of_which_none_could_be_asked_are_near_ones(self):
        host, found = self.survey('h100-nvl')
        for card in ('17', '2a', '3d', '63'):
            self.bind_to_vfio(host, f'0000:{card}:00.0')
        (fabric,) = found.survey(refresh=True).fabrics
        self.assertEqual(topology.Kind.PCIE, fabric.kind)
        self.assertTrue(all(g.goes_alone for g in found.survey().gpus))

    def bind_to_vfio(self, host, card):
        place = f'/sys/bus/pci/devices/{card}'
        host.write(f'{place}/driver_override', 'vfio-pci\n')
        host.write(f'{place}/driver/unbind', f'{card}\n')
        host.write('/sys/bus/pci/drivers_probe', f'{card}\n')
