"""Each rule finds what it is for, and is silent where that is near."""

import dataclasses
import unittest

from nova_gpuvirt import model
from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.audit import sides
from tests.unit.audit import states

_ONE, _TWO, _STRANGER = (
    f'{n}55d900f-4e14-4e4c-a73d-069cbf4541e6' for n in '123'
)


class RulesCase(unittest.TestCase):
    def setUp(self):
        self.state = states.State()
        self.add = self.state.add

    def assert_found(self, *rules):
        self.assertEqual(
            sorted(rules), self.state.rules(), str(self.state.compare())
        )

    def the(self, rule):
        """The one disagreement of a rule."""
        (found,) = (
            d for d in self.state.compare().disagreements if d.rule == rule
        )
        return found

    def busy(self, server):
        """Let Nova be at work on a server."""
        self.state.change_server(server, is_settled=False)


class ClaimTest(RulesCase):
    def test_identifier_of_another_version(self):
        self.add(_ONE, states.MDEV)
        claim = model.Claim('VGPU', 'a slot of tomorrow')
        self.state.claims.append(sides.Held(_ONE, 'rp-a', claim))
        self.state.tracked.append(('rp-a', claim))
        self.state.allocations.append(states.allocation(_ONE, states.MDEV))
        self.assert_found('claim-unreadable')
        self.busy(_ONE)
        self.assert_found()

    def test_place_that_two_servers_claim(self):
        self.add(_ONE, states.MDEV)
        self.add(_TWO, states.MDEV)
        self.assert_found('claimed-twice')
        self.assertEqual(f'{_ONE} {_TWO}', self.the('claimed-twice').who)
        self.busy(_TWO)
        self.assert_found()

    def test_card_that_is_claimed_beside_a_part_of_it(self):
        self.add(_ONE, states.MDEV)
        self.state.providers['rp-b'] = states.B
        part = model.Claim('VGPU', f'mdev:{states.B}/0@{states.SIZE}')
        self.add(_TWO, states.WHOLE, guest=False, vm_state='stopped')
        self.assert_found()
        self.state.claims.append(sides.Held(_ONE, 'rp-b', part, True))
        self.state.tracked.append(('rp-b', part))
        self.state.allocations.append(
            sides.Allocation('move', _ONE, 'rp-b', 'VGPU', 1)
        )
        self.state.capacities['rp-b', 'VGPU'] = 1
        self.assert_found('claimed-twice')

    def test_card_that_is_gone(self):
        self.add(_ONE, states.WHOLE, runs=False, vm_state='stopped')
        self.state.cards.discard(states.B)
        self.assert_found('claim-of-missing-card')
        self.state.unreadable = frozenset({str(states.B)})
        self.assert_found()

    def test_task_that_does_not_end(self):
        self.add(_ONE, states.MDEV)
        self.busy(_ONE)
        self.state.change_server(_ONE, task='resize_prep', idle=3599.0)
        self.assert_found()
        self.state.change_server(_ONE, idle=3601.0)
        self.assert_found('task-without-end')
        self.state.claims.clear()
        self.state.tracked.clear()
        self.assert_found('task-without-end')
        self.state.vgpus['mdev'].clear()
        self.state.allocations.clear()
        self.assert_found()

    def test_claim_that_the_tracker_lost(self):
        self.add(_ONE, states.VF)
        lost = self.state.tracked.pop()
        self.assert_found('claim-untracked')
        self.busy(_ONE)
        self.assert_found()
        self.state.tracked.append(lost)
        self.state.tracked.append(
            ('rp-c', model.Claim('VGPU', f'vendor-vfio:{states.VFS[1]}@x'))
        )
        self.assert_found()
        self.state.change_server(_ONE, is_settled=True)
        self.assert_found('tracked-without-claim')


