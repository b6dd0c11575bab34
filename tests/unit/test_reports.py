"""What a claim has looked at anew is told as if all had been looked at."""

import pathlib
import tempfile
import unittest

import ddt
import fixtures
import testtools
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nova_gpuvirt import gpus
from nova_gpuvirt import model
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.placement import inventory
from nova_gpuvirt.placement import providers
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_

_NODE = 'node1'
_KINDS = ('t4', 'l40s', 'a16', 'gvtg', 'mi300x-hive', 'hgx-h100', 'mixed')
_NVIDIA = 'CUSTOM_VGPU_NVIDIA'
_SESSION = 'CUSTOM_GPU_API_SESSION'
# Host by host: a class, and how often it can be had.
_CAPACITIES = (
    ('a16', 'CUSTOM_GPU_SET_2', 4),
    ('a100-mig', 'VGPU', 2),
    ('a40', 'VGPU', 2),
    ('alder-lake', 'VGPU', 7),
    ('b50', 'VGPU', 2),
    ('b60', 'VGPU', 4),
    ('domain-1', 'VGPU', 2),
    ('flex140', 'VGPU', 12),
    ('flex170', 'VGPU', 16),
    ('gvtd', 'PGPU', 1),
    ('gvtg', 'VGPU', 2),
    ('gvtg-1g', 'CUSTOM_VGPU_INTEL_GVTG_V5_8', 7),
    ('h100', 'PGPU', 8),
    ('h100-mig', 'VGPU', 9),
    ('hgx-h100', 'CUSTOM_GPU_SET_2', 4),
    ('l40s', 'VGPU', 4),
    ('mi300x', 'VGPU', 64),
    ('mi300x-hive', 'CUSTOM_GPU_SET_4', 2),
    ('mixed', 'VGPU', 4),
    ('off-bus', 'VGPU', 6),
    ('rtx-pro-6000', f'{_NVIDIA}_DC_24Q', 4),
    ('rtx-pro-6000-mig', f'{_NVIDIA}_DC_1_6Q', 8),
    ('s7150x2', 'VGPU', 32),
    ('t4', f'{_NVIDIA}_T4_4Q', 16),
    ('v710', 'VGPU', 12),
    ('vgem', _SESSION, 8),
    ('workstation', 'PGPU', 1),
)


class Reports:
    """A host's reports to a Placement that does as it is told."""

    def __init__(self, host):
        self.host = host
        self.known = {}
        power = root_.Root(host)
        self.gpus = gpus.Gpus(
            machine.Machine(
                sysfs.Sysfs(host.root, power),
                pciids.PciIds([host.root]),
                hypervisor.Absent(),
                power.run,
            ),
            operator_filter.OperatorFilter(),
        )
        self.gpus.survey(refresh=True)
        self.report()

    def report(self, **kwargs):
        self.providers = {
            providers.address_of(_NODE, p.name): p
            for p in self.gpus.report(_NODE, self.known, **kwargs)
        }
        self.known = {
            device: inventory.Known(
                provider.inventories,
                provider.traits,
                self.claims(device),
            )
            for device, provider in self.providers.items()
        }
        return self.providers

    def claims(self, device):
        known = self.known.get(device)
        return known.claims if known else frozenset()

    def claim(self, device, claims):
        """Let a provider have these claims."""
        before = self.known[device]
        self.known[device] = inventory.Known(
            before.inventories, before.traits, frozenset(claims)
        )

    def free(self):
        """List what Nova's tracker could hand out now."""
        return sorted(
            (str(device), claim.resource_class, claim.identifier)
            for device, provider in self.providers.items()
            for claims in provider.resources.values()
            for claim in claims - self.claims(device)
        )

    def taken(self):
        """List what it has handed out."""
        return sorted(
            (str(device), claim.resource_class, claim.identifier)
            for device in self.providers
            for claim in self.claims(device)
        )


def _card(device):
    return isinstance(device, model.PciAddress)


class SameTest(unittest.TestCase):
    """No claim changes a host, so each is there once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hosts = {}
        for kind in _KINDS:
            folder = tempfile.TemporaryDirectory()
            cls.addClassCleanup(folder.cleanup)
            cls.hosts[kind] = hosts.simulated(kind, pathlib.Path(folder.name))

    @settings(max_examples=30, deadline=None)
    @given(st.sampled_from(_KINDS), st.data())
    def test_a_claims_report_is_as_one_of_everything(self, kind, data):
        reports = Reports(self.hosts[kind])
        every = Reports(self.hosts[kind])
        for _ in range(data.draw(st.integers(1, 5))):
            free, taken = reports.free(), reports.taken()
            ends = not free or (taken and data.draw(st.booleans()))
            name, *words = data.draw(st.sampled_from(taken if ends else free))
            device = model.parse_device(name)
            change = {model.Claim(*words)}
            reports.claim(device, reports.claims(device) ^ change)
            every.known = reports.known
            self.assertEqual(every.report(), reports.report(everything=False))


@ddt.ddt
class CapacityTest(testtools.TestCase):
    @ddt.unpack
    @ddt.data(*_CAPACITIES)
    def test_each_is_given_once_and_given_back(self, kind, rc, count):
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        reports = Reports(hosts.simulated(kind, root))
        before = reports.free()
        for done in range(count):
            free = [f for f in reports.free() if f[1] == rc]
            self.assertNotEqual([], free, f'{done} of {count} are given')
            name, *words = free[-done % len(free)]
            device = model.parse_device(name)
            self.assertNotIn((name, *words), reports.taken())
            reports.claim(
                device, {*reports.claims(device), model.Claim(*words)}
            )
            reports.report(everything=False)
        self.assertEqual(count, len(reports.taken()))
        self.assertEqual([], [f for f in reports.free() if f[1] == rc])
        for device in reports.providers:
            reports.claim(device, ())
        reports.report()
        self.assertEqual(before, reports.free())


class LookTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.reports = Reports(hosts.simulated('t4', root))
        self.cards = [d for d in self.reports.providers if _card(d)]

    def unplug(self, *cards):
        for card in cards:
            self.reports.host.unplug(str(card))

    def test_a_claim_has_its_card_looked_at_and_no_other(self):
        first, second, *_ = self.cards
        self.unplug(first, second)
        free = self.reports.free()
        _, *words = next(f for f in free if f[0] == str(first))
        self.reports.claim(first, {model.Claim(*words)})
        told = self.reports.report(everything=False)
        self.assertIn(trait_names.MISSING, told[first].traits)
        self.assertNotIn(trait_names.MISSING, told[second].traits)
        told = self.reports.report()
        self.assertIn(trait_names.MISSING, told[second].traits)

    def test_without_a_change_nothing_is_looked_at(self):
        before = dict(self.reports.providers)
        self.unplug(*self.cards)
        now = self.reports.report(everything=False)
        for card in self.cards:
            self.assertIs(before[card], now[card])

    def test_a_card_that_becomes_another_is_looked_at_once_more(self):
        first, second, *_ = self.cards
        self.unplug(first, second)
        self.reports.gpus.look_again(first)
        told = self.reports.report(everything=False)
        self.assertIn(trait_names.MISSING, told[first].traits)
        self.assertNotIn(trait_names.MISSING, told[second].traits)

    def test_a_trait_that_others_gave_is_seen_at_once(self):
        card = self.cards[0]
        before = self.reports.known[card]
        self.reports.known[card] = inventory.Known(
            before.inventories, {*before.traits, 'CUSTOM_THEIRS'}, ()
        )
        told = self.reports.report(everything=False)
        self.assertEqual({*before.traits, 'CUSTOM_THEIRS'}, told[card].traits)
