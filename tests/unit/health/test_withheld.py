"""What is reported of a card in quarantine, and when that is seen."""

import pathlib

import fixtures
import testtools

from nova_gpuvirt import gpus
from nova_gpuvirt import model
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.health import quarantine
from nova_gpuvirt.health import record
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.placement import inventory
from nova_gpuvirt.placement import providers
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_

_IN = record.Record(
    record.Quarantine('x', '2026-11-30T02:56:03Z', record.By.OPERATOR)
)


class WithheldCase(testtools.TestCase):
    def start(self, kind, card):
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = hosts.simulated(kind, root)
        power = root_.Root(self.host)
        self.card = model.PciAddress.parse(card)
        self.remembered = {}
        self.gpus = gpus.Gpus(
            machine.Machine(
                sysfs.Sysfs(root, power),
                pciids.PciIds([root]),
                hypervisor.Absent(),
                power.run,
            ),
            operator_filter.OperatorFilter(),
            quarantine=quarantine.Quarantine(lambda: self.remembered),
        )
        self.log = self.useFixture(fixtures.FakeLogger())
        self.known = {}
        self.claims = {}

    def report(self, *, everything=False):
        """Report as a claim does, to a Placement that does as it is told."""
        found = {
            providers.address_of('node1', p.name): p
            for p in self.gpus.report(
                'node1', self.known, everything=everything
            )
        }
        self.known = {
            device: inventory.Known(
                p.inventories, p.traits, self.claims.get(device, frozenset())
            )
            for device, p in found.items()
        }
        return found

    def free(self, provider):
        return frozenset().union(*provider.resources.values()) - (
            self.claims.get(self.card, frozenset())
        )


class CardTest(WithheldCase):
    def setUp(self):
        super().setUp()
        self.start('t4', '0000:3b:00.0')
        self.before = self.report(everything=True)

    def assert_withheld(self, found):
        self.assertEqual(frozenset(), self.free(found[self.card]))
        self.assertIn(trait_names.QUARANTINED, found[self.card].traits)
        for device in found.keys() - {self.card}:
            self.assertNotIn(trait_names.QUARANTINED, found[device].traits)

    def test_report_of_a_claim_sees_it_come_and_go(self):
        self.remembered = {self.card: _IN}
        self.assert_withheld(self.report())
        self.assert_withheld(self.report(everything=True))
        self.remembered = {}
        after = self.report()
        for device, provider in self.before.items():
            self.assertEqual(provider.resources, after[device].resources)
            self.assertEqual(provider.traits, after[device].traits)

    def test_claims_stay_with_the_model_that_they_are_of(self):
        claim = model.Claim('VGPU', f'mdev:{self.card}/0@nvidia-t4-8q')
        self.claims = {self.card: frozenset({claim})}
        self.report()
        self.remembered = {self.card: _IN}
        for _ in range(2):
            found = self.report()[self.card]
            self.assertEqual(frozenset(), self.free(found))
            self.assertEqual(frozenset({claim}), found.resources['VGPU'])
            self.assertEqual(1, found.inventories['VGPU']['total'])
            self.assertIn('CUSTOM_GPU_ID_10DE_1EB8', found.traits)
            self.assertIn(trait_names.QUARANTINED, found.traits)

    def test_log_leaves_it_to_who_tells_operators(self):
        self.remembered = {self.card: _IN}
        self.report(everything=True)
        self.remembered = {}
        self.report(everything=True)
        self.assertNotIn(str(self.card), self.log.output)

    def test_card_that_is_sick_too_has_the_trait_of_both(self):
        self.remembered = {self.card: _IN}
        self.host.break_file(str(self.card), 'resource', '?')
        self.assert_withheld(self.report(everything=True))
        self.host.unplug(str(self.card))
        found = self.report(everything=True)
        self.assert_withheld(found)
        self.assertIn(trait_names.MISSING, found[self.card].traits)


class SetsTest(WithheldCase):
    def sets(self, found):
        return {
            str(claim.slot.device)
            for p in found.values()
            for rc, claims in p.resources.items()
            if rc == 'CUSTOM_GPU_SET_2'
            for claim in claims
        }

    def test_sets_of_others_stay(self):
        self.start('hgx-h100', '0000:0f:00.0')
        self.gpus.survey(refresh=True)
        before = self.sets(self.report(everything=True))
        (with_it,) = (s for s in before if str(self.card) in s)
        self.remembered = {self.card: _IN}
        self.assertEqual(
            before - {with_it}, self.sets(self.report(everything=True))
        )
