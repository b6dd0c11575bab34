"""Who passes the gate, and who is looked at again."""

import types
import uuid
from unittest import mock

import fixtures
import testtools
from nova import objects
from oslo_messaging import exceptions as messaging

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.compute import gate
from nova_gpuvirt.compute.claims import ledger
from nova_gpuvirt.compute.claims import reported
from tests.unit import database

_NODE = 'node1'
_CARD = str(uuid.uuid4())
_ADDRESS = model.PciAddress.parse('0000:3b:00.0')
_SLOT = 'passthrough:0000:3b:00.0'
_REPORTS = {_CARD: reported.Reported(_ADDRESS, 'CUSTOM_GPU_ID_10DE_1EB8')}


class GateCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.database = self.useFixture(database.Database())
        tracker = types.SimpleNamespace(provider_tree=None)
        self.ledger = ledger.Ledger(database.HOST, lambda: tracker)
        self.admission = mock.Mock()
        self.gpus = mock.Mock()
        self.allocations = mock.Mock()
        self.allocations.of.return_value = {}
        self.gate = gate.Gate(
            self.ledger, self.admission, self.gpus, self.allocations
        )

    def learn(self):
        self.ledger.learn(_NODE, _REPORTS, frozenset(['PGPU']))

    def instance(self, *identifiers, moving=None):
        name = self.database.add(
            database.resources(_CARD, 'PGPU', *identifiers), moving=moving
        )
        instance = self.database.instances[name]
        instance.node = _NODE
        return instance

    def refuse(self):
        self.admission.check.side_effect = exception.ClaimRefused(
            'card', wanted='it', found='another', remedy='move it'
        )


class OpenedTest(GateCase):
    def setUp(self):
        super().setUp()
        self.learn()

    def test_one_that_passed_is_checked_once_while_it_is_built(self):
        instance = self.instance(_SLOT)
        with self.gate.opened(instance), self.gate.opened(instance):
            pass
        self.assertEqual(1, self.admission.check.call_count)

    def test_another_is_checked_meanwhile(self):
        with (
            self.gate.opened(self.instance(_SLOT)),
            self.gate.opened(self.instance(_SLOT)),
        ):
            pass
        self.assertEqual(2, self.admission.check.call_count)

    def test_build_that_fails_does_not_pass_again(self):
        instance = self.instance(_SLOT)
        with (
            testtools.ExpectedException(ValueError),
            self.gate.opened(instance),
        ):
            raise ValueError
        with self.gate.opened(instance):
            pass
        self.assertEqual(2, self.admission.check.call_count)

    def test_one_that_is_refused_did_not_pass(self):
        self.refuse()
        instance = self.instance(_SLOT)
        for _ in range(2):
            with (
                testtools.ExpectedException(exception.ClaimRefused),
                self.gate.opened(instance),
            ):
                pass
        self.assertEqual(2, self.admission.check.call_count)


class CheckTest(GateCase):
    def test_server_without_claims_is_checked_where_there_are_gpus(self):
        self.learn()
        self.gate.check(self.instance())
        self.assertEqual(1, self.admission.check.call_count)

    def test_cards_are_looked_at_anew_but_for_one_that_arrives(self):
        self.learn()
        self.gate.check(self.instance(_SLOT))
        self.assertEqual(1, self.gpus.look_at.call_count)
        self.assertEqual(0, self.gpus.of_claims.call_count)
        self.gate.check(self.instance(_SLOT), arriving=True)
        self.assertEqual(1, self.gpus.look_at.call_count)
        self.assertEqual(1, self.gpus.of_claims.call_count)

    def test_only_a_host_that_starts_is_patient(self):
        self.ledger.recall(_NODE, _REPORTS)
        self.gate._is_recalled = True
        for patiently in (True, False):
            self.gate.check(self.instance(_SLOT))
            self.assertEqual(
                {'patiently': patiently}, self.allocations.of.call_args.kwargs
            )
            self.learn()

    def test_allocations_of_a_broken_off_move_are_its_migrations(self):
        self.learn()
        old = database.resources(_CARD, 'PGPU', _SLOT)
        moving = objects.MigrationContext(
            migration_id=1, old_resources=old, new_resources=None
        )
        instance = self.instance(_SLOT, moving=moving)
        units = {(_CARD, 'PGPU'): 1}
        migration = objects.Migration(id=1, uuid=str(uuid.uuid4()))
        answers = {instance.uuid: {}, migration.uuid: units}
        self.allocations.of.side_effect = lambda consumer, patiently: answers[
            consumer
        ]
        self.useFixture(
            fixtures.MockPatchObject(
                objects.Migration, 'get_by_id', return_value=migration
            )
        )
        self.gate.check(instance)
        self.assertEqual(units, self.admission.check.call_args.args[2])
        instance.resources = None
        self.gate.check(instance)
        self.assertEqual({}, self.admission.check.call_args.args[2])


