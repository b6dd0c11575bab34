"""What a host weighs beside others, in Nova's own handler."""

import unittest
import unittest.mock
import uuid

import nova.conf
import os_resource_classes as orc
from nova import objects
from nova.scheduler import host_manager
from nova.scheduler import weights

from nova_gpuvirt import exception
from nova_gpuvirt.model import summary
from nova_gpuvirt.model import summary_text
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import cards
from nova_gpuvirt.scheduler import fleet
from nova_gpuvirt.scheduler import handed_out
from nova_gpuvirt.scheduler import state
from nova_gpuvirt.scheduler import weighers
from tests.unit.scheduler import worlds

A = worlds.CLASSES[0]
LAYOUT = summary.Layout(
    'T4', (summary.Part(A, summary.CARD // 4, summary.Sharing.MIXED),)
)


class GpuWeigherTest(unittest.TestCase):
    def setUp(self):
        objects.register_all()
        nova.conf.CONF([], project='nova', default_config_files=[])
        self.addCleanup(nova.conf.CONF.reset)
        seen = fleet.Fleet({summary.Request(8, 8192, ((orc.PGPU, 1),)): 1})
        self.handed_out = handed_out.HandedOut()
        for name, value in (
            ('fleet', lambda: seen),
            ('HANDED_OUT', self.handed_out),
        ):
            patch = unittest.mock.patch.object(state, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        self.told = {}

    def host(self, name, *taken, rc=A):
        """A host whose cards have these many quarters taken."""
        host = host_manager.HostState(name, name, None)
        host.uuid = name
        host.vcpus_total, host.total_usable_ram_mb = 64, 1 << 18
        host.free_ram_mb = 1 << 18
        host.cpu_allocation_ratio = host.ram_allocation_ratio = 1.0
        if taken:
            found = []
            for i, count in enumerate(taken):
                card = worlds.free(LAYOUT, f'{name}-{i}')
                found.append(cards.take(card, A, count) if count else card)
            self.told[name] = summary.Summary(tuple(found))
            host.stats = {summary.KEY: summary_text.dump(self.told[name])}
        else:
            host.stats = {}
        taking = {f'{name}-0': {'resources': {rc: 1}}} if rc else {}
        host.allocation_candidates = [
            {'allocations': {name: {'resources': {orc.VCPU: 1}}} | taking}
        ]
        return host

    def order(self, *hosts):
        spec = objects.RequestSpec(
            flavor=objects.Flavor(vcpus=4, memory_mb=4096)
        )
        weighed = weights.HostWeightHandler().get_weighed_objects(
            [weighers.GpuWeigher()], [*hosts], spec
        )
        return [(each.obj.host, each.weight) for each in weighed]

    def test_a_card_that_is_cut_already_is_taken_first(self):
        order = self.order(self.host('whole', 0), self.host('cut', 1))
        self.assertEqual([('cut', 100.0), ('whole', 0.0)], order)

    def test_a_request_without_gpus_goes_to_a_host_without_any(self):
        order = self.order(
            self.host('gpus', 0, rc=None), self.host('none', rc=None)
        )
        self.assertEqual(['none', 'gpus'], [name for name, _ in order])

    def test_what_was_handed_out_is_the_last_choice_and_close_behind(self):
        hosts = [
            self.host('whole', 0),
            self.host('gone', 3),
            self.host('cut', 1),
        ]
        self.handed_out.note(
            self.told['gone'],
            str(uuid.uuid4()),
            [candidate.Part('gone-0', A, 1)],
        )
        order = dict(self.order(*hosts))
        self.assertEqual(['cut', 'whole', 'gone'], [*order])
        # One card behind, as a whole card costs about one.
        self.assertGreater(order['cut'] - order['whole'], 10)

    def test_the_metadata_of_an_aggregate_goes_before_the_option(self):
        host, other = self.host('whole', 0), self.host('cut', 1)
        for each in (host, other):
            each.aggregates = [
                objects.Aggregate(metadata={'gpu_weight_multiplier': '7'})
            ]
        self.assertEqual(
            [('cut', 7.0), ('whole', 0.0)], self.order(host, other)
        )


class StartTest(unittest.TestCase):
    def test_an_option_that_cant_be_meant_ends_the_start(self):
        conf = nova.conf.CONF
        conf([], project='nova', default_config_files=[])
        self.addCleanup(conf.reset)
        self.addCleanup(conf.clear_override, 'typical_request', 'gpuvirt')
        self.addCleanup(state.fleet.cache_clear)
        state.fleet.cache_clear()
        conf.set_override('typical_request', ['one T4'], 'gpuvirt')
        with self.assertRaisesRegex(exception.InvalidOption, "'one T4'"):
            weighers.GpuWeigher()
