"""What is dirty of a card is taken: nobody gets it, nor what holds it."""

import dataclasses
import unittest

from nova_gpuvirt import model
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.cards import offers
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.cards import topology
from tests.unit.cards import places

_CARD = places.address(1)
_VFS = tuple(dataclasses.replace(_CARD, function=n) for n in (1, 2))
_VF = model.Slot('pci', _VFS[0], profile='vf')
_WHOLE = model.Slot(model.WHOLE, _CARD)


def with_vfs(*dirty):
    """A card with two VFs, of which this is dirty."""
    profile = model.Profile('vf', 'VF', '1', available=2, places=_VFS)
    share = model.Share('pci', size_rules.INDEPENDENT, None, (profile,))
    return places.gpu(1, shares=(share,), dirty=frozenset(dirty))


def free(gpu, claims=()):
    """What the next guest can claim, by class."""
    return {
        offer.resource_class: offer.slots
        for offer in offers.offers(gpu, claims, None)
    }


class DirtTest(unittest.TestCase):
    def test_clean_card_is_offered_whole_and_in_parts(self):
        found = free(with_vfs())
        self.assertEqual((_WHOLE,), found['PGPU'])
        self.assertEqual(2, len(found['CUSTOM_VGPU_VF']))

    def test_card_with_a_claimed_part_is_not_offered_whole(self):
        claim = model.Claim('CUSTOM_VGPU_VF', str(_VF))
        self.assertEqual((), free(with_vfs(), [claim])['PGPU'])

    def test_card_with_a_part_that_nobody_claims_is_not_offered_whole(self):
        gpu = with_vfs()
        (share,) = gpu.shares
        made = dataclasses.replace(
            share, vgpus=(model.Vgpu(str(_VFS[0]), 'vf', None),)
        )
        self.assertEqual(
            (), free(dataclasses.replace(gpu, shares=(made,)))['PGPU']
        )

    def test_dirty_part_is_not_offered_and_not_the_whole(self):
        found = free(with_vfs(_VF))
        self.assertEqual((), found['PGPU'])
        self.assertEqual(
            (model.Slot('pci', _VFS[1], profile='vf'),),
            found['CUSTOM_VGPU_VF'],
        )

    def test_of_a_dirty_whole_nothing_is_offered(self):
        found = free(with_vfs(_WHOLE))
        self.assertEqual({()}, {*found.values()})

    def test_dirty_slot_that_is_claimed_counts_once(self):
        claim = model.Claim('CUSTOM_VGPU_VF', str(_VF))
        gpu = with_vfs(_VF)
        self.assertEqual([claim], exclusion.with_dirt(gpu, [claim]))
        self.assertEqual(1, len(free(gpu, [claim])['CUSTOM_VGPU_VF']))


class ContradictionTest(unittest.TestCase):
    """What can't be had together of one card, whoever has claimed it."""

    def of(self, *identifiers, gpu=None):
        claims = [model.Claim('VGPU', each) for each in identifiers]
        return exclusion.contradiction(gpu or with_vfs(), claims)

    def test_two_parts(self):
        one, two = (model.Slot('pci', vf, profile='vf') for vf in _VFS)
        self.assertIsNone(self.of())
        self.assertIsNone(self.of(str(one)))
        self.assertIsNone(self.of(str(one), str(two)))

    def test_one_thing_twice(self):
        self.assertEqual(
            f'{_VF} is claimed 2 times', self.of(str(_VF), str(_VF))
        )
        self.assertEqual(f'{_VF} is claimed 3 times', self.of(*3 * [str(_VF)]))

    def test_one_place_by_two_names(self):
        other = str(dataclasses.replace(_VF, profile='other'))
        self.assertIn('is claimed 2 times', self.of(str(_VF), other))

    def test_what_nobody_can_read_twice(self):
        self.assertEqual(
            'hologram is claimed 2 times', self.of('hologram', 'hologram')
        )

    def test_whole_beside_a_part(self):
        expected = f'the whole card is claimed beside {_VF}'
        self.assertEqual(expected, self.of(str(_WHOLE), str(_VF)))
        self.assertEqual(expected, self.of(str(_VF), str(_WHOLE)))
        self.assertIsNone(self.of(str(_WHOLE)))

    def test_what_nobody_can_read_may_be_the_whole(self):
        self.assertEqual(
            f'the whole card is claimed beside hologram, {_VF}',
            self.of('hologram', str(_VF)),
        )
        self.assertIsNone(self.of('hologram'))

    def test_parts_that_their_driver_does_not_make_together(self):
        small, large = (
            model.Profile(f'{n}q', f'{n}Q', str(n), 1, framebuffer_mib=n)
            for n in (1, 2)
        )
        share = model.Share(
            'mdev', size_rules.EQUAL_SIZE, _CARD, (small, large)
        )
        gpu = places.gpu(1, shares=(share,))
        slots = [
            str(model.Slot('mdev', _CARD, index, profile))
            for index, profile in enumerate(('1q', '2q', '1q', 'gone'))
        ]
        self.assertIsNone(self.of(slots[0], slots[2], gpu=gpu))
        self.assertIsNone(self.of(slots[0], slots[3], gpu=gpu))
        self.assertIsNotNone(self.of(slots[0], slots[1], gpu=gpu))
        self.assertIsNotNone(self.of(*slots[:3], gpu=gpu))
        # What is made in another way is another driver's to judge.
        for kind in ('api', 'vendor-vfio'):
            other = f'{kind}:{_VFS[0]}@2q'
            self.assertEqual(kind, model.Slot.parse(other).kind)
            self.assertIsNone(self.of(slots[0], other, gpu=gpu))


class ByCardTest(unittest.TestCase):
    OWN = model.Claim('VGPU', str(_VF))
    SET = model.Claim('CUSTOM_GPU_SET_2', 'set:0000:01:00.0+0000:02:00.0')
    OTHER = model.Claim('CUSTOM_GPU_SET_2', 'hologram')

    def by_card(self, *of_a_set):
        return exclusion.by_card(
            {
                _CARD: [self.OWN],
                places.address(9): [self.OWN],
                model.FabricName(0): of_a_set,
            },
            [_CARD, places.address(3)],
        )

    def test_set_is_on_each_of_its_cards(self):
        self.assertEqual(
            {
                _CARD: [self.OWN, self.SET],
                places.address(2): [self.SET],
                places.address(3): [],
            },
            self.by_card(self.SET),
        )

    def test_set_that_can_not_be_read_may_be_on_any_card(self):
        self.assertEqual(
            {
                _CARD: [self.OWN, self.OTHER],
                places.address(3): [self.OTHER],
            },
            self.by_card(self.OTHER),
        )


class SetTest(unittest.TestCase):
    def free(self, *gpus):
        fabric = topology.Fabric(
            topology.Kind.NVSWITCH,
            (0x10DE, 0x1234),
            'V',
            'M',
            (),
            (places.cards(1, 2), places.cards(3, 4)),
            frozenset(),
        )
        by_address = {gpu.address: gpu for gpu in gpus}
        found = exclusion.free_sets(fabric, by_address, {})
        return [s for sets in found.values() for s in sets]

    def test_set_with_a_dirty_card_is_not_offered(self):
        clean = [places.gpu(number) for number in (1, 2, 3, 4)]
        self.assertEqual(2, len(self.free(*clean)))
        dirty = dataclasses.replace(clean[0], dirty=frozenset({_WHOLE}))
        self.assertEqual([places.cards(3, 4)], self.free(dirty, *clean[1:]))
