"""What is claimed stays with the card that it was claimed of."""

import dataclasses
import unittest

from nova_gpuvirt import model
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.placement import identity
from nova_gpuvirt.placement import inventory
from tests.unit.cards import test_offers
from tests.unit.cards import test_topology

_T4 = 'CUSTOM_GPU_ID_10DE_1EB8'
_H100 = 'CUSTOM_GPU_ID_10DE_2331'
_CARD = test_offers.ADDRESS
_WHOLE = model.Claim('PGPU', f'passthrough:{_CARD}')
_FABRIC = model.FabricName(0)


def card(device_id=0x1EB8, **changes):
    old = test_offers.card(test_offers.NVIDIA)
    function = dataclasses.replace(
        old.function, device_id=device_id, **changes
    )
    return dataclasses.replace(old, function=function)


def set_of(*numbers):
    cards = test_topology.cards(*numbers)
    slot = model.Slot(model.SET, cards)
    return model.Claim(cards.resource_class, str(slot))


class WhyAnotherTest(unittest.TestCase):
    def test_ids_decide_and_no_name(self):
        gpu = card()
        for found in (
            (_T4, 'CUSTOM_GPU_MODEL_TESLA_T4'),
            (_T4, 'CUSTOM_GPU_MODEL_AS_IT_WAS_CALLED', 'CUSTOM_RACK_7'),
        ):
            self.assertIsNone(identity.why_another(gpu, found))
        self.assertEqual(
            'it is NVIDIA Tesla T4 (10de:1eb8), and what is claimed here was '
            'claimed of 10de:2331; migrate, shelve or delete the servers that '
            'have it, or put the old card back',
            identity.why_another(gpu, (_H100, 'CUSTOM_GPU_MODEL_TESLA_T4')),
        )

    def test_what_does_not_say_what_it_is_is_not_refused(self):
        for gpu, found in (
            (card(), ()),
            (card(), ('CUSTOM_GPU_MODEL_H100', trait_names.MISSING)),
            (card(vendor_id=model.NO_VENDOR), (_T4,)),
            (
                dataclasses.replace(
                    card(), function=None, render_node=model.RenderNode(128)
                ),
                (_T4,),
            ),
        ):
            self.assertIsNone(identity.why_another(gpu, found))


class OfClaimedTest(unittest.TestCase):
    def test_a_card_without_a_claim_may_become_another(self):
        known = {_CARD: inventory.Known({}, {_T4}, ())}
        self.assertEqual({}, identity.of_claimed(known))
        known = {_CARD: inventory.Known({}, {_T4, 'CUSTOM_A'}, {_WHOLE})}
        self.assertEqual({_CARD: frozenset({_T4})}, identity.of_claimed(known))

    def test_provider_whose_traits_were_not_written_says_nothing(self):
        known = {_CARD: inventory.Known({}, (), {_WHOLE})}
        self.assertEqual({}, identity.of_claimed(known))

    def test_a_set_is_of_its_cards(self):
        first, second = (test_topology.address(n) for n in (1, 2))
        own = {
            test_topology.address(n): inventory.Known({}, {_T4}, ())
            for n in (1, 2, 3)
        }
        fabric = {_FABRIC: inventory.Known({}, {_T4}, {set_of(1, 2)})}
        both = dict.fromkeys((first, second), frozenset({_T4}))
        self.assertEqual(both, identity.of_claimed(own | fabric))
        # With [gpuvirt]kinds = set the cards have no providers.
        self.assertEqual(both, identity.of_claimed(fabric))

    def test_a_set_that_can_not_be_read_says_not_of_which_fabric(self):
        odd = model.Claim('CUSTOM_GPU_SET_2', 'set:of-another-version')
        known = {
            _CARD: inventory.Known({}, {_H100}, ()),
            _FABRIC: inventory.Known({}, {_T4}, {odd}),
        }
        self.assertEqual(
            {_CARD: frozenset({_H100})}, identity.of_claimed(known)
        )


class HoldTest(unittest.TestCase):
    def test_another_card_is_refused_and_keeps_an_older_reason(self):
        claimed = {_CARD: frozenset({_H100})}
        held = identity.hold(card(), claimed)
        self.assertIn('claimed of 10de:2331', held.refusal)
        sick = dataclasses.replace(card(), refusal='sick')
        self.assertEqual('sick', identity.hold(sick, claimed).refusal)
        for fine in ({}, {_CARD: frozenset({_T4})}):
            self.assertIsNone(identity.hold(card(), fine).refusal)
