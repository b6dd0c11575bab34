"""A card changes when it was looked at often enough, and never by an error."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt.health import hysteresis
from nova_gpuvirt.health import signs

_GRAVE = (signs.Sign(signs.Name.ALL_ONES, 'ones', is_grave=True),)
_PASSING = (signs.Sign(signs.Name.ERROR, 'error', is_grave=False),)
_NONE = ()
_UNKNOWN = None

_looks = st.lists(
    st.sampled_from([_GRAVE, _PASSING, _NONE, _NONE, _UNKNOWN]), max_size=40
)
_counts = st.integers(1, 5)


def states(looks, sick_after=2, well_after=3):
    """List what a card is after each look."""
    rule = hysteresis.Hysteresis(sick_after, well_after)
    state = hysteresis.State()
    found = []
    for look in looks:
        state = rule.after(state, look)
        found.append(state.is_sick)
    return found


class ChangeTest(unittest.TestCase):
    def test_grave_sign_is_enough(self):
        self.assertEqual([True], states([_GRAVE]))

    def test_other_signs_must_come_again(self):
        self.assertEqual([False, True], states([_PASSING] * 2))
        self.assertEqual([False] * 4, states([_PASSING, _NONE, _NONE, _NONE]))

    def test_card_is_well_after_looks_in_a_row(self):
        looks = [_GRAVE, _NONE, _NONE, _PASSING, _NONE, _NONE, _NONE]
        self.assertEqual([True] * 6 + [False], states(looks))

    def test_sign_that_comes_and_goes_counts(self):
        looks = [_PASSING, _NONE, _NONE, _PASSING]
        self.assertEqual([False, False, False, True], states(looks))

    def test_sign_that_is_long_ago_does_not(self):
        looks = [_PASSING, _NONE, _NONE, _NONE, _PASSING]
        self.assertEqual([False] * 5, states(looks))

    def test_one_look_at_least(self):
        for counts in ((0, 1), (1, 0)):
            with self.assertRaises(ValueError):
                hysteresis.Hysteresis(*counts)


class PropertyTest(unittest.TestCase):
    @given(_looks, _counts, _counts)
    def test_errors_of_asking_change_nothing(self, looks, sick, well):
        answered = [look for look in looks if look is not _UNKNOWN]
        known = iter(states(answered, sick, well))
        was = False
        for look, is_sick in zip(
            looks, states(looks, sick, well), strict=True
        ):
            was = was if look is _UNKNOWN else next(known)
            self.assertEqual(was, is_sick)

    @given(_looks, _counts, _counts)
    def test_well_again_after_so_many_looks_without_a_sign(
        self, looks, sick, well
    ):
        was = False
        for number, is_sick in enumerate(states(looks, sick, well)):
            if was and not is_sick:
                seen = [s for s in looks[: number + 1] if s is not _UNKNOWN]
                self.assertEqual([_NONE] * well, seen[-well:])
            was = is_sick

    @given(_looks, _counts, _counts)
    def test_sick_after_a_grave_sign_or_so_many_others(
        self, looks, sick, well
    ):
        was, since = False, 0
        for number, is_sick in enumerate(states(looks, sick, well)):
            if was and not is_sick:
                since = number + 1
            if is_sick and not was and looks[number] != _GRAVE:
                seen = [s for s in looks[since : number + 1] if s]
                self.assertGreaterEqual(len(seen), sick)
            was = is_sick

    @given(_looks, _counts, _counts)
    def test_grave_sign_always_makes_sick(self, looks, sick, well):
        self.assertTrue(states([*looks, _GRAVE], sick, well)[-1])

    @given(_looks, _counts, _counts)
    def test_looks_without_a_sign_always_make_well(self, looks, sick, well):
        self.assertFalse(states([*looks, *[_NONE] * well], sick, well)[-1])
