"""Who may have what it has claimed, and whose a place is on release."""

import dataclasses
import threading
import types
import uuid
from unittest import mock

import fixtures
import testtools
from nova import objects

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.compute.claims import admission
from nova_gpuvirt.compute.claims import ledger
from nova_gpuvirt.compute.claims import reported
from tests.unit import database
from tests.unit import functions

_NODE = 'node1'
_CARD = str(uuid.uuid4())
_OTHER_CARD = str(uuid.uuid4())
_NIC = str(uuid.uuid4())
_ELSEWHERE = str(uuid.uuid4())
_UNREPORTED = str(uuid.uuid4())
_ADDRESS = model.PciAddress.parse('0000:3b:00.0')
_SLOT = 'passthrough:0000:3b:00.0'
_CLAIM = model.Claim('PGPU', _SLOT)


def _gpu(device_id=0x1EB8):
    function = functions.function(_ADDRESS, device_id=device_id)
    return model.Gpu(function, (), 'NVIDIA', 'Tesla T4')


class Tree:
    """This host's providers, as Nova's tree tells them."""

    NAMES = {
        _CARD: f'{_NODE}_gpuvirt_0000:3b:00.0',
        _UNREPORTED: f'{_NODE}_gpuvirt_0000:af:00.0',
        _NIC: f'{_NODE}_0000:18:00.0',
    }

    def exists(self, provider):
        return provider in self.NAMES

    def data(self, provider):
        return types.SimpleNamespace(name=self.NAMES[provider])


class Tracker:
    provider_tree = Tree()


class AdmissionCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.database = self.useFixture(database.Database())
        self.ledger = ledger.Ledger(database.HOST, Tracker)
        self.ledger.learn(
            _NODE,
            {_CARD: reported.Reported(_ADDRESS, 'CUSTOM_GPU_ID_10DE_1EB8')},
            frozenset(['PGPU', 'VGPU']),
        )
        self.guests = set()
        self.admission = admission.Admission(
            self.ledger, self.guests.__contains__
        )

    def instance(self, *identifiers, flavor=None):
        """Make an instance of this host with these claims."""
        name = self.database.add(
            database.resources(_CARD, 'PGPU', *identifiers)
        )
        instance = self.database.instances[name]
        instance.flavor = objects.Flavor(
            extra_specs={} if flavor is None else flavor
        )
        return instance

    def check(self, instance, allocated, gpus=None, *, arriving=False):
        self.admission.check(
            instance,
            [_gpu()] if gpus is None else gpus,
            allocated,
            arriving=arriving,
        )

    def assert_refused(self, words, *args, **kwargs):
        with self.assertRaisesRegex(exception.ClaimRefused, words):
            self.check(*args, **kwargs)


class RowTest(AdmissionCase):
    """A row of the database that somebody has replaced."""

    def other(self):
        function = functions.function(model.PciAddress.parse('0000:5e:00.0'))
        return model.Gpu(function, (), 'NVIDIA', 'Tesla T4')

    def test_another_card_than_its_providers_is_not_given(self):
        for identifier in (
            'passthrough:0000:5e:00.0',
            'mdev:0000:5e:00.0/1@nvidia-t4-2q',
        ):
            self.assert_refused(
                'which is of 0000:5e:00.0',
                *(self.instance(identifier), {(_CARD, 'PGPU'): 1}),
                [_gpu(), self.other()],
            )

    def test_what_can_not_be_read_is_refused_before_anything_is_made(self):
        for identifier in (
            'nothing:0000:3b:00.0@x',
            'passthrough:0000:3B:00.0',
            'passthrough:0000:3b:00.0\n',
            '../../etc/passwd',
            '',
        ):
            self.assert_refused(
                'is no claim that can be read',
                *(self.instance(identifier), {(_CARD, 'PGPU'): 1}),
            )


