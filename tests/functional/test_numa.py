"""Guests with NUMA cells are on the nodes of their GPUs.

The host has two nodes of 32 CPUs, 31 of them for pinning, and two T4 on each.
"""

import contextlib

import fixtures
from nova import context as nova_context
from nova import objects

from tests.functional import base

_POLICY = 'hw:gpuvirt_numa_policy'
_PINNED = {'hw:cpu_policy': 'dedicated'}
_REQUIRED = {_POLICY: 'required'}
_PREFERRED = {_POLICY: 'preferred'}
_NONE = {_POLICY: 'none'}
_TWO_CARDS = {
    'resources1:PGPU': '1',
    'resources2:PGPU': '1',
    'group_policy': 'isolate',
}
# By node, those of the host t4.
_CARDS = {
    0: ('0000:3b:00.0', '0000:5e:00.0'),
    1: ('0000:af:00.0', '0000:d8:00.0'),
}


class NumaCase(base.GpuTestCase):
    KIND = 't4'
    ADDITIONAL_FILTERS = (
        'NUMATopologyFilter',
        *base.GpuTestCase.ADDITIONAL_FILTERS,
    )

    def setUp(self):
        super().setUp()
        self.flags(
            cpu_dedicated_set='1-31,33-63',
            cpu_shared_set='0,32',
            group='compute',
        )
        self.host = self.start_gpu_host('host1', self.KIND)

    def boot_with(self, vcpus, spec, **kwargs):
        """Boot a pinned server of so many CPUs."""
        flavor = self._create_flavor(
            vcpu=vcpus, memory_mb=1024, extra_spec=_PINNED | spec
        )
        return self._create_server(flavor_id=flavor, networks='none', **kwargs)

    def refused(self, vcpus, spec):
        """Boot one that can't be had."""
        server = self.boot_with(vcpus, spec, expected_state='ERROR')
        self.assertIn('No valid host', server['fault']['message'])
        self._delete_server(server)

    def leave(self, *cards):
        """Pull all cards but these out of the host."""
        for card in {*_CARDS[0], *_CARDS[1]} - {*cards}:
            self.host.unplug(card)
        self.run_periodic()

    def topology(self, server):
        """The guest's cells, from Nova's database."""
        return objects.Instance.get_by_uuid(
            nova_context.get_admin_context(),
            server['id'],
            expected_attrs=['numa_topology'],
        ).numa_topology

    def nodes(self, server, host='host1'):
        """The nodes that a guest is on, as everybody says."""
        topology = self.topology(server)
        nodes = {cell.id for cell in topology.cells}
        guest = self.guest(host, server)
        found = guest.xpath('numatune/memnode/@nodeset')
        self.assertEqual(nodes, {int(node) for node in found})
        if topology.cells[0].cpu_pinning:
            pins = {p for c in topology.cells for p in c.cpu_pinning.values()}
            found = guest.xpath('cputune/vcpupin/@cpuset')
            self.assertEqual(pins, {int(cpu) for cpu in found})
            self.assertEqual(nodes, {cpu // 32 for cpu in pins})
        return nodes

    def cards(self, server, host='host1'):
        """The nodes of a server's cards."""
        devices = {
            part.device
            for claim in self.claims(server)
            for part in claim.slot.wholes or [claim.slot]
        }
        return {
            gpu.function.numa_node
            for gpu in self.survey(host).gpus
            if any(gpu.holds(device) for device in devices)
        }

    def assert_near(self, server, host='host1'):
        cards = self.cards(server, host)
        self.assertLessEqual(cards, self.nodes(server, host))

    def usage(self, host):
        """What is used of each node, as Nova's database says."""
        node = objects.ComputeNode.get_first_node_by_host_for_old_compat(
            nova_context.get_admin_context(), host
        )
        topology = objects.NUMATopology.obj_from_db_obj(node.numa_topology)
        return [
            (cell.id, cell.pinned_cpus, cell.cpu_usage, cell.memory_usage)
            for cell in topology.cells
        ]

    def assert_counted(self, *hosts):
        """What was counted claim by claim is what is counted anew."""
        for host in hosts or self.computes:
            before = self.usage(host)
            self.run_periodic(host)
            self.assertEqual(before, self.usage(host))


class BootTest(NumaCase):
    def test_guest_goes_where_its_only_card_is(self):
        (full,) = self.nodes(self.boot_with(8, {}))
        # Nova takes the node with more free CPUs, the card is on the other.
        self.leave(_CARDS[full][0])
        for policy in (_REQUIRED, _PREFERRED, {}):
            server = self.boot_with(4, base.VGPU | policy)
            self.assertEqual({full}, self.nodes(server))
            self.assert_near(server)
            self.assert_counted()
            self._delete_server(server)
            self.assert_counted()
        self.assertIn(
            f'goes to NUMA nodes {full}, to its GPUs, and not to {1 - full}',
            self.log(),
        )

    def test_policy_none_leaves_it_to_nova(self):
        (full,) = self.nodes(self.boot_with(8, {}))
        self.leave(_CARDS[full][0])
        server = self.boot_with(4, base.VGPU | _NONE)
        self.assertEqual({1 - full}, self.nodes(server))
        self.assertEqual({full}, self.cards(server))

    def test_card_is_taken_where_the_guest_fits(self):
        (full,) = self.nodes(self.boot_with(30, {}))
        for policy in (_REQUIRED, _PREFERRED):
            server = self.boot_with(4, base.PGPU | policy)
            self.assertEqual({1 - full}, self.cards(server))
            self.assert_near(server)
        self.refused(4, base.PGPU | _REQUIRED)
        self.assertIn(
            'the guest, of 1 NUMA cells, does not fit beside '
            f'{_CARDS[full][0]} on NUMA node {full}',
            self.log(),
        )
        far = self.boot_with(4, base.PGPU | _PREFERRED)
        self.assertEqual({full}, self.cards(far))
        self.assertEqual({1 - full}, self.nodes(far))
        self.assertIn(f'stays on NUMA nodes {1 - full}, far', self.log())
        self.assert_counted()
        self.assert_agreed()

    def test_guest_without_pinned_cpus(self):
        self.leave(_CARDS[1][0])
        self.flags(cpu_dedicated_set=None, group='compute')
        self.flags(cpu_shared_set=None, group='compute')
        self.restart_compute_service('host1')
        for _ in range(2):
            flavor = self._create_flavor(
                vcpu=4,
                memory_mb=1024,
                extra_spec=base.VGPU | _REQUIRED | {'hw:numa_nodes': '1'},
            )
            server = self._create_server(flavor_id=flavor, networks='none')
            self.assertEqual({1}, self.nodes(server))
            self.assert_counted()

    def test_two_cards_of_a_guest_with_one_cell(self):
        server = self.boot_with(4, _TWO_CARDS | _REQUIRED)
        self.assertEqual(1, len(self.cards(server)))
        self.assert_near(server)
        self._delete_server(server)
        self.leave(_CARDS[0][0], _CARDS[1][0])
        self.refused(4, _TWO_CARDS | _REQUIRED)
        self.assertEqual(
            1, len(self.nodes(self.boot_with(4, _TWO_CARDS | _PREFERRED)))
        )

    def test_two_cards_of_a_guest_with_two_cells(self):
        self.leave(_CARDS[0][0], _CARDS[1][0])
        cells = {'hw:numa_nodes': '2'}
        server = self.boot_with(4, _TWO_CARDS | _REQUIRED | cells)
        self.assertEqual({0, 1}, self.nodes(server))
        self.assertEqual({0, 1}, self.cards(server))

    def test_guests_of_one_request(self):
        servers = self.boot_together(base.PGPU | _REQUIRED, 15, 4)
        for server in servers:
            self.assert_near(server)
        self.assert_counted()
        self.assert_agreed()

    def boot_together(self, spec, vcpus, count):
        flavor = self._create_flavor(
            vcpu=vcpus, memory_mb=1024, extra_spec=_PINNED | spec
        )
        request = self._build_server(flavor_id=flavor, networks='none')
        request |= {'min_count': count, 'max_count': count}
        request['return_reservation_id'] = True
        answer = self.api.api_post('/servers', {'server': request})
        reservation = answer.body['reservation_id']
        servers = self.api.get_servers(
            search_opts={'reservation_id': reservation}
        )
        return [self._wait_for_state_change(s, 'ACTIVE') for s in servers]


class KeptTest(NumaCase):
    """A guest that was built stays where it is, whatever becomes free."""

    CAST_AS_CALL = False

    def setUp(self):
        super().setUp()
        # The only card is on the node that is full: the guest is far.
        self.filler = self.boot_with(30, {})
        (self.full,) = self.nodes(self.filler)
        self.leave(_CARDS[self.full][0])
        self.far = self.boot_with(8, base.VGPU | _PREFERRED)
        self.assertEqual({1 - self.full}, self.nodes(self.far))

    def pins(self, server):
        found = self.guest('host1', server).xpath('cputune/vcpupin/@cpuset')
        return {int(cpu) for cpu in found}

    def test_periodic_update_after_its_near_node_is_free(self):
        self._delete_server(self.filler)
        with self.lazy_loads() as loads:
            for _ in range(2):
                self.run_periodic()
        self.assertEqual([], loads)
        self.assertEqual({1 - self.full}, self.nodes(self.far))
        other = self.boot_with(30, {})
        self.assertEqual(set(), self.pins(self.far) & self.pins(other))
        self.assert_counted()

    def test_reboots_and_stop_after_its_near_node_is_free(self):
        self._delete_server(self.filler)
        before = self.pins(self.far)
        self.far = self._reboot_server(self.far)
        self.far = self._reboot_server(self.far, hard=True)
        self.assertEqual({1 - self.full}, self.nodes(self.far))
        self._stop_server(self.far)
        self.assertEqual({1 - self.full}, self.nodes(self.far))
        self._start_server(self.far)
        self.assertEqual(before, self.pins(self.far))
        self.assert_counted()

    def test_updates_after_an_unshelving_go_on(self):
        self._shelve_server(self.far)
        self._delete_server(self.filler)
        self.filler = self.boot_with(30, {})
        self.far = self._unshelve_server(self.far)
        late = self.boot(base.VGPU)
        self.run_periodic()
        self._delete_server(late)
        self.run_periodic()
        self.restart_compute_service('host1')
        self.boot_with(1, {})
        self.assertNotIn('Error updating resources', self.log())
        self.assert_agreed()

    @contextlib.contextmanager
    def lazy_loads(self):
        """List what is read of an instance alone meanwhile, each an RPC."""
        loads = []
        original = objects.Instance.obj_load_attr

        def load(instance, name):
            loads.append(name)
            return original(instance, name)

        with fixtures.MonkeyPatch('nova.objects.Instance.obj_load_attr', load):
            yield loads


class SetTest(NumaCase):
    KIND = 'hgx-h100'

    def test_set_of_one_node(self):
        spec = {'resources:CUSTOM_GPU_SET_4': '1'}
        servers = [self.boot_with(4, spec | _REQUIRED) for _ in range(2)]
        for server in servers:
            self.assertEqual(1, len(self.cards(server)))
            self.assert_near(server)
        self.assert_counted()

    def test_set_of_both_nodes(self):
        spec = {'resources:CUSTOM_GPU_SET_8': '1'}
        self.refused(4, spec | _REQUIRED)
        self.assertIn('the guest, of 1 NUMA cells, does not fit', self.log())
        cells = {'hw:numa_nodes': '2'}
        server = self.boot_with(4, spec | _REQUIRED | cells)
        self.assertEqual({0, 1}, self.cards(server))
        self.assert_near(server)


class RefusalTest(NumaCase):
    def test_required_needs_cells(self):
        fault = self.boot_refused(base.VGPU | _REQUIRED)
        self.assertIn('No valid host', fault)
        self.assertIn('set hw:numa_nodes or hw:cpu_policy too', self.log())

    def test_unknown_policy(self):
        self.api.microversion = '2.1'  # which the API checks nothing for
        flavor = self.flavor(base.VGPU | {_POLICY: 'require'})
        self.api.microversion = 'latest'
        server = self._create_server(
            flavor_id=flavor, networks='none', expected_state='ERROR'
        )
        self.assertIn('No valid host', server['fault']['message'])
        self.assertIn("preferred, none, found 'require'", self.log())


class UnfilteredTest(NumaCase):
    """What holds where nova-scheduler does not have our filter."""

    ADDITIONAL_FILTERS = ('NUMATopologyFilter',)

    def test_host_moves_the_guest_or_refuses_it(self):
        (full,) = self.nodes(self.boot_with(24, {}))
        self.leave(_CARDS[full][0])
        server = self.boot_with(4, base.VGPU | _REQUIRED)
        self.assertEqual({full}, self.nodes(server))
        far = self.boot_with(8, base.VGPU | _PREFERRED)
        self.assertEqual({1 - full}, self.nodes(far))
        self._delete_server(far)
        self.boot_with(8, base.VGPU | _REQUIRED, expected_state='ERROR')
        self.assertIn(
            'wanted it on the NUMA nodes of its GPUs '
            f'({_CARDS[full][0]} on node {full}), found the guest on '
            f'{1 - full}, and no room for it there',
            self.log(),
        )
        self.assert_counted()

    def test_required_needs_cells(self):
        server = self.boot(base.VGPU | _REQUIRED, expected_state='ERROR')
        self.assertIn('set hw:numa_nodes or hw:cpu_policy too', self.log())
        self._delete_server(server)
        self.assert_agreed()


class MoveTest(NumaCase):
    def setUp(self):
        super().setUp()
        # On both hosts the card is on the node that Nova likes less.
        self.busy = self.boot_with(8, {})
        (self.full,) = self.nodes(self.busy)
        self.leave(_CARDS[self.full][0])

    def start_second(self):
        first, self.host = self.host, self.start_gpu_host('host2', 't4')
        busy = self.boot_with(8, {}, host='host2')
        self.assertEqual({self.full}, self.nodes(busy, 'host2'))
        self.leave(_CARDS[self.full][0])
        self.host = first

    def test_resize_on_one_host(self):
        self.flags(allow_resize_to_same_host=True)
        for finish in (self._confirm_resize, self._revert_resize):
            server = self.boot_with(4, {})
            before = self.nodes(server)
            self.assertEqual({1 - self.full}, before)
            flavor = self._create_flavor(
                vcpu=6,
                memory_mb=1024,
                extra_spec=_PINNED | base.VGPU | _REQUIRED,
            )
            server = self._resize_server(server, flavor)
            self.assertEqual({self.full}, self.nodes(server))
            self.assert_counted()
            server = finish(server)
            if finish == self._confirm_resize:
                self.assertEqual({self.full}, self.nodes(server))
            else:
                self.assertEqual(before, self.nodes(server))
            self.run_periodic()
            self.assert_agreed()
            self._delete_server(server)

    def test_migration(self):
        server = self.boot_with(4, base.VGPU | _REQUIRED)
        self.start_second()
        for there, back in (('host2', 'host1'), ('host1', 'host2')):
            server = self._migrate_server(server)
            self.assertEqual(there, server['OS-EXT-SRV-ATTR:host'])
            self.assertEqual({self.full}, self.nodes(server, there))
            self.assert_counted()
            if there == 'host2':
                server = self._revert_resize(server)
                self.assertEqual({self.full}, self.nodes(server, back))
                server = self._migrate_server(server)
            server = self._confirm_resize(server)
            self.assertEqual({self.full}, self.nodes(server, there))
            self.run_periodic()
            self.assert_agreed()

    def test_shelved(self):
        server = self.boot_with(4, base.VGPU | _REQUIRED)
        self._shelve_server(server)
        server = self._unshelve_server(server)
        self.assertEqual({self.full}, self.nodes(server))
        self.assert_counted()
        self.assert_agreed()

    def test_evacuated(self):
        server = self.boot_with(4, base.VGPU | _REQUIRED)
        self.start_second()
        self.computes['host1'].stop()
        service = next(
            s for s in self.api.get_services() if s['host'] == 'host1'
        )
        self.api.put_service_force_down(service['id'], True)
        server = self._evacuate_server(
            server, expected_host='host2', expected_state='SHUTOFF'
        )
        server = self._start_server(server)
        self.assertEqual({self.full}, self.nodes(server, 'host2'))
        self.assert_counted('host2')
        self.assert_agreed('host2')


class NoGpuTest(NumaCase):
    def test_server_of_mixed_cpus_and_without_a_gpu_is_built(self):
        flavor = self._create_flavor(
            vcpu=3,
            memory_mb=1024,
            extra_spec={
                'hw:cpu_policy': 'mixed',
                'hw:cpu_dedicated_mask': '0-1',
            },
        )
        server = self._create_server(flavor_id=flavor, networks='none')
        self._reboot_server(server, hard=True)
