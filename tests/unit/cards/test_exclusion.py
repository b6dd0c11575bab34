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