class CompleteTest(AdmissionCase):
    PGPU = {'resources:PGPU': '1'}

    def test_what_placement_has_allocated_is_the_measure(self):
        """After a failed resize the flavor is the old one."""
        old = {'resources:VGPU': '1'}
        self.check(self.instance(_SLOT, flavor=old), {(_CARD, 'PGPU'): 1})
        self.assert_refused(
            'wanted 1 of PGPU from this host, found 0',
            *(self.instance(flavor=old), {(_CARD, 'PGPU'): 1}),
        )

    def test_flavor_is_where_placement_has_nothing_or_no_answer(self):
        for allocated in ({}, None, {(_NIC, 'VCPU'): 4}):
            self.check(self.instance(flavor={}), allocated)
            self.assert_refused(
                'wanted 1 of PGPU',
                *(self.instance(flavor=self.PGPU), allocated),
            )

    def test_more_claims_than_allocations_do_no_harm(self):
        instance = self.instance(_SLOT, flavor=self.PGPU)
        self.check(instance, {})
        self.check(instance, None)

    def test_class_may_be_of_another_provider_of_this_host(self):
        self.check(self.instance(flavor=self.PGPU), {(_NIC, 'PGPU'): 1})
        self.assert_refused(
            'wanted 1 of PGPU',
            *(self.instance(flavor=self.PGPU), {(_ELSEWHERE, 'PGPU'): 1}),
        )

    def test_what_else_a_flavor_asks_for_is_nothing_of_ours(self):
        """Nova reads some of it together with vCPUs, or with an image."""
        for spec in (
            {'hw:cpu_policy': 'mixed', 'hw:cpu_dedicated_mask': '0-1'},
            {'hw:cpu_policy': 'mixed', 'hw:cpu_realtime_mask': '^0'},
            {'hw:mem_encryption': 'true'},
        ):
            for allocated in ({(_NIC, 'VCPU'): 4}, None):
                self.check(self.instance(flavor=spec), allocated)
                self.assert_refused(
                    'wanted 1 of PGPU',
                    *(self.instance(flavor=spec | self.PGPU), allocated),
                )

    def test_provider_of_ours_that_was_not_reported_yet_has_no_claims(self):
        """Its report failed after it was created."""
        self.assert_refused(
            'wanted 1 of PGPU',
            *(self.instance(flavor=self.PGPU), {(_UNREPORTED, 'PGPU'): 1}),
        )


class PresentTest(AdmissionCase):
    def test_card_that_is_gone(self):
        self.assert_refused(
            '0000:3b:00.0: .*no such card', self.instance(_SLOT), {}, []
        )

    def test_card_that_is_refused(self):
        sick = dataclasses.replace(_gpu(), refusal='it fell off the bus')
        self.assert_refused(
            'fell off the bus', self.instance(_SLOT), {}, [sick]
        )

    def test_another_card_at_its_address(self):
        self.assert_refused(
            'claimed of 10de:1eb8', self.instance(_SLOT), {}, [_gpu(0x2331)]
        )

    def test_claim_of_an_unknown_provider_before_the_first_update(self):
        self.ledger.ready = False
        self.ledger.recall(_NODE, {})
        self.assert_refused(
            'neither Placement nor the database', self.instance(_SLOT), {}
        )

    def test_server_without_claims_before_the_first_update(self):
        """No class is known to be this host's then: all of ours are."""
        self.ledger.recall(_NODE, self.ledger.reports)
        self.ledger.ready = False
        self.ledger.classes = frozenset()
        self.assert_refused(
            'wanted 1 of PGPU',
            *(self.instance(flavor={'resources:PGPU': '1'}), None),
        )


class TogetherTest(AdmissionCase):
    ANOTHER = {'trait:CUSTOM_GPU_ID_10DE_2331': 'required'}

    def test_traits_of_the_flavor_bind_one_that_arrives(self):
        """After a move that failed, the flavor is the old one."""
        mine = {(_CARD, 'PGPU'): 1}
        instance = self.instance(_SLOT, flavor=self.ANOTHER)
        self.check(instance, mine)
        words = 'wanted CUSTOM_GPU_ID_10DE_2331'
        self.assert_refused(words, instance, mine, arriving=True)
        self.assert_refused(words, instance, None)

    def test_one_that_has_a_card_twice(self):
        self.assert_refused('claimed 2 times', self.instance(_SLOT, _SLOT), {})

    def test_more_parts_of_a_card_than_one_guest_may_have(self):
        profile = model.Profile('t4-1q', 'T4-1Q', '1', 16, per_card=1)
        share = model.Share(
            'mdev', size_rules.EQUAL_SIZE, _ADDRESS, (profile,)
        )
        card = dataclasses.replace(_gpu(), shares=(share,))
        slots = [f'mdev:0000:3b:00.0/{n}@t4-1q' for n in (0, 1)]
        with mock.patch.object(exclusion, 'contradiction', return_value=None):
            self.check(self.instance(slots[0]), {}, [card])
            both = self.instance(*slots)
            self.assert_refused(
                'gives 1 of its parts', both, {}, [card], arriving=True
            )
            # What it has it keeps, whatever the command says today.
            self.check(both, {}, [card])


class OthersTest(AdmissionCase):
    def setUp(self):
        super().setUp()
        self.mine = self.instance(_SLOT)
        self.other = self.instance(_SLOT)

    def test_two_that_have_the_same(self):
        self.assert_refused(f'by instance {self.other.uuid}', self.mine, {})

    def test_the_one_with_a_guest_has_it(self):
        self.guests.add(self.mine.uuid)
        self.check(self.mine, {})
        self.assert_refused(f'by instance {self.mine.uuid}', self.other, {})

    def test_libvirt_is_asked_while_others_go_on(self):
        """A libvirt that does not answer keeps no other build waiting."""
        went_on = []

        def has_guest(uuid):
            other = threading.Thread(target=release_another, daemon=True)
            other.start()
            other.join(10)
            went_on.append(not other.is_alive())
            return uuid == self.mine.uuid

        def release_another():
            with admission_.sole(str(uuid.uuid4()), []):
                pass

        admission_ = admission.Admission(self.ledger, has_guest)
        admission_.check(self.mine, [_gpu()], {}, arriving=False)
        self.assertEqual([True, True], went_on)

    def test_both_with_a_guest(self):
        self.guests |= {self.mine.uuid, self.other.uuid}
        for instance in (self.mine, self.other):
            self.assert_refused('is claimed 2 times', instance, {})


