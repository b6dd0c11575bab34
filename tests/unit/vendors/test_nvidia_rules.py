"""How vGPUs share a card is told from what the driver and its command say."""

import dataclasses
import unittest
from collections import Counter

from nova_gpuvirt.cards import placements
from nova_gpuvirt.cards import profiles
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.vendors import nvidia_places
from nova_gpuvirt.vendors import nvidia_rules
from nova_gpuvirt.vendors import nvidia_smi
from nova_gpuvirt.vendors import nvidia_types

# Number, name, profile of the GPU instance, how many fit, size, ids.
ON_THE_CARD = (
    (24, 'NVIDIA X-24Q', None, 4, 24, (0, 24, 48, 72)),
    (48, 'NVIDIA X-48Q', None, 2, 48, (0, 48)),
)
IN_INSTANCES = (
    (6, 'NVIDIA X-1-6Q', 47, 4, 6, (0, 6, 12, 18)),
    (12, 'NVIDIA X-1-12Q', 47, 2, 12, (0, 12)),
)


def card(types, mixed=False, instances=None, mixed_instances=None, ids=True):
    """What the command says of a card."""
    return nvidia_smi.Card(
        {
            n: nvidia_types.VgpuType(
                *(n, name, gi, most, 1, most, n << 10),
                *((size, starts) if ids else ()),
            )
            for n, name, gi, most, size, starts in types
        },
        mixed,
        Counter(instances or {}),
        None,
        mixed_instances or {},
    )


def known(types):
    """The profiles of these types, by number."""
    return {n: profiles.nvidia(name, str(n), 9) for n, name, *_ in types}


def made(number, gpu_instance=None, placement=None):
    """A vGPU that exists."""
    return nvidia_places.Made(number, gpu_instance, placement)


class MixedSizesTest(unittest.TestCase):
    def rule(self, *vgpus, **told):
        return nvidia_rules.rule(
            known(ON_THE_CARD),
            vgpus,
            card(ON_THE_CARD, mixed=True, **told),
            16,
            chosen=True,
        )

    def test_room_is_where_nothing_lies(self):
        rule, room = self.rule(made(24, None, 24))
        self.assertIsInstance(rule, placements.Placements)
        self.assertEqual({24: 3, 48: 1}, room)
        _, room = self.rule(made(24, None, 24), made(24, None, 72))
        self.assertEqual({24: 2, 48: 0}, room)

    def test_vgpu_that_does_not_tell_its_place_may_be_anywhere(self):
        _, room = self.rule(made(24))
        self.assertEqual({24: 3, 48: 1}, room)
        _, room = self.rule(made(24), made(24))
        self.assertEqual({24: 2, 48: 0}, room)

    def test_one_at_a_time_without_places_or_with_unknown_vgpus(self):
        for rule, room in (self.rule(ids=False), self.rule(made(99))):
            self.assertIs(size_rules.ONE_AT_A_TIME, rule)
            self.assertEqual({}, room)

    def test_one_at_a_time_beside_a_vgpu_of_a_type_without_places(self):
        types = known((*ON_THE_CARD, (12, 'NVIDIA X-12C')))
        told = card(ON_THE_CARD, mixed=True)
        without = dataclasses.replace(
            told.types[24], number=12, placement_size=None, placement_ids=()
        )
        for one in (
            told,
            dataclasses.replace(told, types={**told.types, 12: without}),
        ):
            rule, _ = nvidia_rules.rule(
                types, [made(12, None, 0)], one, 16, chosen=True
            )
            self.assertIs(size_rules.ONE_AT_A_TIME, rule)


class OneSizeTest(unittest.TestCase):
    """A card whose driver lists the types of MIG as well."""

    TYPES = known((*ON_THE_CARD, *IN_INSTANCES))

    def rule(self, *vgpus, off):
        types = {
            n: dataclasses.replace(p, available=0 if n in off else 1)
            for n, p in self.TYPES.items()
        }
        rule, _ = nvidia_rules.rule(types, vgpus, None, 16, chosen=None)
        return rule

    def test_types_of_the_other_mode_are_of_no_interest(self):
        self.assertIs(size_rules.LIKELY_EQUAL_SIZE, self.rule(off=(6, 12)))
        self.assertIs(size_rules.ONE_AT_A_TIME, self.rule(off=(24, 48)))
        full = self.rule(made(6), off=(6, 12, 24, 48))
        self.assertIs(size_rules.ONE_AT_A_TIME, full)


class InstancesTest(unittest.TestCase):
    def rule(self, *vgpus, mixed):
        return nvidia_rules.rule(
            known(IN_INSTANCES),
            vgpus,
            card(
                IN_INSTANCES,
                instances={47: 2},
                mixed_instances=dict.fromkeys(mixed, 47),
            ),
            16,
            chosen=True,
        )

    def left(self, *vgpus, mixed, pending=()):
        rule, room = self.rule(*vgpus, mixed=mixed)
        found = [
            profiles.nvidia(p.name, p.type_id, room[n])
            for n, p in known(IN_INSTANCES).items()
        ]
        slugs = [f'nvidia-x-1-{n}q' for n in pending]
        return [*rule.left(found, Counter(slugs)).values()]

    def test_one_size_in_each(self):
        self.assertEqual([8, 4], self.left(mixed=()))
        self.assertEqual([7, 2], self.left(made(6, 0), mixed=()))
        self.assertEqual([7, 0], self.left(mixed=(), pending=[6]))

    def test_sizes_mix_in_all(self):
        self.assertEqual([7, 3], self.left(made(6, 0, 0), mixed=(0, 1)))
        self.assertEqual([7, 3], self.left(mixed=(0, 1), pending=[6]))
        # Somewhere in one of them.
        self.assertEqual([7, 3], self.left(made(6), mixed=(0, 1)))
        self.assertEqual([7, 3], self.left(made(6, 0), mixed=(0, 1)))

    def test_sizes_mix_in_some(self):
        self.assertEqual([7, 3], self.left(made(6, 0, 0), mixed=(0,)))
        self.assertEqual([7, 2], self.left(made(6, 1), mixed=(0,)))
        self.assertEqual([7, 0], self.left(mixed=(0,), pending=[6]))

    def test_vgpu_that_nobody_knows_takes_its_gpu_instance(self):
        self.assertEqual([4, 2], self.left(made(99, 0), mixed=(0, 1)))
