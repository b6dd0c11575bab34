"""A host's cards in one line."""

import unittest

from nova_gpuvirt import model
from nova_gpuvirt.cards import census
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import topology
from tests.unit.cards.places import address
from tests.unit.cards.places import cards
from tests.unit.cards.places import gpu


def line(*found, unreadable=(), fabrics=()):
    host = discovery.Host(
        found, dict.fromkeys(unreadable, '?'), True, tuple(fabrics)
    )
    return census.line(host)


class CensusTest(unittest.TestCase):
    def test_cards_of_one_model_and_one_way_are_counted_together(self):
        other = gpu(3, device_id=0x5678)
        self.assertEqual(
            '3 of 3 GPUs: 3 V M by passthrough', line(gpu(1), gpu(2), other)
        )

    def test_what_gives_nothing_comes_last(self):
        self.assertEqual(
            '1 of 2 GPUs: 1 V M by passthrough; nothing of 1 V M, '
            '1 unreadable PCI functions',
            line(gpu(1, refusal='sick'), gpu(2), unreadable=[address(3)]),
        )

    def test_host_without_gpus(self):
        self.assertEqual('0 of 0 GPUs', line())

    def test_card_that_goes_with_others_alone_is_offered(self):
        pair = [gpu(n, alone_refusal='NVLinks') for n in (1, 2)]
        fabric = topology.Fabric(
            topology.Kind.NVLINK,
            (1, 2),
            'V',
            'M',
            (address(1), address(2)),
            (cards(1, 2),),
        )
        self.assertEqual(
            '2 of 2 GPUs: 2 V M by set', line(*pair, fabrics=[fabric])
        )
        self.assertEqual('0 of 2 GPUs: nothing of 2 V M', line(*pair))

    def test_card_that_is_withheld_gives_nothing(self):
        self.assertEqual((), census.kinds(gpu(1, withheld='BMC')))
        self.assertEqual((model.WHOLE,), census.kinds(gpu(1)))
