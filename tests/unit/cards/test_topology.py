"""Cards that belong together are found, and what is free of them fits."""

import dataclasses
import itertools
import pathlib
import unittest

import fixtures
import testtools
from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt import gpus
from nova_gpuvirt import model
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.cards import topology
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_
from tests.unit import functions as functions_


def address(number):
    return model.PciAddress(0, number, 0, 0)


def function(number, node, *above):
    return functions_.function(
        address(number),
        device_id=0x1234,
        driver='vfio-pci',
        numa_node=node,
        iommu_group=number,
        above=above,
    )


def gpu(number, node=None, *above, device_id=0x1234, **changes):
    found = dataclasses.replace(
        function(number, node, *above), device_id=device_id
    )
    return model.Gpu(found, (), vendor='V', model='M', **changes)


def cards(*numbers):
    return model.CardSet.of(address(n) for n in numbers)


functions = st.lists(
    st.tuples(
        st.sampled_from((None, 0, 1)), st.integers(0, 3), st.integers(0, 2)
    ),
    min_size=2,
    max_size=20,
).map(
    lambda places: tuple(
        function(
            n, node, f'pci0000:{root:02x}', f'0000:{root:02x}:0{switch}.0'
        )
        for n, (node, root, switch) in enumerate(places)
    )
)
# Sets of any shape, as a table of partitions could have them.
families = st.sets(
    st.builds(
        model.CardSet.of,
        st.sets(st.integers(0, 7).map(address), min_size=2, max_size=4),
    ),
    max_size=10,
)


class NearTest(unittest.TestCase):
    @given(functions)
    def test_sizes_are_powers_of_two_that_fit(self, found):
        sets = topology.near(found)
        for size in (2, 4, 8, 16):
            of_size = [s for s in sets if len(s.cards) == size]
            self.assertEqual(len(found) // size, len(of_size))
        self.assertLessEqual({len(s.cards) for s in sets}, {2, 4, 8, 16})

    @given(functions)
    def test_sets_never_cut_each_other(self, found):
        for a, b in itertools.combinations(topology.near(found), 2):
            common = {*a.cards} & {*b.cards}
            self.assertIn(common, ({*a.cards}, {*b.cards}, set()))
            if len(a.cards) == len(b.cards):
                self.assertEqual(set(), common)

    @given(functions)
    def test_order_of_discovery_does_not_matter(self, found):
        self.assertEqual(topology.near(found), topology.near(found[::-1]))

    def test_cards_behind_one_switch_come_first(self):
        found = (
            function(1, 0, 'pci0000:00', '0000:00:01.0', '0000:01:08.0'),
            function(2, 0, 'pci0000:00', '0000:00:02.0', '0000:02:08.0'),
            function(3, 0, 'pci0000:00', '0000:00:01.0', '0000:01:09.0'),
            function(4, 0, 'pci0000:00', '0000:00:02.0', '0000:02:09.0'),
        )
        self.assertEqual(
            (cards(1, 3), cards(2, 4), cards(1, 2, 3, 4)),
            topology.near(found),
        )

    def test_then_cards_of_a_numa_node_and_then_any(self):
        found = tuple(function(n, n % 2, f'pci0000:{n:02x}') for n in range(6))
        self.assertEqual(
            [cards(0, 2), cards(4, 5), cards(1, 3)],
            [s for s in topology.near(found) if len(s.cards) == 2],
        )


class FreeTest(unittest.TestCase):
    def fabric(self, sets, active=()):
        return topology.Fabric(
            topology.Kind.NVSWITCH,
            (0x10DE, 0x1234),
            'V',
            'M',
            (),
            tuple(sorted(sets)),
            frozenset(frozenset(s.cards) for s in active),
        )

    @given(families, st.sets(st.integers(0, 7).map(address)))
    def test_any_of_a_class_can_be_claimed_one_after_another(
        self, sets, whole
    ):
        for rc, free in topology.free(self.fabric(sets), whole).items():
            taken = [card for s in free for card in s.cards]
            self.assertEqual(len(taken), len(set(taken)))
            self.assertLessEqual({*taken}, whole)
            for s in free:
                self.assertEqual(rc, s.resource_class)
                self.assertIn(s, sets)

    @given(families, st.sets(st.integers(0, 7).map(address)))
    def test_as_many_are_offered_as_fit(self, sets, whole):
        for rc, free in topology.free(self.fabric(sets), whole).items():
            fitting = [
                s
                for s in sets
                if s.resource_class == rc and {*s.cards} <= whole
            ]
            more = itertools.combinations(fitting, len(free) + 1)
            self.assertTrue(
                all(
                    len({c for s in some for c in s.cards})
                    < sum(len(s.cards) for s in some)
                    for some in more
                )
            )

    def test_those_that_break_no_larger_set_are_chosen(self):
        # Of the two pairs with card 5 one is outside of the set of four.
        fabric = self.fabric([cards(1, 2, 3, 5), cards(3, 5), cards(4, 5)])
        whole = {address(n) for n in (1, 2, 3, 4, 5)}
        free = topology.free(fabric, whole)
        self.assertEqual(1, len(free['CUSTOM_GPU_SET_2']))
        fabric = self.fabric([cards(1, 2, 3, 4), cards(4, 5), cards(5, 6)])
        free = topology.free(fabric, whole | {address(6)})
        self.assertEqual((cards(5, 6),), free['CUSTOM_GPU_SET_2'])

    def test_active_partition_keeps_its_cards_from_other_sets(self):
        sets = [cards(1, 2), cards(3, 4), cards(1, 2, 3, 4)]
        free = topology.free(
            self.fabric(sets, active=[cards(1, 2)]),
            {address(n) for n in (1, 2, 3, 4)},
        )
        self.assertEqual((cards(1, 2), cards(3, 4)), free['CUSTOM_GPU_SET_2'])
        self.assertEqual((), free['CUSTOM_GPU_SET_4'])

    def test_class_of_which_nothing_is_left_is_there(self):
        free = topology.free(self.fabric([cards(1, 2)]), set())
        self.assertEqual({'CUSTOM_GPU_SET_2': ()}, free)


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
        return topology.switches(
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
        for cards in fabric.sets:
            if len(cards.cards) < 8:
                self.assertEqual(1, len({c.bus >> 4 for c in cards.cards}))

    def test_hive_is_remembered_when_vfio_gets_the_cards(self):
        host, found = self.survey('mi300x-hive')
        (before,) = found.survey(refresh=True).fabrics
        for gpu in found.survey().gpus:
            place = f'/sys/bus/pci/devices/{gpu.address}'
            host.write(f'{place}/driver_override', 'vfio-pci\n')
            host.write(f'{place}/driver/unbind', f'{gpu.address}\n')
            host.write('/sys/bus/pci/drivers_probe', f'{gpu.address}\n')
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

    def bind_to_vfio(self, host, card):
        place = f'/sys/bus/pci/devices/{card}'
        host.write(f'{place}/driver_override', 'vfio-pci\n')
        host.write(f'{place}/driver/unbind', f'{card}\n')
        host.write('/sys/bus/pci/drivers_probe', f'{card}\n')
