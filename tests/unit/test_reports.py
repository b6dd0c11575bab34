"""What a claim has looked at anew is told as if all had been looked at."""

import pathlib
import tempfile
import unittest

import fixtures
import testtools
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nova_gpuvirt import gpus
from nova_gpuvirt import hypervisor
from nova_gpuvirt import machine
from nova_gpuvirt import model
from nova_gpuvirt import pciids
from nova_gpuvirt import placement
from nova_gpuvirt import sysfs
from nova_gpuvirt import traits
from nova_gpuvirt import wishes
from nova_gpuvirt.testing import hosts
from nova_gpuvirt.testing import powers

_NODE = 'node1'
_KINDS = ('t4', 'l40s', 'a16', 'gvtg', 'mi300x-hive', 'hgx-h100', 'mixed')


class Reports:
    """A host's reports to a Placement that does as it is told."""

    def __init__(self, host):
        self.host = host
        self.known = {}
        self.gpus = gpus.Gpus(
            machine.Machine(
                sysfs.Sysfs(host.root),
                pciids.PciIds([host.root]),
                hypervisor.Absent(),
                powers.Powers(host).run,
            ),
            wishes.Wishes(),
        )
        self.gpus.survey(refresh=True)
        self.report()

    def report(self, **kwargs):
        self.providers = {
            placement.address_of(_NODE, p.name): p
            for p in self.gpus.report(_NODE, self.known, **kwargs)
        }
        self.known = {
            device: placement.Known(
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
        self.known[device] = placement.Known(
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
        self.assertIn(traits.MISSING, told[first].traits)
        self.assertNotIn(traits.MISSING, told[second].traits)
        told = self.reports.report()
        self.assertIn(traits.MISSING, told[second].traits)

    def test_without_a_change_nothing_is_looked_at(self):
        before = dict(self.reports.providers)
        self.unplug(*self.cards)
        now = self.reports.report(everything=False)
        for card in self.cards:
            self.assertIs(before[card], now[card])

    def test_a_trait_that_others_gave_is_seen_at_once(self):
        card = self.cards[0]
        before = self.reports.known[card]
        self.reports.known[card] = placement.Known(
            before.inventories, {*before.traits, 'CUSTOM_THEIRS'}, ()
        )
        told = self.reports.report(everything=False)
        self.assertEqual({*before.traits, 'CUSTOM_THEIRS'}, told[card].traits)
