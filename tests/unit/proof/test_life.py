"""A life goes to its end, whatever happens in it."""

import testtools

from nova_gpuvirt import model
from nova_gpuvirt.proof import life
from nova_gpuvirt.proof import trials
from tests.unit.proof import cards

_TRIAL = trials.Trial(
    cards.T4, model.Claim('PGPU', f'passthrough:{cards.T4.address}')
)


class Handover:
    """Notes what it is asked for."""

    def __init__(self, log, refusals=()):
        self._log = log
        self._refusals = list(refusals)

    def attach(self, instance, claims):
        self._log.append('attach')
        return ()

    def release(self, instance, claims):
        self._log.append('release')
        why = self._refusals.pop(0) if self._refusals else None
        return dict.fromkeys(claims, why) if why else {}


class Guests:
    """Boot none: raise an error."""

    def __init__(self, log, error):
        self._log = log
        self._error = error

    def boot(self, instance, devices):
        self._log.append('boot')
        raise self._error

    def end(self, instance):
        self._log.append('end')


class LifeTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.log = []
        self.looks = []
        self.patch(life.hardware, 'look', self.look)
        self.patch(life.time, 'sleep', lambda seconds: None)

    def look(self, sysfs, gpu):
        if self.looks is None:
            raise OSError('EIO')
        found = self.looks.pop(0) if self.looks else {}
        if found is None:
            raise OSError('EIO')
        return found

    def lives(self, error, patience=60, refusals=()):
        guests = Guests(self.log, error)
        hosts = Handover(self.log, refusals)
        return life.Life(None, hosts, guests, patience)

    def live(self, error, patience=60):
        return self.lives(error, patience).live(_TRIAL)

    def test_guest_that_fails_is_cleaned_up_and_told(self):
        outcome = self.live(ValueError('no memory'))
        self.assertEqual(['attach', 'boot', 'end', 'release'], self.log)
        self.assertEqual(('no memory',), outcome.failures)

    def test_who_ends_the_program_leaves_nothing(self):
        self.assertRaises(KeyboardInterrupt, self.live, KeyboardInterrupt())
        self.assertEqual(['attach', 'boot', 'end', 'release'], self.log)

    def test_card_may_take_its_time_to_be_as_before(self):
        self.looks = [{'type': '0'}, {'type': '9'}, {'type': '0'}]
        outcome = self.live(ValueError('no memory'))
        self.assertEqual(2, self.log.count('release'))
        self.assertEqual(1, len(outcome.failures))

    def test_release_that_is_refused_is_tried_again_and_told(self):
        # Of a partition of Fabric Manager's a look at the card shows nothing.
        refusals = ['FM does not answer', 'it is active']
        lives = self.lives(ValueError('no memory'), refusals=refusals)
        outcome = lives.live(_TRIAL)
        self.assertEqual(3, self.log.count('release'))
        self.assertEqual(('no memory',), outcome.failures)
        lives = self.lives(ValueError('no memory'), 0, refusals)
        outcome = lives.live(_TRIAL)
        self.assertEqual(('no memory', refusals[0]), outcome.failures)
        self.assertFalse(outcome.is_as_before)

    def test_card_that_can_not_be_read_is_let_be(self):
        self.looks = None
        outcome = self.live(ValueError('no memory'))
        self.assertEqual([], self.log)
        self.assertEqual(('EIO',), outcome.failures)

    def test_nothing_is_tried_of_a_card_that_can_not_be_read_any_more(self):
        self.looks = [{'type': '0'}, None, {'type': '0'}]
        lives = self.lives(ValueError('no memory'))
        first, second = lives.all_of([_TRIAL, _TRIAL])
        self.assertEqual(('no memory', 'EIO'), first.failures)
        self.assertIn('not tried', second.failures[0])

    def test_nothing_is_tried_of_a_card_that_is_not_as_it_was(self):
        self.looks = [{'type': '0'}, {'type': '9'}]
        lives = self.lives(ValueError('no memory'), patience=0)
        first, second = lives.all_of([_TRIAL, _TRIAL])
        self.assertFalse(first.is_as_before)
        self.assertIn('not tried', second.failures[0])
        self.assertEqual(1, self.log.count('attach'))

    def test_but_not_for_ever(self):
        self.looks = [{'type': '0'}, {'type': '9'}]
        outcome = self.live(ValueError('no memory'), patience=0)
        self.assertEqual('type is 9, and was 0', outcome.failures[-1])
