"""A backend needs its module and its line in the list, and nothing else."""

import dataclasses
import pathlib
import uuid

import fixtures
import testtools

from nova_gpuvirt import backends
from nova_gpuvirt import gpus
from nova_gpuvirt import handover
from nova_gpuvirt import model
from nova_gpuvirt.backends import base
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.model import guest_device
from nova_gpuvirt.placement import inventory as inventory_
from nova_gpuvirt.placement import providers
from nova_gpuvirt.simulation import hosts

_CARD = model.PciAddress.parse('0000:01:00.0')
_CLASS = 'CUSTOM_VGPU_EXAMPLE_THIRD'


class Example(base.Backend):
    """Three parts of each NVIDIA card."""

    kind = 'example'

    def discover(self, gpu):
        if gpu.vendor != 'NVIDIA':
            return gpu
        third = model.Profile('example-third', 'Third', 'third', 3)
        share = model.Share(
            self.kind, size_rules.PROPORTIONAL, gpu.address, (third,)
        )
        return dataclasses.replace(gpu, shares=(*gpu.shares, share))

    def prepare(self, gpu, slot, instance):
        return False

    def guest_devices(self, gpu, slot, instance):
        return (guest_device.Pci(gpu.address, managed=True),)


class BackendsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        hosts.simulated('workstation', root)
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_gpuvirt.backends.BACKENDS',
                (*backends.BACKENDS, Example),
            )
        )
        seen = machine.Machine(
            sysfs.Sysfs(root), pciids.PciIds([root]), hypervisor.Absent()
        )
        self.gpus = gpus.Gpus(seen, operator_filter.OperatorFilter())
        self.handover = handover.Handover(self.gpus)

    def report(self, *claims):
        """What Placement is told of the card, given these claims on it."""
        known = {_CARD: inventory_.Known({}, (), claims)}
        name = providers.provider_name('node1', _CARD)
        (provider,) = (
            p for p in self.gpus.report('node1', known) if p.name == name
        )
        return provider

    def totals(self, *claims):
        return {
            rc: inventory['total'] - inventory['reserved']
            for rc, inventory in self.report(*claims).inventories.items()
        }

    def test_its_parts_are_offered(self):
        totals = self.totals()
        self.assertEqual((1, 3, 3), tuple(self.counts(totals)))
        self.assertIn('CUSTOM_GPU_KIND_EXAMPLE', self.report().traits)

    def test_what_is_claimed_of_it_is_taken_from_the_rest(self):
        claim = model.Claim(_CLASS, f'example:{_CARD}/0@example-third')
        self.assertEqual((0, 2, 3), tuple(self.counts(self.totals(claim))))

    def test_guest_gets_its_device(self):
        claim = model.Claim(_CLASS, f'example:{_CARD}/0@example-third')
        instance = str(uuid.uuid4())
        (device,) = self.handover.attach(instance, [claim])
        self.assertEqual(_CARD, device.host)
        self.handover.release(instance, [claim])
        self.assertEqual((), self.handover.leftovers([claim.slot]))

    def counts(self, totals):
        return (totals[rc] for rc in ('PGPU', 'VGPU', _CLASS))
