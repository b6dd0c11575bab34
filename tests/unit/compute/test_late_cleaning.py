"""What is dirty is cleaned beside requests: once, and not under a claim."""

import pathlib
import threading
import time
from unittest import mock

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.compute import card_cleaning
from nova_gpuvirt.compute import late_cleaning
from nova_gpuvirt.health import dirt
from nova_gpuvirt.health import records
from nova_gpuvirt.health import ways

_CARD, _OTHER = (
    model.PciAddress.parse(f'0000:{bus}:00.0') for bus in ('3b', '86')
)
_A = '155d900f-4e14-4e4c-a73d-069cbf4541e6'
_B = '255d900f-4e14-4e4c-a73d-069cbf4541e6'


def _whole(card):
    return model.Slot(model.WHOLE, card)


def _vf(number):
    vf = model.PciAddress.parse(f'0000:3b:01.{number}')
    return model.Slot('sriov', vf, profile='x')


def _uuid(number):
    return f'{number:08x}-4e14-4e4c-a73d-069cbf4541e6'


class LateCleaningTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_gpuvirt.compute.card_cleaning._PAUSE', 0.01
            )
        )
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.records = records.Records(folder)
        self.dirt = dirt.Dirt(self.records)
        self.now = 100.0
        self.holdings = set()
        self.cleaned = []
        self.errors = []
        self.told = 0
        self.entered = threading.Event()
        self.may_clean = threading.Event()
        self.may_clean.set()
        self.devices = {}
        self.late = late_cleaning.LateCleaning(
            card_cleaning.Means(
                self.dirt,
                lambda *how: self.clean(*how),
                lambda: self.read_holdings(),
                lambda: self.tell(),
                lambda: self.now,
            ),
            lambda instance: self.devices.get(instance, set()),
        )
        self.addCleanup(self.late.stop)
        self.addCleanup(self.may_clean.set)

    def read_holdings(self):
        return set(self.holdings)

    def clean(self, card, dirty, held):
        self.entered.set()
        self.may_clean.wait(10)
        if self.errors and (error := self.errors.pop(0)):
            raise error
        self.cleaned.append((card, dirty.instance, frozenset(held)))

    def tell(self):
        self.told += 1

    def mark(self, card, instance=_A):
        self.dirt.mark(card, _whole(card), instance)

    def claim(self, card, instance=_A):
        self.holdings.add((instance, card, _whole(card)))

    def wait(self, what):
        for _ in range(1000):
            if what():
                return
            time.sleep(0.01)
        self.fail('waited in vain')

    def let_end(self):
        self.wait(
            lambda: (
                not any(
                    t.name.startswith('gpuvirt-cleaning')
                    for t in threading.enumerate()
                )
            )
        )

    def test_what_nobody_claims_is_cleaned_and_told(self):
        self.mark(_CARD)
        self.late.look([])
        self.let_end()
        self.assertEqual([(_CARD, _A, frozenset())], self.cleaned)
        self.assertEqual({}, self.records.read())
        self.assertEqual(1, self.told)

    def test_what_is_claimed_at_the_report_is_let_be(self):
        self.mark(_CARD)
        self.late.look([_whole(_CARD)])
        self.let_end()
        self.assertEqual([], self.cleaned)

    def test_what_is_in_a_set_that_is_claimed_is_let_be(self):
        self.mark(_CARD)
        self.late.look([model.Slot(model.SET, model.CardSet((_CARD, _OTHER)))])
        self.let_end()
        self.assertEqual([], self.cleaned)

    def test_what_is_claimed_in_the_database_is_let_be(self):
        self.mark(_CARD)
        self.claim(_CARD)
        read = threading.Event()

        def holdings():
            self.now += 100
            read.set()
            return set(self.holdings)

        self.read_holdings = holdings
        self.late.look([])
        self.assertTrue(read.wait(10))
        self.let_end()
        self.assertEqual([], self.cleaned)
        self.assertEqual({_whole(_CARD)}, self.dirt.slots(_CARD))

    def test_claim_that_goes_a_moment_after_the_report(self):
        self.mark(_CARD)
        self.claim(_CARD)
        self.late.look([])
        time.sleep(0.05)
        self.holdings.clear()
        self.let_end()
        self.assertEqual(1, len(self.cleaned))

    def test_what_waits_is_tried_for_a_while(self):
        self.mark(_CARD)
        wait = exception.ReleaseFailed(
            str(_CARD), wanted='it', found='a guest', remedy='later'
        )
        self.errors = [wait, wait, None]
        self.late.look([])
        self.let_end()
        self.assertEqual(1, len(self.cleaned))
        self.assertEqual('', self.dirt.failures.get(_CARD, ''))

    def let_cleaning_take_long(self):
        clean = self.clean

        def clean_late(*args):
            self.now += 100
            clean(*args)

        self.clean = clean_late

    def test_what_waits_for_long_is_left_to_the_next_look(self):
        self.mark(_CARD)
        self.errors = [
            exception.ReleaseFailed(
                str(_CARD), wanted='it', found='a guest', remedy='later'
            )
        ] * 2

        self.let_cleaning_take_long()
        self.late.look([])
        self.let_end()
        self.late.look([])
        self.let_end()
        self.assertEqual([], self.cleaned)
        self.assertEqual(1, self.log.output.count('found a guest'))
        self.late.look([])
        self.let_end()
        self.assertEqual(1, len(self.cleaned))

    def test_what_fails_is_remembered_and_let_be_for_a_while(self):
        self.mark(_CARD)
        self.errors = [
            exception.CleanFailed(
                str(_CARD), wanted='it reset', found='ENOTTY', remedy='see'
            )
        ]
        self.late.look([])
        self.let_end()
        self.assertIn('ENOTTY', self.dirt.failures[_CARD])
        self.assertEqual(1, self.told)
        self.late.look([])
        self.let_end()
        self.assertEqual([], self.cleaned)

        # An operator lets it be tried.
        self.records.change(_CARD, lambda r: r.to_be_tried())
        self.dirt.look()
        self.late.look([])
        self.let_end()
        self.assertEqual(1, len(self.cleaned))

    def test_one_card_does_not_wait_for_another(self):
        self.mark(_CARD)
        self.mark(_OTHER, _B)
        self.may_clean.clear()
        self.late.look([])
        self.wait(lambda: len(self.late._in_progress()) == 2)
        self.may_clean.set()
        self.let_end()
        self.assertEqual({_CARD, _OTHER}, {card for card, *_ in self.cleaned})

    def test_cards_of_others_are_told(self):
        self.mark(_CARD)
        self.claim(_OTHER, _B)
        self.late.look([_whole(_OTHER)])
        self.let_end()
        self.assertEqual([(_CARD, _A, frozenset({_OTHER}))], self.cleaned)

    def test_what_is_freed_meanwhile_is_cleaned_too(self):
        self.mark(_CARD)
        self.may_clean.clear()
        self.late.look([])
        self.wait(lambda: self.late._in_progress())
        slot = model.Slot('sriov', _CARD, profile='x')
        self.records.change(
            _CARD,
            lambda r: r.with_dirty(
                dirt.record_.Dirty(str(slot), _B, '2026-11-30T02:56:03Z')
            ),
        )
        self.dirt.look()
        self.late.look([])
        self.may_clean.set()
        self.let_end()
        self.assertEqual({_A, _B}, {who for _, who, _ in self.cleaned})

    def test_same_instance_waits_for_what_is_cleaned(self):
        self.mark(_CARD)
        self.may_clean.clear()
        self.late.look([])
        self.wait(lambda: self.late._in_progress())
        claims = [model.Claim('PGPU', str(_whole(_CARD)))]
        waiting = threading.Thread(
            target=self.late.make_way, args=(_A, claims), daemon=True
        )
        waiting.start()
        waiting.join(0.2)
        self.assertTrue(waiting.is_alive())
        self.may_clean.set()
        waiting.join(10)
        self.assertFalse(waiting.is_alive())
        self.assertEqual({}, self.records.read())

    def test_claim_of_another_lets_it_be_cleaned(self):
        self.mark(_CARD)
        self.claim(_CARD, _B)
        self.late.look([_whole(_CARD)])
        self.let_end()
        self.assertEqual([], self.cleaned)
        self.late.make_way(_B, [model.Claim('PGPU', str(_whole(_CARD)))])
        self.let_end()
        self.assertEqual(1, len(self.cleaned))

    def test_claims_that_are_older_are_remembered(self):
        self.claim(_CARD)
        self.devices[_A] = {_CARD}
        self.late.remember([_whole(_CARD)])
        self.assertEqual({_whole(_CARD)}, self.dirt.slots(_CARD))
        before = self.records.read()
        self.holdings.clear()
        self.late.remember([_whole(_CARD)])
        self.assertEqual(before, self.records.read())

    def test_nothing_begins_after_the_end(self):
        self.mark(_CARD)
        self.late.stop()
        self.late.look([])
        self.let_end()
        self.assertEqual([], self.cleaned)

    def test_error_of_anything_is_tried_again_and_told(self):
        self.mark(_CARD)
        self.errors = [ValueError('surprise')]
        self.let_cleaning_take_long()
        self.late.look([])
        self.let_end()
        self.assertIn('surprise', self.log.output)
        self.late.look([])
        self.let_end()
        self.assertEqual(1, len(self.cleaned))

    def test_error_of_the_database_ends_no_thread_for_good(self):
        self.mark(_CARD)
        read = self.read_holdings
        self.read_holdings = lambda: 1 / 0
        self.late.look([])
        self.let_end()
        self.assertIn('ZeroDivision', self.log.output)
        self.read_holdings = read
        self.late.look([])
        self.let_end()
        self.assertEqual(1, len(self.cleaned))

    def test_surprise_of_one_slot_is_none_of_the_next(self):
        self.mark_vfs(2)
        self.holdings.clear()

        def clean(card, dirty, held):
            if dirty.slot == str(_vf(0)):
                raise ValueError('surprise')
            self.cleaned.append(dirty.slot)

        self.clean = clean
        self.late.look([])
        self.wait(lambda: self.cleaned)
        self.assertEqual([str(_vf(1))], self.cleaned)

    def mark_vfs(self, count):
        for n in range(count):
            self.dirt.mark(_CARD, _vf(n), _uuid(n))
            self.holdings.add((_uuid(n), _CARD, _vf(n)))

    def test_delete_beside_other_guests_reads_the_database_once(self):
        self.mark_vfs(8)
        self.holdings.discard((_uuid(0), _CARD, _vf(0)))
        readings = []

        def holdings():
            readings.append(1)
            return set(self.holdings)

        self.read_holdings = holdings
        self.late.look([_vf(n) for n in range(1, 8)])
        self.let_end()
        self.assertEqual(1, len(self.cleaned))
        self.assertEqual(1, len(readings))

    def test_what_is_freed_next_does_not_wait_for_what_waits(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_gpuvirt.compute.card_cleaning._PAUSE', 600
            )
        )
        self.mark_vfs(2)
        self.holdings.discard((_uuid(0), _CARD, _vf(0)))
        self.errors = [
            exception.ReleaseFailed(
                str(_CARD), wanted='it', found='a guest', remedy='later'
            )
        ]
        self.late.look([_vf(1)])
        self.wait(lambda: not self.errors)
        self.holdings.clear()
        self.late.look([])
        self.wait(lambda: len(self.cleaned) == 2)

    def test_failure_that_can_not_be_written_is_let_be_too(self):
        self.mark(_CARD)
        tries = []

        def clean(*_):
            tries.append(1)
            raise exception.CleanFailed(
                str(_CARD), wanted='it', found='no', remedy='see'
            )

        def full(*_):
            raise exception.InvalidRecord(
                'x', wanted='to remember', found='ENOSPC', remedy='see'
            )

        self.clean = clean
        self.dirt.failed = full
        # What the report does that follows.
        self.tell = lambda: self.late.look([])
        self.late.look([])
        self.let_end()
        self.late.look([])
        self.let_end()
        self.assertEqual(1, len(tries))
        self.assertIn('ENOSPC', self.log.output)

    def take_for_clean(self):
        self.records.change(_CARD, lambda r: r.taken_for_clean())
        self.dirt.look()

    def test_what_an_operator_takes_for_clean_is_not_cleaned(self):
        self.mark(_CARD)
        self.late.look([])
        self.errors = []
        self.let_end()
        self.cleaned.clear()
        self.mark(_CARD)
        self.take_for_clean()
        self.late.look([])
        self.let_end()
        self.assertEqual([], self.cleaned)
        self.assertEqual({}, self.records.read())
        self.assertIn('as an operator says', self.log.output)

    def test_what_a_server_had_since_is_cleaned_nevertheless(self):
        self.mark(_CARD)
        self.claim(_CARD)
        self.late.look([_whole(_CARD)])
        self.take_for_clean()
        self.holdings.clear()
        self.late.look([])
        self.let_end()
        self.assertEqual(1, len(self.cleaned))

    def test_taken_for_clean_while_it_is_cleaned(self):
        self.mark(_CARD)
        self.may_clean.clear()
        self.late.look([])
        self.assertTrue(self.entered.wait(10))
        self.take_for_clean()
        self.assertRaises(
            exception.NotClean, self.dirt.mark, _CARD, _whole(_CARD), _B
        )

    def test_claim_whose_guest_does_not_have_it_yet_is_not_remembered(self):
        self.claim(_CARD)
        self.claim(_OTHER)
        self.devices[_A] = {_OTHER}
        self.late.remember([_whole(_CARD), _whole(_OTHER)])
        self.assertEqual({_whole(_OTHER)}, self.dirt.all_slots())

    def test_what_is_made_for_a_guest_is_remembered_at_once(self):
        self.dirt.ways = ways.Ways({'mdev': ways.Way.HOOK})
        slot = model.Slot.parse(f'mdev:{_CARD}/0@nvidia-t4-2q')
        self.holdings.add((_A, _CARD, slot))
        self.late.remember([slot])
        self.assertEqual({slot}, self.dirt.slots(_CARD))

    def fail_once(self):
        self.errors = [
            exception.CleanFailed(
                str(_CARD), wanted='it reset', found='ENOTTY', remedy='see'
            )
        ]

    def look(self, times=1):
        for _ in range(times):
            self.late.look([])
            self.let_end()

    def test_word_of_an_operator_after_a_failure(self):
        self.mark(_CARD)
        self.claim(_CARD)
        self.late.look([_whole(_CARD)])
        self.holdings.clear()
        self.fail_once()
        self.look()
        self.assertIn('ENOTTY', self.dirt.failures[_CARD])
        self.take_for_clean()
        self.assertEqual({}, self.dirt.failures)
        self.look()
        self.assertEqual(frozenset(), self.dirt.slots(_CARD))
        self.assertEqual([], self.cleaned)

    def test_word_that_is_said_anew_after_one_that_did_not_count(self):
        self.mark(_CARD)
        self.claim(_CARD)
        self.late.look([_whole(_CARD)])
        self.take_for_clean()
        self.holdings.clear()
        self.fail_once()
        self.look()
        self.assertIn('ENOTTY', self.dirt.failures[_CARD])
        self.take_for_clean()
        self.look(2)
        self.assertEqual(frozenset(), self.dirt.slots(_CARD))
        self.assertEqual([], self.cleaned)

    def test_word_that_was_said_while_a_server_had_it_is_not_kept(self):
        self.mark(_CARD)
        self.claim(_CARD)
        self.take_for_clean()
        self.late.remember([_whole(_CARD)])
        (one,) = self.records.read()[_CARD].dirty
        self.assertFalse(one.is_taken_for_clean)

    def test_machine_that_can_start_no_thread_cleans_later(self):
        self.mark(_CARD)
        with mock.patch.object(
            threading.Thread, 'start', side_effect=RuntimeError('no thread')
        ):
            self.late.look([])
        self.assertIn('no thread', self.log.output)
        self.look()
        self.assertEqual(1, len(self.cleaned))

    def test_another_card_of_the_same_instance_is_told(self):
        self.mark(_CARD)
        self.claim(_OTHER)
        self.late.look([_whole(_OTHER)])
        self.let_end()
        self.assertEqual([(_CARD, _A, frozenset({_OTHER}))], self.cleaned)

    def test_instance_does_not_wait_for_what_is_cleaned_after_others(self):
        self.mark_vfs(2)
        self.holdings.discard((_uuid(1), _CARD, _vf(1)))
        self.may_clean.clear()
        # Both are wanted, and one is claimed again by then.
        self.late.look([])
        self.assertTrue(self.entered.wait(10))
        claims = [model.Claim('VGPU', str(_vf(0)))]
        waiting = threading.Thread(
            target=self.late.make_way, args=(_uuid(0), claims), daemon=True
        )
        waiting.start()
        waiting.join(10)
        self.assertFalse(waiting.is_alive())
