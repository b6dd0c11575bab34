"""What was read of a card says what is wrong with it, and nothing else."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt.health import aer
from nova_gpuvirt.health import signs
from nova_gpuvirt.vendors import nvidia_health

_FATAL = aer.Counter('it', is_fatal=True)
_NONFATAL = aer.Counter('its port 0000:3a:00.0', is_fatal=False)


def seen(now, before=None):
    """Give the signs as names, and whether each is grave."""
    return [(s.name, s.is_grave) for s in signs.of(now, before)]


class SignTest(unittest.TestCase):
    def test_nothing_is_no_sign(self):
        for reading in (
            signs.Reading(),
            signs.Reading(all_ones=False, vendor=nvidia_health.Health()),
        ):
            self.assertEqual([], seen(reading))

    def test_card_that_is_gone_has_no_other_sign(self):
        reading = signs.Reading(is_there=False, all_ones=True)
        self.assertEqual([('gone', True)], seen(reading))

    def test_ones(self):
        self.assertEqual(
            [('all-ones', True)], seen(signs.Reading(all_ones=True))
        )

    def test_errors_count_when_they_rise(self):
        reading = signs.Reading(errors={_FATAL: 3, _NONFATAL: 4})
        self.assertEqual([], seen(reading))
        self.assertEqual([], seen(reading, reading))
        before = signs.Reading(errors={_FATAL: 2, _NONFATAL: 4})
        self.assertEqual([('fatal-error', True)], seen(reading, before))
        before = signs.Reading(errors={_FATAL: 3, _NONFATAL: 2})
        (sign,) = signs.of(reading, before)
        self.assertEqual(
            'its port 0000:3a:00.0 counted 2 more uncorrectable PCIe errors',
            sign.text,
        )
        self.assertFalse(sign.is_grave)

    def test_counter_that_began_anew_has_not_risen(self):
        before = signs.Reading(errors={_FATAL: 7})
        self.assertEqual([], seen(signs.Reading(errors={_FATAL: 1}), before))

    def test_function_without_node_is_named(self):
        (sign,) = signs.of(signs.Reading(without_node=('0000:3b:00.1',)))
        self.assertEqual(signs.Name.NO_NODE, sign.name)
        self.assertFalse(sign.is_grave)
        self.assertIn('0000:3b:00.1', sign.text)

    def test_what_nvidia_says(self):
        for health, expected in (
            (nvidia_health.Health(lost='GPU is lost'), ('lost', True)),
            (nvidia_health.Health(recovery='Reset'), ('recovery', True)),
            (nvidia_health.Health(remapping_failed=True), ('remapping', True)),
            (nvidia_health.Health(fabric='Timeout'), ('fabric', False)),
        ):
            self.assertEqual([expected], seen(signs.Reading(vendor=health)))

    @given(st.text())
    def test_words_of_others_can_be_printed(self, text):
        for health in (
            nvidia_health.Health(recovery=text),
            nvidia_health.Health(fabric=text),
        ):
            (sign,) = signs.of(signs.Reading(vendor=health))
            self.assertTrue(sign.text.isprintable())
            self.assertLess(len(sign.text), 300)