class RecallTest(GateCase):
    def setUp(self):
        super().setUp()
        self.node = objects.ComputeNode(
            stats={reported.KEY: reported.dump(_REPORTS)}
        )
        self.found = self.useFixture(
            fixtures.MockPatchObject(
                objects.ComputeNode,
                'get_by_host_and_nodename',
                return_value=self.node,
            )
        ).mock

    def test_database_tells_where_placement_does_not_answer(self):
        self.allocations.ask.return_value = None
        self.gate.check(self.instance(_SLOT))
        self.assertEqual(_REPORTS, self.ledger.reports)
        self.assertEqual(_NODE, self.ledger.node)

    def test_placement_is_believed_once_it_answers(self):
        self.allocations.ask.side_effect = [None, _REPORTS]
        for _ in range(3):
            self.gate.check(self.instance(_SLOT))
        self.assertEqual(2, self.allocations.ask.call_count)

    def test_what_was_reported_meanwhile_stays(self):
        """An update may end while Placement is asked."""

        def ask(question, patiently):
            self.learn()
            return {}

        self.allocations.ask.side_effect = ask
        self.gate.check(self.instance(_SLOT))
        self.assertEqual(_REPORTS, self.ledger.reports)

    def test_one_without_claims_whose_cards_nobody_knows(self):
        """Placement is silent, and the database was never told."""
        self.node.stats = {}
        self.allocations.ask.return_value = None
        self.allocations.of.return_value = None
        self.gate.check(self.instance())
        self.assertEqual(0, self.admission.check.call_count)
        # The first update tells.
        self.learn()
        self.gate.look_again()
        self.assertEqual(1, self.admission.check.call_count)


class LookAgainTest(GateCase):
    def setUp(self):
        super().setUp()
        self.learn()
        self.allocations.of.return_value = None
        self.one = self.instance(_SLOT)
        self.gate.check(self.one)

    def test_until_placement_answers(self):
        for checks in (2, 3):
            self.gate.look_again()
            self.assertEqual(checks, self.admission.check.call_count)
        self.allocations.of.return_value = {}
        self.gate.look_again()
        self.gate.look_again()
        self.assertEqual(4, self.admission.check.call_count)

    def test_one_that_is_gone_is_forgotten(self):
        del self.database.instances[self.one.uuid]
        self.gate.look_again()
        self.assertEqual(set(), self.gate._unsure)

    def test_one_that_could_not_be_read_is_looked_at_later(self):
        with (
            fixtures.MockPatchObject(
                objects.Instance,
                'get_by_uuid',
                side_effect=messaging.MessagingTimeout('no conductor'),
            ),
            testtools.ExpectedException(messaging.MessagingTimeout),
        ):
            self.gate.look_again()
        self.gate.look_again()
        self.assertEqual(2, self.admission.check.call_count)

    def test_one_that_arrives_from_another_host_is_looked_at_later(self):
        """Nova calls an evacuated server this host's when it is built."""
        self.one.host = 'host2'
        self.one.task_state = 'rebuild_spawning'
        self.gate.look_again()
        self.one.host = database.HOST
        self.gate.look_again()
        self.assertEqual(2, self.admission.check.call_count)

    def test_one_that_left_is_forgotten(self):
        self.one.host = 'host2'
        self.gate.look_again()
        self.assertEqual(set(), self.gate._unsure)

    def test_one_that_is_refused_is_told_of_once(self):
        self.refuse()
        self.gate.look_again()
        self.gate.look_again()
        self.assertEqual(2, self.admission.check.call_count)
