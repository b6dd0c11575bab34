"""What is no GPU is not offered, unless the operator names it."""

import pathlib

import fixtures
import testtools
from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt import gpus
from nova_gpuvirt import model
from nova_gpuvirt.cards import allow_list
from nova_gpuvirt.cards import offers
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.cards import reasons
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation.hosts import accelerators
from tests.unit import functions

_CARD = model.PciAddress(0, 1, 0, 0)
_DISPLAYS = (0x030000, 0x030200, 0x038000)
_ACCELERATOR = 0x120000
_AMD, _NVIDIA, _INTEL = 0x1002, 0x10DE, 0x8086


class HostTest(testtools.TestCase):
    def survey(self, kind, named=frozenset()):
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        hosts.simulated(kind, root)
        seen = machine.Machine(
            sysfs.Sysfs(root),
            pciids.PciIds([root]),
            hypervisor.Absent(),
            accelerators=named,
        )
        found = gpus.Gpus(seen, operator_filter.OperatorFilter()).survey()
        return {str(gpu.address): gpu for gpu in found.gpus}

    def test_what_computes_is_listed_with_what_to_set(self):
        found = self.survey('accelerators')
        self.assertFalse(any(map(offers.offers_anything, found.values())))
        for address, ids in (
            (accelerators.NPU, '8086:7d1d'),
            (accelerators.FPGA, '10ee:5004'),
        ):
            (reason,) = reasons.reasons(found[address])
            self.assertIn(f'[gpuvirt]accelerators = {ids}', reason)

    def test_display_of_a_management_controller_says_so(self):
        found = self.survey('accelerators')
        self.assertEqual(
            ['it is the display of a management controller (Huawei)'],
            reasons.reasons(found[accelerators.DISPLAY]),
        )

    def test_what_is_named_is_offered(self):
        found = self.survey('accelerators', frozenset({(0x10EE, 0x5004)}))
        offered = [
            a for a, gpu in found.items() if offers.offers_anything(gpu)
        ]
        self.assertEqual([accelerators.FPGA], offered)

    def test_what_is_named_may_be_of_any_class(self):
        named = frozenset({(0x14E4, 0x165F)})
        self.assertNotIn('0000:18:00.0', self.survey('t4'))
        self.assertTrue(
            offers.offers_anything(self.survey('t4', named)['0000:18:00.0'])
        )


class RuleTest(testtools.TestCase):
    def why(self, vendor, code, named=frozenset()):
        function = functions.function(
            _CARD, vendor_id=vendor, device_id=1, class_code=code
        )
        return (
            allow_list.why_nothing(function, named),
            allow_list.why_not_whole(function, named),
        )

    def test_cards_of_those_who_make_gpus(self):
        for vendor in (_AMD, _NVIDIA, _INTEL):
            for code in _DISPLAYS:
                self.assertEqual((None, None), self.why(vendor, code))
        self.assertEqual((None, None), self.why(_AMD, _ACCELERATOR))
        for vendor in (_NVIDIA, _INTEL, 0x10EE, 0x1DA3):
            self.assertIsNotNone(self.why(vendor, _ACCELERATOR)[0])

    def test_virtual_and_unknown_displays_may_draw_for_guests(self):
        for vendor, what in ((0x1AF4, 'virtio'), (0x1ED5, 'not known')):
            nothing, whole = self.why(vendor, _DISPLAYS[0])
            self.assertIsNone(nothing)
            self.assertIn(what, whole)
            self.assertIn(f'{vendor:04x}:0001', whole)

    def test_data_mover_and_other_classes_are_no_candidates(self):
        for code in (0x120100, 0x020000, 0x060400, 0x0B4000):
            self.assertFalse(allow_list.is_candidate(code))

    @given(st.integers(0, 0xFFFE), st.sampled_from((*_DISPLAYS, _ACCELERATOR)))
    def test_what_is_named_is_never_withheld(self, vendor, code):
        named = frozenset({(vendor, 1)})
        self.assertEqual((None, None), self.why(vendor, code, named))
        self.assertEqual(
            self.why(vendor, code), self.why(vendor, code, {(vendor, 2)})
        )
