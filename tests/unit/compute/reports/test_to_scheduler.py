"""A host tells the scheduler what it tells Placement, in few words."""

import dataclasses
import pathlib
import unittest
import uuid

import ddt
import fixtures
import os_resource_classes as orc

from nova_gpuvirt import gpus
from nova_gpuvirt import model
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.compute.reports import to_scheduler
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.model import summary
from nova_gpuvirt.model import summary_text
from nova_gpuvirt.placement import inventory as inventory_
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import cards
from nova_gpuvirt.scheduler import demand
from nova_gpuvirt.scheduler import rules
from nova_gpuvirt.scheduler import view
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_
from tests.unit.placement import test_providers

RUNNING = {summary.Request(4, 8192, (('VGPU', 1),)): 3}


def told(providers, running=None, arrived=(), console=True):
    """Sum up a host's providers, through the text."""
    maker = to_scheduler.HostSummary(has_console=console)
    named = {str(uuid.uuid5(uuid.NAMESPACE_DNS, p.name)): p for p in providers}
    text = maker.text(named, running or {}, arrived)
    return text, summary_text.load(text), named


class CardTest(unittest.TestCase):
    def one(self, *claims, gpus=None):
        known = {
            test_providers.ADDRESS: inventory_.Known({}, (), claims),
        }
        found = [test_providers.card()] if gpus is None else gpus
        _, read, _ = told(test_providers.report(found, known))
        (card,) = read.cards
        return card

    def test_an_empty_card_can_be_had_whole_or_in_parts(self):
        card = self.one()
        self.assertTrue(card.whole)
        self.assertEqual(summary.CARD, card.unused)
        self.assertEqual(2, cards.room(card, orc.VGPU))

    def screens(self, display, console):
        """What is told of the parts of a card, all with such a display."""
        card = test_providers.card()
        (share,) = card.shares
        profiles = tuple(
            dataclasses.replace(profile, display=display)
            for profile in share.profiles
        )
        card = dataclasses.replace(
            card, shares=(dataclasses.replace(share, profiles=profiles),)
        )
        _, read, _ = told(test_providers.report([card], {}), console=console)
        (told_of,) = read.cards
        return {part.has_screen for part in told_of.layout.parts}

    def test_a_screen_needs_a_display_and_a_console(self):
        shown = model.Display.REGION
        self.assertEqual({True}, self.screens(shown, console=True))
        self.assertEqual({False}, self.screens(shown, console=False))
        self.assertEqual({False}, self.screens(None, console=True))

    def test_a_claim_takes_its_part(self):
        card = self.one(test_providers.VGPU)
        self.assertFalse(card.whole)
        self.assertEqual(summary.CARD // 2, card.unused)
        self.assertEqual(1, cards.room(card, orc.VGPU))

    def test_a_whole_card_leaves_nothing(self):
        card = self.one(test_providers.WHOLE)
        self.assertEqual((0, False), (card.unused, card.whole))
        self.assertFalse(any(card.left))

    def test_the_scheduler_foresees_what_the_host_will_tell(self):
        foreseen = cards.take(self.one(), orc.VGPU, 1)
        self.assertEqual(self.one(test_providers.VGPU), foreseen)

    def test_sick_and_missing_cards_are_told_of(self):
        card = self.one(gpus=[])
        self.assertIs(summary.Health.MISSING, card.health)
        card = self.one(gpus=[test_providers.card(refusal='it is sick')])
        self.assertIs(summary.Health.QUARANTINED, card.health)
        self.assertEqual(0, cards.room(card, orc.PGPU))

    def test_nvidia_is_told_where_no_file_names_it(self):
        card = self.one(gpus=[test_providers.card(vendor='10de')])
        self.assertEqual('NVIDIA', card.layout.vendor)


class ArrivedTest(unittest.TestCase):
    def test_so_many_are_told_of_the_newest_ones(self):
        arrived = [str(uuid.uuid4()) for _ in range(100)]
        _, read, _ = told((), arrived=arrived)
        self.assertEqual(tuple(a[:8] for a in arrived[36:]), read.arrived)


@ddt.ddt
class HostTest(unittest.TestCase):
    @ddt.data(*sorted(hosts.HOSTS))
    def test_summary_says_what_placement_is_told(self, kind):
        with fixtures.TempDir() as folder:
            root = pathlib.Path(folder.path)
            host = hosts.simulated(kind, root)
            power = root_.Root(host)
            seen = machine.Machine(
                sysfs.Sysfs(root, power),
                pciids.PciIds([root]),
                hypervisor.Absent(),
                power.run,
            )
            found = gpus.Gpus(seen, operator_filter.OperatorFilter())
            found.survey(refresh=True)
            text, read, named = told(found.report('node1', {}), RUNNING)
        self.assertEqual(RUNNING, dict(read.running))
        self.assertLess(len(text), 8192)
        seen = view.View(read, demand.Demand({}, ()))
        for card in read.cards:
            provider = named[card.provider]
            for rc, inventory in provider.inventories.items():
                free = inventory['total'] - inventory['reserved']
                self.assertEqual(free, cards.room(card, rc), (kind, rc))
                for units in range(1, free + 1):
                    part = candidate.Part(card.provider, rc, units)
                    self.assertEqual(
                        units <= inventory['max_unit'],
                        rules.refusal(seen, (part,)) is None,
                        (kind, rc, units),
                    )
