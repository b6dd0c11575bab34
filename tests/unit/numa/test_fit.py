"""A guest is fitted beside its GPUs, or not at all."""

import itertools
import unittest
import unittest.mock

from hypothesis import given
from hypothesis import strategies as st
from nova import objects

from nova_gpuvirt import exception
from nova_gpuvirt import extra_specs
from nova_gpuvirt.numa import fit as fit_

objects.register_all()

_CPUS = 8


def host_of(free, networks=()):
    """A host whose nodes have so many free CPUs of 8 each."""
    cells = []
    for node, count in enumerate(free):
        cpus = {*range(node * _CPUS, (node + 1) * _CPUS)}
        cell = objects.NUMACell(
            id=node,
            cpuset=cpus,
            pcpuset=cpus,
            memory=4096,
            cpu_usage=0,
            memory_usage=0,
            pinned_cpus={*sorted(cpus)[count:]},
            siblings=[{cpu} for cpu in cpus],
            mempages=[],
            socket=node,
            network_metadata=objects.NetworkMetadata(
                physnets={p for p, at in networks if at == node},
                tunneled=('tunnel', node) in networks,
            ),
        )
        cells.append(cell)
    return objects.NUMATopology(cells=cells)


def guest_of(sizes):
    """A guest of cells with so many pinned CPUs."""
    cells, first = [], 0
    for node, size in enumerate(sizes):
        cell = objects.InstanceNUMACell(
            id=node,
            cpuset=set(),
            pcpuset={*range(first, first + size)},
            memory=256,
            pagesize=None,
            cpu_policy='dedicated',
            cpu_thread_policy=None,
            cpu_pinning=None,
            cpuset_reserved=None,
        )
        cells.append(cell)
        first += size
    return objects.InstanceNUMATopology(cells=cells)


def fit(host, guest, nodes, networks=None):
    limits = objects.NUMATopologyLimits(
        cpu_allocation_ratio=1.0, ram_allocation_ratio=1.0
    )
    return fit_.fit(host, guest, nodes, limits, networks)


hosts = st.lists(st.integers(0, _CPUS), min_size=1, max_size=4)
sizes_of_guest = st.lists(st.integers(1, _CPUS), min_size=1, max_size=3)
nodes_of_host = st.sets(st.integers(0, 4), max_size=3)