class PlacementTest(RulesCase):
    def setUp(self):
        super().setUp()
        self.add(_ONE, states.MDEV)

    def stranger(self, **values):
        """Let a server that is not of this host have an allocation."""
        found = sides.Server(_STRANGER, 'host2', False)
        self.state.servers[_STRANGER] = dataclasses.replace(found, **values)
        self.state.allocations.append(
            states.allocation(_STRANGER, states.OTHER_MDEV)
        )

    def test_claim_without_allocation(self):
        self.state.allocations.clear()
        self.assert_found('claim-without-allocation')
        self.busy(_ONE)
        self.assert_found()

    def test_both_sides_of_a_move_count(self):
        self.add(_TWO, states.VF, kept=states.WHOLE, vm_state='resized')
        self.assert_found()
        self.state.allocations.pop()
        self.assert_found('claim-without-allocation')

    def test_allocation_without_claim(self):
        self.state.allocations.append(states.allocation(_ONE, states.WHOLE))
        self.assert_found('allocation-without-claim')
        self.assertIs(
            disagreement.By.OPERATOR, self.the('allocation-without-claim').by
        )
        self.assertIn('unshelve', self.the('allocation-without-claim').remedy)
        self.state.change_server(_ONE, vm_state='error')
        self.assertIn('delete', self.the('allocation-without-claim').remedy)
        self.busy(_ONE)
        self.assert_found()

    def test_allocation_of_a_server_elsewhere(self):
        self.stranger()
        self.assert_found('allocation-of-server-elsewhere')
        self.busy(_STRANGER)
        self.assert_found()

    def test_allocation_of_a_deleted_server(self):
        self.stranger(host=None, is_deleted=True)
        self.assert_found('allocation-of-deleted')

    def test_allocation_of_a_move_that_ended(self):
        over = states.allocation(
            'a-move',
            states.OTHER_MDEV,
            _ONE,
            is_move=True,
            move_is_over=True,
        )
        self.state.allocations.append(over)
        self.assert_found('allocation-of-ended-move')
        self.assertEqual('a-move', self.the('allocation-of-ended-move').who)

    def test_allocation_of_a_move_that_ended_and_is_all_there_is(self):
        (mine,) = self.state.allocations
        self.state.allocations = [
            dataclasses.replace(
                mine, consumer='a-move', is_move=True, move_is_over=True
            )
        ]
        self.assert_found()

    def test_allocation_of_nobody(self):
        self.state.allocations.append(
            dataclasses.replace(
                states.allocation('nobody', states.OTHER_MDEV), server=None
            )
        )
        self.assert_found('allocation-of-nobody')

    def test_more_allocated_than_there_is(self):
        self.assert_found()
        self.state.capacities['rp-a', 'VGPU'] = 0
        self.assert_found('over-capacity')

    def test_provider_of_a_card_that_is_gone(self):
        self.state.cards.discard(states.C)
        self.assert_found('provider-of-missing-card')
        self.state.unreadable = frozenset({str(states.C)})
        self.assert_found()


class GuestTest(RulesCase):
    def setUp(self):
        super().setUp()
        self.add(_ONE, states.MDEV)
        self.has = self.state.guests[_ONE].has
        self.vf = str(states.VFS[0])

    def test_device_that_the_server_does_not_claim(self):
        more = self.has | {self.vf}
        self.state.change_guest(_ONE, has=more)
        self.assert_found('guest-has-unclaimed')
        self.busy(_ONE)
        self.assert_found()

    def test_device_that_is_none_of_ours(self):
        more = self.has | {'0000:00:1f.6', str(states.GONE)}
        self.state.change_guest(_ONE, has=more, defined=more)
        self.assert_found()

    def test_device_that_the_running_guest_lacks(self):
        self.state.change_guest(_ONE, has=frozenset())
        self.assert_found('guest-lacks-claimed')
        self.state.change_guest(_ONE, runs=False)
        self.state.change_server(_ONE, vm_state='stopped')
        self.assert_found()

    def test_definition_with_another_device(self):
        self.state.change_guest(_ONE, defined=self.has | {self.vf})
        self.assert_found('definition-differs')
        self.state.change_guest(_ONE, defined=None)
        self.assert_found()

    def test_definition_without_the_device(self):
        self.state.change_guest(_ONE, defined=frozenset())
        self.assert_found('definition-differs')
        self.state.change_server(_ONE, vm_state='suspended')
        self.assert_found()

    def test_guest_that_is_off_may_be_the_other_side_of_a_move(self):
        self.add(
            _TWO, states.VF, kept=states.WHOLE, runs=False, vm_state='resized'
        )
        self.assert_found()
        other = self.state.devices(_TWO, states.WHOLE)
        self.state.change_guest(_TWO, has=other, defined=other)
        self.assert_found()
        both = other | self.state.devices(_TWO, states.VF)
        self.state.change_guest(_TWO, has=both, defined=both)
        self.assert_found('definition-differs')

    def test_server_that_runs_without_a_guest(self):
        self.state.change_guest(_ONE, runs=False)
        self.assert_found('active-without-guest')
        del self.state.guests[_ONE]
        self.assert_found('active-without-guest')
        self.state.change_server(_ONE, vm_state='stopped')
        self.assert_found()

    def test_device_of_two_guests(self):
        self.add(_TWO, states.OTHER_MDEV)
        both = self.has | self.state.guests[_TWO].has
        self.state.change_guest(_TWO, has=both, defined=both)
        self.assert_found(
            'device-in-two-guests', 'guest-has-unclaimed', 'definition-differs'
        )
        self.busy(_TWO)
        self.assert_found()

    def test_guest_of_nobody(self):
        has = frozenset({self.vf})
        self.state.guests[_STRANGER] = sides.Guest(_STRANGER, False, has, has)
        self.assert_found('orphan-guest')
        self.assertIn('[gpuvirt]exclude', self.the('orphan-guest').remedy)
        self.state.change_guest(
            _STRANGER, has=frozenset({'0000:00:1f.6'}), defined=frozenset()
        )
        self.assert_found()

    def test_guest_of_a_server_that_is_elsewhere(self):
        has = frozenset({self.vf})
        self.state.guests[_STRANGER] = sides.Guest(_STRANGER, True, has, has)
        self.state.servers[_STRANGER] = sides.Server(_STRANGER, 'host2', False)
        self.assert_found('orphan-guest')
        self.assertIn('virsh destroy', self.the('orphan-guest').remedy)
        self.busy(_STRANGER)
        self.assert_found()


