"""Only what is ours is put right, and only where it is so still."""

import contextlib
import copy
import dataclasses
import unittest
from unittest import mock

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.audit import sides
from nova_gpuvirt.compute.audits import nova_side
from nova_gpuvirt.compute.audits import repairs
from nova_gpuvirt.host import domains
from tests.unit.audit import states

_ONE, _TWO = (f'{n}55d900f-4e14-4e4c-a73d-069cbf4541e6' for n in '12')
_ELSEWHERE = sides.Server(_TWO, 'host2', False)
_DELETED = dataclasses.replace(_ELSEWHERE, is_deleted=True)
_DEVICE = frozenset({states.A})


class Placement:
    """What one consumer has, as Nova's report client reads and writes it."""

    def __init__(self, **resources):
        self.has = {
            'allocations': {
                provider: {'generation': 1, 'resources': found}
                for provider, found in resources.items()
            },
            'consumer_generation': 7,
        }
        self.generation = 7
        self.put = None

    def get_allocs_for_consumer(self, context, consumer):
        return copy.deepcopy(self.has)

    def put_allocations(self, context, consumer, payload):
        self.put = payload
        return payload['consumer_generation'] == self.generation


class RepairsCase(unittest.TestCase):
    def setUp(self):
        self.state = states.State()
        self.guests = ()
        self.discarded = []
        self.locked = []
        self.placement = Placement(
            **{
                'rp-a': {'VGPU': 1},
                'rp-b': {'PGPU': 1},
                'root': {'VCPU': 2},
            }
        )
        self.repairs = repairs.Repairs(
            states.HOST,
            lambda: 'node1',
            lambda: self.placement,
            mock.Mock(guests=lambda: self.guests),
            mock.Mock(discard=self.discarded.extend, undisturbed=self.lock),
        )

    @contextlib.contextmanager
    def lock(self):
        self.locked.append(True)
        yield

    def nova_has(self, *, consumer=None, state=None):
        """Let Nova's database have this by now."""
        found = (state or self.state).sides()
        for name, answer in (
            ('consumer', consumer),
            ('read', nova_side.NovaSide(found.servers, found.claims, {})),
        ):
            patch = mock.patch.object(nova_side, name, return_value=answer)
            patch.start()
            self.addCleanup(patch.stop)

    def repair(self, rule):
        found = next(
            d for d in self.state.compare().disagreements if d.rule == rule
        )
        self.assertTrue(self.repairs.can(found))
        return self.repairs.repair(found, self.state.sides())


class FreeTest(RepairsCase):
    def setUp(self):
        super().setUp()
        self.state.servers[_TWO] = _DELETED
        self.state.allocations.append(
            states.allocation(_TWO, states.OTHER_MDEV)
        )

    def free(self, consumer):
        self.nova_has(consumer=consumer)
        return self.repair('allocation-of-deleted')

    def test_only_what_is_ours_is_freed(self):
        done = self.free(nova_side.Consumer(_DELETED))
        self.assertIn(f'freed what {_TWO} had', done)
        self.assertEqual(
            {
                'rp-b': {'resources': {'PGPU': 1}},
                'root': {'resources': {'VCPU': 2}},
            },
            self.placement.put['allocations'],
        )
        self.assertEqual([True], self.locked)

    def test_server_that_is_not_deleted_by_nova(self):
        for server in (_ELSEWHERE, None):
            self.assertIsNone(self.free(nova_side.Consumer(server)))
        self.assertIsNone(self.placement.put)

    def test_server_whose_guest_is_here(self):
        self.guests = (domains.Domain(_TWO, False, _DEVICE, _DEVICE),)
        with self.assertRaises(exception.ReleaseFailed) as caught:
            self.free(nova_side.Consumer(_DELETED))
        self.assertIn('virsh destroy', str(caught.exception))
        self.assertIsNone(self.placement.put)

    def test_consumer_that_changes_meanwhile(self):
        self.placement.has['consumer_generation'] = 8
        with self.assertRaisesRegex(Exception, 'Placement refuses it'):
            self.free(nova_side.Consumer(_DELETED))

    def test_placement_is_read_before_nova(self):
        """What changes after Nova was asked has another generation then."""

        def asked(*args):
            self.placement.generation += 1
            return nova_side.Consumer(_DELETED)

        with (
            mock.patch.object(nova_side, 'consumer', asked),
            self.assertRaisesRegex(Exception, 'Placement refuses it'),
        ):
            self.repair('allocation-of-deleted')

    def test_moves_and_servers_elsewhere_are_the_operator_s(self):
        """A move that broke off may have left the only copy of a guest."""
        (deleted,) = self.state.allocations
        for changes in (
            {},
            {'consumer': 'm', 'is_move': True, 'move_is_over': True},
        ):
            self.state.servers[_TWO] = _ELSEWHERE
            self.state.allocations = [dataclasses.replace(deleted, **changes)]
            (found,) = self.state.compare().disagreements
            self.assertIs(disagreement.By.OPERATOR, found.by)
            self.assertFalse(self.repairs.can(found))
            self.assertIn('virsh dominfo', found.remedy)


class AllocateTest(RepairsCase):
    def setUp(self):
        super().setUp()
        self.state.add(_ONE, states.WHOLE)
        self.state.allocations.clear()
        self.placement = Placement(root={'VCPU': 2})

    def test_what_is_claimed_is_added(self):
        self.nova_has()
        done = self.repair('claim-without-allocation')
        self.assertIn('allocated 1 of PGPU of 0000:5e:00.0', done)
        self.assertEqual(
            {
                'root': {'resources': {'VCPU': 2}},
                'rp-b': {'resources': {'PGPU': 1}},
            },
            self.placement.put['allocations'],
        )

    def test_server_without_any_allocation_is_for_nova_s_own_tool(self):
        self.placement = Placement()
        self.nova_has()
        with self.assertRaises(exception.ReleaseFailed) as caught:
            self.repair('claim-without-allocation')
        self.assertIn('heal_allocations', str(caught.exception))
        self.assertIsNone(self.placement.put)

    def test_server_that_is_gone_by_now(self):
        self.nova_has(state=states.State())
        self.assertIsNone(self.repair('claim-without-allocation'))
        self.assertIsNone(self.placement.put)


class DiscardTest(RepairsCase):
    def setUp(self):
        super().setUp()
        self.state.add(_TWO, states.MDEV)
        (device,) = self.state.devices(_ONE, states.MDEV)
        slot = model.Slot.parse(states.MDEV)
        self.earlier = model.Vgpu(device, states.SIZE, slot)
        self.state.vgpus['mdev'].append(self.earlier)

    def test_vgpu_of_an_earlier_server(self):
        self.nova_has()
        self.assertIn('removed', self.repair('vgpu-of-earlier-server'))
        self.assertEqual(
            [self.earlier.device], [each.device for each in self.discarded]
        )

    def test_vgpu_whose_server_has_claimed_it_by_now(self):
        now = states.State()
        now.add(_ONE, states.MDEV)
        self.nova_has(state=now)
        self.assertIsNone(self.repair('vgpu-of-earlier-server'))
        self.assertEqual([], self.discarded)
