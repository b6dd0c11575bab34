"""What the APIs of a cloud tell is compared, and nothing is made up."""

import dataclasses
import unittest

from nova_gpuvirt.audit import fleet

_RC = 'VGPU'
_ASKS = {_RC: 1}


def server(uuid, node='node1', *, is_settled=True, **values):
    return fleet.Server(uuid, node, is_settled, _ASKS, **values)


class FleetTest(unittest.TestCase):
    def setUp(self):
        self.servers = {'one': server('one')}
        self.moves = {}
        self.allocations = {'one': {_RC: 1}}
        self.elsewhere = {}
        self.others = {}
        self.capacity = 2

    def assert_found(self, *rules):
        found = fleet.compare(self.fleet())
        self.assertEqual([*rules], [d.rule for d in found.disagreements])
        return found

    def fleet(self):
        def provider(node, allocations, device='0000:3b:00.0'):
            return fleet.Provider(
                f'rp-{node}-{device}',
                node,
                device,
                allocations,
                {_RC: self.capacity},
            )

        return fleet.Fleet(
            self.servers,
            self.moves,
            (
                provider('node1', self.others, None),
                provider('node1', self.allocations),
                provider('node2', self.elsewhere),
            ),
        )

    def test_agreed(self):
        self.assert_found()

    def test_allocation_of_nobody(self):
        self.elsewhere['x'] = {_RC: 1}
        self.assert_found('allocation-of-nobody')

    def test_nobody_may_be_of_a_cell_that_does_not_answer(self):
        self.elsewhere['x'] = {_RC: 1}
        self.servers['y'] = server('y', None, is_settled=False, is_known=False)
        found = self.assert_found()
        self.assertIn('1 servers do not answer', found.not_compared['Nova'])

    def test_allocation_of_a_server_elsewhere(self):
        self.elsewhere['one'] = {_RC: 1}
        self.assert_found('allocation-of-server-elsewhere')
        self.servers['one'] = server('one', is_settled=False)
        self.assert_found()

    def test_both_sides_of_a_move(self):
        self.elsewhere['m'] = {_RC: 1}
        self.moves['m'] = fleet.Move('m', 'one', is_over=False)
        self.assert_found()
        self.moves['m'] = fleet.Move('m', 'one', is_over=True)
        self.assert_found('allocation-of-ended-move')
        self.servers['one'] = server('one', is_settled=False)
        self.assert_found()

    def test_server_without_allocation(self):
        self.allocations.clear()
        self.assert_found('server-without-allocation')
        self.others['one'] = {_RC: 1}
        self.assert_found()
        self.others.clear()
        self.servers['one'] = server('one', 'another-node')
        self.assert_found()

    def test_more_than_there_is(self):
        self.capacity = 0
        self.assert_found('over-capacity')

    def test_what_a_flavor_asks_for(self):
        self.assertEqual(
            {'VGPU': 3, 'CUSTOM_VGPU_NVIDIA_T4_2Q': 1},
            fleet.asked(
                {
                    'resources:VGPU': '1',
                    'resources_more:VGPU': '2',
                    'resources1:CUSTOM_VGPU_NVIDIA_T4_2Q': '1',
                    'resources:VCPU': '0',
                    'trait:CUSTOM_GPU_VENDOR_NVIDIA': 'required',
                    'resources:PGPU': 'none',
                }
            ),
        )

    def test_each_is_found_once_over_two_looks(self):
        self.elsewhere['x'] = {_RC: 1}
        first = fleet.compare(self.fleet())
        self.elsewhere.clear()
        self.elsewhere['y'] = {_RC: 1}
        second = fleet.compare(self.fleet())
        self.assertEqual((), second.also_in(first).disagreements)
        # What the first look could not see nobody has seen twice.
        blind = dataclasses.replace(first, not_compared={'Nova': 'silent'})
        self.assertEqual(
            {'Nova': 'silent'}, second.also_in(blind).not_compared
        )
        same = dataclasses.replace(first)
        self.assertEqual(first, same.also_in(first))
