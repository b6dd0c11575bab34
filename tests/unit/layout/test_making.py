"""Without nova-compute a card is made what it was, or left to it."""

import pathlib

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.health import records
from nova_gpuvirt.layout import executor
from nova_gpuvirt.layout import in_force
from nova_gpuvirt.layout import making
from nova_gpuvirt.layout import planner
from nova_gpuvirt.layout import state
from nova_gpuvirt.layout import survey
from nova_gpuvirt.layout import wish
from tests.unit import functions

_ALL = wish.Wish(vfs=wish.ALL)
_WHOLE = wish.Wish(vfs=0, mig=False)
_BARE = state.State(driver='nvidia', total_vfs=32, mig=False)


class MakingTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.made = in_force.InForce(records.Records(folder))
        self.gpu = model.Gpu(
            functions.function(model.PciAddress.parse('0000:41:00.0')),
            (),
            'NVIDIA',
            'L40S',
        )
        self.applied = []
        self.had = None

    def apply(self, address, wished):
        self.applied.append(wished)
        return executor.Outcome(done=('a step',))

    def make(self, wished, knows=True):
        card = survey.Card(
            self.gpu, wished, _BARE, planner.plan(_BARE, wished)
        )
        self.applied.clear()
        return making.Making(
            self, self.made, knows, lambda device: self.had
        ).make(card)

    def test_card_that_no_nova_compute_has_had(self):
        for knows in (True, False):
            self.assertEqual(('a step',), self.make(_ALL, knows).done)
            self.assertEqual([_ALL], self.applied)

    def test_card_is_made_again_what_it_was(self):
        self.made.put(self.gpu, _ALL)
        for knows in (True, False):
            self.assertTrue(self.make(_ALL, knows).is_as_wished)
            self.assertEqual([_ALL], self.applied)

    def test_what_is_wished_since_is_left_to_nova_compute(self):
        """For a server may have claimed what was there before."""
        self.made.put(self.gpu, _WHOLE)
        outcome = self.make(_ALL)
        self.assertEqual([_WHOLE], self.applied)
        self.assertEqual(('a step',), outcome.done)
        self.assertIn('which nova-compute knows', outcome.user)
        self.assertEqual(('make 32 VFs',), outcome.waiting)

    def test_card_that_was_as_the_host_made_it_is_left_to_it_too(self):
        self.made.put(self.gpu, wish.NOTHING)
        self.assertIn('which nova-compute knows', self.make(_ALL).user)
        self.assertEqual([], self.applied)

    def test_without_libvirt_what_was_never_made_is_left_to_it(self):
        self.made.begin()
        self.assertIn('libvirt does not answer', self.make(_ALL, False).user)
        self.assertEqual([], self.applied)
        self.assertIsNone(self.make(_ALL).user)

    def test_dirty_card_that_no_nova_compute_has_made_anything(self):
        self.had = 'a server has it'
        for knows in (True, False):
            outcome = self.make(_ALL, knows)
            self.assertEqual(self.had, outcome.user)
            self.assertEqual(('make 32 VFs',), outcome.waiting)
            self.assertEqual([], self.applied)

    def test_dirty_card_is_made_again_what_it_was_and_no_more(self):
        self.had = 'a server has it'
        self.made.put(self.gpu, _ALL)
        self.assertTrue(self.make(_ALL).is_as_wished)
        self.assertEqual([_ALL], self.applied)
        self.made.put(self.gpu, _WHOLE)
        outcome = self.make(_ALL)
        self.assertEqual([_WHOLE], self.applied)
        self.assertEqual(self.had, outcome.user)

    def test_card_of_which_a_record_makes_no_sense(self):
        self.made.of = self.refuse
        self.assertIn('delete it', self.make(_ALL).failed)
        self.assertEqual([], self.applied)

    def refuse(self, gpu):
        raise exception.InvalidRecord(
            'x.json', wanted='a', found='b', remedy='delete it'
        )
