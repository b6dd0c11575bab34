"""What agrees yields nothing, and what is not known neither."""

import string
import unittest

import hypothesis
from hypothesis import strategies as st

from tests.unit.audit import states

_SIDES = (
    'claims',
    'tracked',
    'allocations',
    'capacities',
    'guests',
    'hardware',
    'dirt',
)

_hows = st.sampled_from(
    [
        {},
        {'runs': False, 'vm_state': 'stopped'},
        {'guest': False, 'vm_state': 'stopped'},
        {'vm_state': 'rescued'},
        {'runs': False, 'vm_state': 'suspended'},
        {'guest': False, 'vm_state': 'building', 'is_settled': False},
        {'vm_state': 'resized'},
    ]
)


@st.composite
def agreed(draw):
    """A host of which all sides agree."""
    state = states.State()
    places = draw(st.permutations(list(states.PLACES)))
    for letter in string.ascii_lowercase:
        if not places or not draw(st.booleans()):
            break
        server = f'{letter}55d900f-4e14-4e4c-a73d-069cbf4541e6'
        how = draw(_hows)
        kept = None
        if how.get('vm_state') == 'resized' and len(places) > 1:
            kept = places.pop()
        state.add(server, places.pop(), kept=kept, **how)
    return state


class CompareTest(unittest.TestCase):
    @hypothesis.given(agreed())
    def test_agreed_host_yields_nothing(self, state):
        found = state.compare()
        self.assertEqual((), found.disagreements)
        self.assertEqual({}, found.not_compared)

    @hypothesis.given(agreed(), st.sets(st.sampled_from(_SIDES)))
    def test_side_that_is_not_known_is_no_disagreement(self, state, sides):
        state.missing_sides = sides
        self.assertEqual((), state.compare().disagreements)

    def test_side_that_is_not_known_is_named(self):
        state = states.State()
        state.unread = {'libvirt': 'no answer'}
        state.missing_sides = {'guests'}
        self.assertEqual(
            {'libvirt': 'no answer'}, state.compare().not_compared
        )

    def test_each_disagreement_says_what_to_do(self):
        state = states.State()
        one, two = (f'{n}55d900f-4e14-4e4c-a73d-069cbf4541e6' for n in '12')
        state.add(one, states.MDEV)
        state.add(two, states.MDEV)
        state.allocations.clear()
        found = state.compare().disagreements
        self.assertEqual(list(found), sorted(found, key=lambda d: d.key))
        for each in found:
            self.assertTrue(each.remedy)
            self.assertIn(each.rule, str(each))
