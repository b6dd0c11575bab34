"""What Nova's database has is read as its tracker reads it."""

import datetime
import uuid as uuid_

import fixtures
import testtools
from nova import exception as nova_exception
from nova import objects
from nova.compute import task_states
from nova.compute import vm_states
from oslo_utils import fixture as utils_fixture

from nova_gpuvirt.compute.audits import nova_side
from tests.unit import database

_OURS = '855d900f-4e14-4e4c-a73d-069cbf4541e6'
_OTHERS = '955d900f-4e14-4e4c-a73d-069cbf4541e6'
_CHANGED = datetime.datetime(2026, 11, 30, tzinfo=datetime.UTC)
_OLD, _NEW = 'mdev:0000:3b:00.0/0@s', 'mdev:0000:3b:00.0/1@s'


def _id(name):
    """The UUID of what a test names."""
    return str(uuid_.uuid5(uuid_.NAMESPACE_DNS, name))


class NovaSideTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.instances = {}
        self.migrations = {}
        self.contexts = {}
        for cls, name, answer in (
            (objects.InstanceList, 'get_by_host', self.by_host),
            (objects.InstanceList, 'get_by_filters', self.by_filters),
            (objects.Instance, 'get_by_uuid', self.by_uuid),
            (
                objects.MigrationList,
                'get_in_progress_by_host_and_node',
                self.in_progress,
            ),
            (objects.MigrationList, 'get_by_filters', self.all_of),
            (objects.Migration, 'get_by_uuid', self.migration),
            (objects.MigrationContext, 'get_by_instance_uuid', self.moving),
        ):
            self.useFixture(
                fixtures.MockPatchObject(cls, name, side_effect=answer)
            )

    def by_host(self, context, host, expected_attrs):
        return [i for i in self.instances.values() if i.host == host]

    def by_filters(self, context, filters, expected_attrs):
        wanted = filters['task_state']
        return [i for i in self.instances.values() if i.task_state == wanted]

    def by_uuid(self, context, uuid, expected_attrs):
        found = self.instances.get(uuid)
        if found is None or (found.deleted and context.read_deleted == 'no'):
            raise nova_exception.InstanceNotFound(instance_id=uuid)
        return found

    def in_progress(self, context, host, node):
        over = ('confirmed', 'done', 'error')
        return [m for m in self.migrations.values() if m.status not in over]

    def all_of(self, context, filters):
        wanted = filters['instance_uuid']
        return [
            m for m in self.migrations.values() if m.instance_uuid == wanted
        ]

    def migration(self, context, uuid):
        try:
            return self.migrations[uuid]
        except KeyError:
            raise nova_exception.MigrationNotFound(migration_id=uuid) from None

    def moving(self, context, uuid):
        return self.contexts[uuid]

    def add(self, name, *identifiers, provider=_OURS, **values):
        uuid = _id(name)
        self.instances[uuid] = objects.Instance(
            uuid=uuid,
            resources=database.resources(provider, 'VGPU', *identifiers),
            **{
                'host': database.HOST,
                'vm_state': vm_states.ACTIVE,
                'task_state': None,
                'hidden': False,
                'deleted': False,
                'created_at': None,
                'updated_at': _CHANGED,
            }
            | values,
        )

    def move(self, name, status, *, old=(), new=()):
        uuid, move = _id(name), _id(f'move-{name}')
        self.migrations[move] = objects.Migration(
            uuid=move, instance_uuid=uuid, status=status
        )
        self.contexts[uuid] = objects.MigrationContext(
            old_resources=database.resources(_OURS, 'VGPU', *old),
            new_resources=database.resources(_OURS, 'VGPU', *new),
        )

    def read(self):
        return nova_side.read(database.HOST, 'node1', {_OURS})

    def test_since_when_nova_is_at_work(self):
        self.add('one', task_state=task_states.RESIZE_PREP)
        self.useFixture(
            utils_fixture.TimeFixture(
                _CHANGED + datetime.timedelta(seconds=90)
            )
        )
        server = self.read().servers[_id('one')]
        self.assertEqual(('resize_prep', 90.0), (server.task, server.idle))

    def settled(self):
        return {u for u, s in self.read().servers.items() if s.is_settled}

    def held(self):
        return {
            (h.server, h.claim.identifier, h.is_kept)
            for h in self.read().claims
        }

    def test_claims_of_our_providers_alone(self):
        self.add('one', _OLD)
        self.add('two', _NEW, provider=_OTHERS)
        self.add('three', _NEW, host='host2')
        self.assertEqual({(_id('one'), _OLD, False)}, self.held())
        self.assertEqual({_id('one'), _id('two')}, self.read().servers.keys())

    def test_both_sides_of_a_move_that_waits_for_its_user(self):
        self.add('one', _NEW, vm_state=vm_states.RESIZED)
        self.move('one', 'finished', old=[_OLD], new=[_NEW])
        self.assertEqual(
            {(_id('one'), _NEW, False), (_id('one'), _OLD, True)}, self.held()
        )
        self.assertEqual({_id('one')}, self.settled())
        self.assertEqual({_id('move-one'): _id('one')}, self.read().moves)

    def test_move_that_has_claimed_nothing_yet(self):
        self.add('one', _OLD)
        self.move('one', 'pre-migrating')
        # What Nova returns of a server that never moved before.
        self.contexts[_id('one')] = None
        self.assertEqual({(_id('one'), _OLD, False)}, self.held())

    def test_server_that_moves_away_and_is_elsewhere_by_now(self):
        self.add('one', provider=_OTHERS, host='host2', vm_state='resized')
        self.move('one', 'finished', old=[_OLD])
        self.assertEqual({(_id('one'), _OLD, True)}, self.held())
        server = self.read().servers[_id('one')]
        self.assertEqual((False, True), (server.is_here, server.is_settled))

    def test_what_nova_is_at_is_not_settled(self):
        self.add('well', _OLD)
        self.add('built', vm_state=vm_states.BUILDING)
        self.add('asked', task_state=task_states.REBOOTING)
        self.add('moves')
        self.move('moves', 'migrating')
        self.add('away', hidden=True)
        self.add('back', host='host2', task_state='resize_reverting')
        self.assertEqual({_id('well')}, self.settled())
        self.assertEqual(6, len(self.read().servers))

    def test_whose_an_allocation_is(self):
        def whose(name):
            return nova_side.consumer(database.HOST, _id(name))

        self.assertEqual(nova_side.Consumer(None), whose('nobody'))
        self.add('one', host='host2')
        found = whose('one').server
        self.assertEqual(
            (_id('one'), 'host2', False),
            (found.uuid, found.host, found.is_here),
        )
        self.move('one', 'error')
        found = whose('move-one')
        self.assertEqual((True, True), (found.is_move, found.move_is_over))
        self.assertTrue(found.server.is_settled)
        self.move('one', 'migrating')
        found = whose('move-one')
        self.assertEqual((True, False), (found.is_move, found.move_is_over))
        self.assertFalse(found.server.is_settled)
        self.add('gone', deleted=True, host=None, vm_state='deleted')
        server = whose('gone').server
        self.assertTrue(server.is_deleted and server.is_settled)
        self.add('away', deleted=True, hidden=True)
        server = whose('away').server
        self.assertFalse(server.is_deleted or server.is_settled)
