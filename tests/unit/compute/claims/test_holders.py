"""Who holds what is remembered, and read anew before it is believed."""

import uuid

import fixtures
import testtools
from nova import objects
from nova.compute import task_states

from nova_gpuvirt import model
from nova_gpuvirt.compute.claims import holders
from tests.unit import database

_NODE = 'node1'
_CARD = str(uuid.uuid4())
_OTHER_CARD = str(uuid.uuid4())


def _resources(*identifiers, provider=_CARD):
    return database.resources(provider, 'VGPU', *identifiers)


def _claims(*identifiers, provider=_CARD):
    return {provider: [model.Claim('VGPU', name) for name in identifiers]}


class HoldersTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.database = self.useFixture(database.Database())
        self.holders = holders.Holders(database.HOST)

    def others(self, but='nobody', provider=_CARD):
        return dict(self.holders.others(_NODE, but, [provider]))

    def test_all_are_read_once_and_remembered(self):
        first = self.database.add(_resources('a'))
        second = self.database.add(_resources('b'))
        expected = {first: _claims('a'), second: _claims('b')}
        self.assertEqual(expected, self.others())
        self.assertEqual({second: _claims('b')}, self.others(but=first))
        self.assertEqual({}, self.others(provider=_OTHER_CARD))
        self.assertEqual(1, self.database.reads)

    def test_one_that_is_added_is_remembered(self):
        self.others()
        self.holders.add('new', _claims('c'))
        self.assertEqual({'new': _claims('c')}, self.others())

    def test_one_that_is_added_before_the_first_reading_is_read(self):
        name = self.database.add(_resources('a'))
        self.holders.add(name, _claims('a'))
        self.assertEqual(0, self.database.reads)
        self.assertEqual({name: _claims('a')}, self.others())

    def test_what_is_added_while_all_are_read_comes_to_what_is_read(self):
        moving = objects.MigrationContext(old_resources=_resources('old'))
        name = self.database.add(_resources('old'), moving=moving)

        def read(context, host, expected_attrs):
            self.holders.add(name, _claims('new'))
            return []

        self.useFixture(
            fixtures.MockPatchObject(
                objects.InstanceList, 'get_by_host', side_effect=read
            )
        )
        self.holders.read(_NODE)
        self.assertEqual({name: _claims('old', 'new')}, self.others())

    def test_one_that_is_added_while_all_are_read_stays(self):
        def read(context, host, expected_attrs):
            self.holders.add('new', _claims('c'))
            return []

        self.useFixture(
            fixtures.MockPatchObject(
                objects.InstanceList, 'get_by_host', side_effect=read
            )
        )
        self.holders.read(_NODE)
        self.assertEqual({'new': _claims('c')}, self.others())

    def test_one_that_has_more_keeps_what_it_had(self):
        name = self.database.add(_resources('a'))
        self.others()
        self.holders.add(name, _claims('a', 'b'))
        self.assertEqual({name: _claims('a', 'b')}, self.others())

    def test_both_sides_of_a_migration_count_and_each_claim_once(self):
        moving = objects.MigrationContext(
            old_resources=_resources('a'), new_resources=_resources('a', 'b')
        )
        here = self.database.add(_resources('a'), moving=moving)
        gone = self.database.add(
            _resources('x', provider=_OTHER_CARD),
            host='host2',
            moving=objects.MigrationContext(old_resources=_resources('c')),
        )
        expected = {here: _claims('a', 'b'), gone: _claims('c')}
        self.assertEqual(expected, self.others())
        for name, claims in expected.items():
            self.assertEqual(claims, self.holders.claims_now(name))

    def test_one_on_its_way_back_counts(self):
        name = self.database.add(
            _resources('a'),
            host='host2',
            task_state=task_states.RESIZE_REVERTING,
        )
        self.assertEqual({name: _claims('a')}, self.others())
        self.assertEqual(_claims('a'), self.holders.claims_now(name))

    def test_one_that_is_gone_is_forgotten_when_it_is_asked_for(self):
        name = self.database.add(_resources('a'))
        self.others()
        del self.database.instances[name]
        self.assertIn(name, self.others())
        self.assertEqual({}, self.holders.claims_now(name))
        self.assertEqual({}, self.others())

    def test_one_that_went_to_another_host_has_nothing_here(self):
        name = self.database.add(_resources('a'))
        self.others()
        self.database.instances[name].host = 'host2'
        self.assertEqual({}, self.holders.claims_now(name))

    def test_all_instances_of_the_host_are_told(self):
        name = self.database.add(None)
        held, instances = self.holders.read(_NODE)
        self.assertEqual({}, held)
        self.assertEqual([name], [i.uuid for i in instances])