class FitTest(unittest.TestCase):
    @given(hosts, sizes_of_guest, nodes_of_host)
    def test_what_fits_is_there_and_has_free_cpus(self, free, sizes, nodes):
        host, guest = host_of(free), guest_of(sizes)
        before = guest.obj_clone()
        fitted = fit(host, guest, nodes)
        self.assertEqual(before.obj_to_primitive(), guest.obj_to_primitive())
        if fitted is None:
            return
        self.assertLessEqual(nodes, fit_.nodes_of(fitted))
        self.assertEqual(len(sizes), len(fit_.nodes_of(fitted)))
        for cell, size in zip(fitted.cells, sizes, strict=True):
            pins = {*cell.cpu_pinning.values()}
            self.assertEqual(size, len(pins))
            self.assertLessEqual(pins, host.cells[cell.id].free_pcpus)

    @given(hosts, sizes_of_guest, nodes_of_host)
    def test_the_first_nodes_where_all_fits_are_taken(
        self, free, sizes, nodes
    ):
        ways = (
            [*chosen]
            for chosen in itertools.permutations(range(len(free)), len(sizes))
            if nodes <= {*chosen}
            and all(
                free[node] >= size
                for node, size in zip(chosen, sizes, strict=True)
            )
        )
        fitted = fit(host_of(free), guest_of(sizes), nodes)
        found = [cell.id for cell in fitted.cells] if fitted else None
        self.assertEqual(next(ways, None), found)

    def test_isolated_emulator_has_a_cpu_on_the_first_cell(self):
        guest = guest_of([4, 4])
        guest.emulator_threads_policy = 'isolate'
        self.assertIsNone(fit(host_of([4, 4]), guest, {0, 1}))
        fitted = fit(host_of([4, 5]), guest, {0, 1})
        self.assertEqual([1, 0], [cell.id for cell in fitted.cells])
        self.assertTrue(fitted.emulator_threads_isolated)
        (reserved,) = fitted.cells[0].cpuset_reserved
        self.assertEqual(1, reserved // _CPUS)

    def test_nothing_fits_a_host_without_nodes(self):
        self.assertIsNone(fit(None, guest_of([1]), {0}))

    def test_networks_that_are_near_some_node_have_to_be_near(self):
        host = host_of([8, 8], networks=(('foo', 0), ('tunnel', 1)))
        for physnets, tunneled, node, fits in (
            ({'foo'}, False, 0, True),
            ({'foo'}, False, 1, False),
            ({'bar'}, False, 1, True),
            (set(), True, 0, False),
            (set(), True, 1, True),
        ):
            wanted = objects.NetworkMetadata(
                physnets=physnets, tunneled=tunneled
            )
            with self.subTest(physnets=physnets, tunneled=tunneled):
                fitted = fit(host, guest_of([2]), {node}, wanted)
                self.assertEqual(fits, fitted is not None)


class Pci:
    """Devices of Nova's own near some nodes, one of which has to be near."""

    def __init__(self, near):
        self.pools = [{'numa_node': node, 'count': 1} for node in near]
        self.asked = []

    def support_requests(self, requests, provider_mapping, numa_cells):
        nodes = {cell.id for cell in numa_cells}
        self.asked.append(nodes)
        return any(pool['numa_node'] in nodes for pool in self.pools)


class StepsTest(unittest.TestCase):
    """A large host where nothing fits is seen to be one soon."""

    def setUp(self):
        self.calls = 0
        theirs = fit_.hardware.numa_fit_instance_to_host

        def counted(*args, **kwargs):
            self.calls += 1
            return theirs(*args, **kwargs)

        patch = unittest.mock.patch.object(
            fit_.hardware, 'numa_fit_instance_to_host', counted
        )
        patch.start()
        self.addCleanup(patch.stop)

    def test_cells_that_are_alike_are_fitted_once_on_each_node(self):
        self.assertIsNone(fit(host_of([1] * 16), guest_of([2] * 6), {3}))
        self.assertEqual(16, self.calls)

    def test_cells_that_differ_are_fitted_once_on_each_node(self):
        free = [8, 8] + [1] * 14
        sizes = [1, 2, 3, 4, 5, 6]
        self.assertIsNone(fit(host_of(free), guest_of(sizes), {3}))
        self.assertEqual(6 * 16, self.calls)

    def test_a_cell_that_fits_nowhere_ends_it(self):
        guest = guest_of([1, 2, 3, 4, 5, 8])
        self.assertIsNone(fit(host_of([7] * 16), guest, {3}))
        self.assertEqual(16, self.calls)

    def test_more_nodes_than_cells_are_seen_before_anything_is_fitted(self):
        self.assertIsNone(fit(host_of([8] * 16), guest_of([1] * 3), range(4)))
        self.assertIsNone(fit(host_of([8] * 2), guest_of([1] * 3), {0}))
        self.assertEqual(0, self.calls)

    def test_pci_is_asked_once_for_nodes_that_have_the_same_of_it(self):
        limits = objects.NUMATopologyLimits(
            cpu_allocation_ratio=1.0, ram_allocation_ratio=1.0
        )
        for near, free, fits, asked in (
            ([], [8] * 16, False, 1),
            ([15], [8] * 15 + [0], False, 1),
            ([15], [8] * 16, True, 2),
        ):
            with self.subTest(near=near, free=free):
                pci = Pci(near)
                fitted = fit_.fit(
                    host_of(free),
                    guest_of([2] * 6),
                    {3},
                    limits,
                    pci=([objects.InstancePCIRequest(count=1)], pci),
                )
                self.assertEqual(fits, fitted is not None)
                self.assertEqual(asked, len(pci.asked))


class PolicyTest(unittest.TestCase):
    def test_flavor_without_a_policy_prefers(self):
        self.assertIs(
            extra_specs.NumaPolicy.PREFERRED, extra_specs.numa_policy({})
        )

    def test_each_policy_is_read(self):
        for policy in extra_specs.NumaPolicy:
            spec = {'hw:gpuvirt_numa_policy': policy.value}
            self.assertIs(policy, extra_specs.numa_policy(spec))

    def test_others_are_named_and_refused(self):
        with self.assertRaisesRegex(
            exception.RequestImpossible, "preferred, none, found 'must'"
        ):
            extra_specs.numa_policy({'hw:gpuvirt_numa_policy': 'must'})
