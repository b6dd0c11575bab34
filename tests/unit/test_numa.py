"""A guest is fitted beside its GPUs, or not at all."""

import itertools
import unittest

from hypothesis import given
from hypothesis import strategies as st
from nova import objects

from nova_gpuvirt import exception
from nova_gpuvirt import extra_specs
from nova_gpuvirt import numa

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
    return numa.fit(host, guest, nodes, limits, networks)


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
        self.assertLessEqual(nodes, numa.nodes_of(fitted))
        self.assertEqual(len(sizes), len(numa.nodes_of(fitted)))
        for cell, size in zip(fitted.cells, sizes, strict=True):
            pins = {*cell.cpu_pinning.values()}
            self.assertEqual(size, len(pins))
            self.assertLessEqual(pins, host.cells[cell.id].free_pcpus)

    @given(hosts, sizes_of_guest, nodes_of_host)
    def test_what_could_fit_does(self, free, sizes, nodes):
        possible = any(
            nodes <= {*chosen}
            and all(
                free[node] >= size
                for node, size in zip(chosen, sizes, strict=True)
            )
            for chosen in itertools.permutations(range(len(free)), len(sizes))
        )
        fitted = fit(host_of(free), guest_of(sizes), nodes)
        self.assertEqual(possible, fitted is not None)

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
            exception.InvalidOption, "preferred, none, found 'must'"
        ):
            extra_specs.numa_policy({'hw:gpuvirt_numa_policy': 'must'})