class SetTest(AdmissionCase):
    """A set of two cards, of which one is the card of the others' tests."""

    SLOT = 'set:0000:3b:00.0+0000:af:00.0'

    def setUp(self):
        super().setUp()
        fabric = str(uuid.uuid4())
        ids = 'CUSTOM_GPU_ID_10DE_1EB8'
        self.ledger.learn(
            _NODE,
            {
                **self.ledger.reports,
                fabric: reported.Reported(model.FabricName(0), ids),
            },
            frozenset(['PGPU', 'CUSTOM_GPU_SET_2']),
        )
        name = self.database.add(
            database.resources(fabric, 'CUSTOM_GPU_SET_2', self.SLOT)
        )
        self.has_set = self.database.instances[name]
        self.has_set.flavor = objects.Flavor(extra_specs={})

    def test_card_that_another_has_in_a_set(self):
        self.assert_refused(
            f'by instance {self.has_set.uuid}', self.instance(_SLOT), {}
        )

    def test_set_of_which_a_card_is_gone(self):
        self.assert_refused(
            '0000:af:00.0: .*no such card', self.has_set, {}, [_gpu()]
        )


class SoleTest(AdmissionCase):
    def setUp(self):
        super().setUp()
        self.mine = self.instance(_SLOT)
        self.many = [self.instance() for _ in range(50)]
        self.ledger.holders.read(_NODE)

    def sole(self):
        with self.admission.sole(self.mine.uuid, [_CLAIM]) as sole:
            return sole

    def test_nobody_else_is_read_for_a_place_that_nobody_has(self):
        reads = self.database.reads
        self.assertEqual((_CLAIM,), self.sole())
        self.assertEqual(reads, self.database.reads)
        self.assertEqual(0, self.database.single_reads)

    def test_place_that_another_has_by_now(self):
        other = self.instance(_SLOT)
        self.ledger.holders.add(other.uuid, {_CARD: [_CLAIM]})
        self.assertEqual((), self.sole())
        self.assertEqual(1, self.database.single_reads)

    def test_one_who_had_it_is_asked_before_it_is_believed(self):
        gone = str(uuid.uuid4())
        self.ledger.holders.add(gone, {_CARD: [_CLAIM]})
        self.assertEqual((_CLAIM,), self.sole())

    def test_place_that_another_has_before_the_first_update(self):
        """When it starts, Nova ends deletes that were under way."""
        self.ledger.ready = False
        self.ledger.reports = {}
        self.ledger.holders.add(self.instance(_SLOT).uuid, {_CARD: [_CLAIM]})
        self.assertEqual((), self.sole())

    def test_claim_that_can_not_be_read_is_released(self):
        claim = model.Claim('PGPU', 'hologram')
        with self.admission.sole(self.mine.uuid, [claim]) as sole:
            self.assertEqual((claim,), sole)

    def test_release_that_does_not_end_refuses_and_hangs_nobody(self):
        rival = self.instance(_SLOT)
        del self.database.instances[self.mine.uuid]
        patience = fixtures.MockPatchObject(
            admission, '_RELEASE_SECONDS', 0.01
        )
        with (
            patience,
            self.admission.sole(self.mine.uuid, [_CLAIM]),
        ):
            self.assert_refused('still being taken back', rival, {})
        self.check(rival, {})

    def test_others_pass_the_check_while_a_place_is_released(self):
        elsewhere = model.Claim('PGPU', 'passthrough:0000:af:00.0')
        rival = self.instance(_SLOT)
        del self.database.instances[self.mine.uuid]
        with self.admission.sole(self.mine.uuid, [elsewhere]):
            self.check(rival, {})

    def test_nobody_passes_the_check_while_a_place_is_released(self):
        rival = self.instance(_SLOT)
        del self.database.instances[self.mine.uuid]
        checked = threading.Event()

        def check():
            self.check(rival, {})
            checked.set()

        thread = threading.Thread(target=check)
        with self.admission.sole(self.mine.uuid, [_CLAIM]) as sole:
            self.assertEqual((_CLAIM,), sole)
            thread.start()
            self.assertFalse(checked.wait(0.2))
        thread.join()
        self.assertTrue(checked.is_set())
        # And who passed it first keeps what it has.
        self.assertEqual((), self.sole())