class HardwareTest(RulesCase):
    def vgpu(self, server, place=states.MDEV):
        (device,) = self.state.devices(server, place)
        return model.Vgpu(device, states.SIZE, model.Slot.parse(place))

    def test_vgpu_that_nobody_claims(self):
        self.state.vgpus['mdev'].append(self.vgpu(_ONE))
        self.assert_found('vgpu-without-claim')
        self.state.dirt.append(sides.Dirty(str(states.A), states.MDEV, _ONE))
        self.assert_found()

    def test_vgpu_of_somebody_else(self):
        self.state.vgpus['mdev'].append(model.Vgpu(_ONE, states.SIZE, None))
        self.assert_found()

    def test_vgpu_of_an_earlier_server(self):
        self.add(_TWO, states.MDEV)
        self.state.vgpus['mdev'].append(self.vgpu(_ONE))
        self.assert_found('vgpu-of-earlier-server')
        self.busy(_TWO)
        self.assert_found()

    def test_vgpu_of_an_earlier_server_that_a_guest_has(self):
        self.add(_TWO, states.MDEV)
        earlier = self.vgpu(_ONE)
        self.state.vgpus['mdev'].append(earlier)
        has = frozenset({earlier.device})
        self.state.guests[_ONE] = sides.Guest(_ONE, True, has, has)
        self.assert_found('orphan-guest')

    def test_claim_whose_vgpu_is_gone(self):
        self.add(_ONE, states.MDEV)
        self.state.vgpus['mdev'].clear()
        self.assert_found('claim-without-vgpu')
        self.state.change_guest(_ONE, runs=False)
        self.state.change_server(_ONE, vm_state='stopped')
        self.assert_found()

    def test_vgpu_of_another_size(self):
        self.add(_ONE, states.VF)
        (vgpu,) = self.state.vgpus['vendor-vfio']
        for profile, rules in (
            ('nvidia-t4-2q', ['claim-without-vgpu']),
            (None, []),
        ):
            self.state.vgpus['vendor-vfio'] = [
                dataclasses.replace(vgpu, profile=profile)
            ]
            self.assert_found(*rules)

    def test_partition_that_nobody_claims(self):
        self.state.active = frozenset({frozenset({states.B})})
        self.assert_found('partition-without-claim')
        self.add(_ONE, states.WHOLE)
        self.assert_found()
        self.state.active = None
        self.assert_found()

    def test_function_that_vfio_has_kept(self):
        self.state.kept = {str(states.AUDIO): 'snd_hda_intel'}
        self.assert_found('driver-not-back')
        self.assertIn(
            'nodedev-reattach pci_0000_5e_00_1',
            self.the('driver-not-back').remedy,
        )
        self.add(_ONE, states.WHOLE)
        self.assert_found()

    def test_place_that_is_dirty_and_claimed(self):
        self.add(_ONE, states.WHOLE)
        self.state.dirt.append(sides.Dirty(str(states.B), states.WHOLE, _TWO))
        self.assert_found('dirty-and-claimed')
        self.busy(_ONE)
        self.assert_found()

    def test_guest_whose_card_nobody_would_clean(self):
        self.add(_ONE, states.WHOLE)
        self.state.dirt.clear()
        self.assert_found('not-remembered')
        self.state.change_guest(_ONE, runs=False)
        self.state.change_server(_ONE, vm_state='stopped')
        self.assert_found()
