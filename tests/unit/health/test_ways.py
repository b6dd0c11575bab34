"""How each kind is cleaned, and whether it is remembered who has it."""

import unittest

from nova_gpuvirt import model
from nova_gpuvirt.health import ways

_CARD = model.PciAddress.parse('0000:3b:00.0')
_MDEV = model.Slot('mdev', _CARD, 0, 'nvidia-t4-2q')
_WHOLE = model.Slot(model.WHOLE, _CARD)


class WaysTest(unittest.TestCase):
    def test_all_but_sessions_are_reset(self):
        how = ways.Ways()
        self.assertEqual(
            ('passthrough', 'mdev', 'vendor-vfio', 'sriov'), ways.KINDS
        )
        for kind in ways.KINDS:
            self.assertIs(ways.Way.RESET, how.of(kind))
        self.assertIs(ways.Way.NONE, how.of('api'))

    def test_what_stays_is_remembered(self):
        how = ways.Ways()
        remembered = {kind for kind in ways.KINDS if how.is_remembered(kind)}
        self.assertEqual({'passthrough', 'sriov'}, remembered)
        self.assertFalse(how.is_remembered('api'))

    def test_what_is_let_be_is_not_remembered(self):
        how = ways.Ways({'sriov': ways.Way.NONE, 'mdev': ways.Way.NONE})
        self.assertFalse(how.is_remembered('sriov'))
        self.assertFalse(how.is_remembered('mdev'))
        self.assertTrue(how.is_remembered('passthrough'))

    def test_what_is_made_waits_for_its_hook(self):
        how = ways.Ways(dict.fromkeys(ways.KINDS, ways.Way.HOOK))
        self.assertTrue(how.is_remembered('mdev'))
        self.assertTrue(how.has_hook(_MDEV))
        self.assertFalse(how.has_hook(_WHOLE))
        self.assertFalse(ways.Ways().has_hook(_MDEV))
