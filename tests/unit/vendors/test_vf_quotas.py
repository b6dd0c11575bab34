"""What part of a card each of its virtual functions is, as drivers tell."""

import dataclasses
import pathlib

import fixtures
import testtools

from nova_gpuvirt import gpus
from nova_gpuvirt.cards import offers
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.cards import reasons as reasons_
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import simulated
from nova_gpuvirt.simulation.drivers import gim


class QuotasTest(testtools.TestCase):
    def start(self, name, **changes):
        folder = self.useFixture(fixtures.TempDir()).path
        root = pathlib.Path(folder)
        host = dataclasses.replace(hosts.HOSTS[name](), **changes)
        self.host = simulated.SimulatedHost(host, root)
        self.gpus = gpus.Gpus(
            machine.Machine(
                sysfs.Sysfs(root), pciids.PciIds([root]), hypervisor.Absent()
            ),
            operator_filter.OperatorFilter(),
        )

    def quotas(self):
        """Map each part that VFs have of a card to how many have it."""
        found = [
            {p.type_id: len(p.places) for p in share.profiles}
            for gpu in self.gpus.survey(refresh=True).gpus
            for share in gpu.shares
            if share.kind == 'sriov'
        ]
        self.assertEqual([], [other for other in found if other != found[0]])
        return found[0]

    def test_other_folders_beside_a_card_are_passed_over(self):
        self.start('flex170')
        before = self.quotas()
        for device in (self.host.root / 'sys/bus/pci/devices').iterdir():
            for name in ('card', 'card0-DP-1', 'card٣'):
                (device / 'drm' / name).mkdir(parents=True)
        self.assertEqual(before, self.quotas())

    def test_each_driver_names_its_parts(self):
        for name, quotas in (
            ('s7150x2', {'1of16': 16}),
            ('mi300x', {'cpx-nps4-1of8': 8}),
            ('v710', {'1of12': 12}),
            ('flex170', {'2000m': 8}),
            ('flex140', {'960m': 6}),
            ('b60', {'4096m': 4}),
            ('b50', {'7048m': 2}),
            ('alder-lake', {'1of7': 7}),
            ('alder-lake-no-vfs', {}),
        ):
            self.start(name)
            self.assertEqual(quotas, self.quotas(), name)

    def test_modes_of_an_mi350x(self):
        """2 VFs are DPX-NPS2, 8 CPX-NPS2, by gim's release notes."""
        for count, words in (
            (1, 'spx-nps1'),
            (2, 'dpx-nps2'),
            (8, 'cpx-nps2'),
        ):
            functions = tuple(
                dataclasses.replace(
                    f,
                    vfs=dataclasses.replace(f.vfs, enabled=count),
                    pf_driver=gim.Gim(count, int(words[-1]), 288 << 30),
                )
                if f.vfs
                else f
                for f in hosts.HOSTS['mi300x']().functions
            )
            self.start('mi300x', functions=functions)
            self.assertEqual({f'{words}-1of{count}': count}, self.quotas())

    def test_missing_vfs_have_a_reason(self):
        host = hosts.HOSTS['alder-lake']()
        functions = tuple(
            dataclasses.replace(
                f, vfs=f.vfs and dataclasses.replace(f.vfs, enabled=0)
            )
            for f in host.functions
        )
        for parameters, reason in (
            ({'i915/max_vfs': '0'}, 'i915.max_vfs is 0'),
            ({'i915/max_vfs': '7'}, 'none of its 7 VFs is enabled'),
            ({}, "this kernel's own i915 makes no VFs"),
        ):
            self.start(
                'alder-lake', functions=functions, parameters=parameters
            )
            (gpu,) = self.gpus.survey(refresh=True).gpus
            self.assertIn(reason, ' '.join(reasons_.reasons(gpu)))

    def test_vf_whose_part_can_not_be_told_is_withheld_alone(self):
        self.start('b60')
        quota = 'sriov_admin/vf4/profile/vram_quota'
        self.host.break_file('0000:17:00.0', quota, None)
        self.assertEqual({'4096m': 3}, self.quotas())
        reasons = [
            r for g in self.gpus.survey().gpus for r in reasons_.reasons(g)
        ]
        (reason,) = [r for r in reasons if 'vf4' in r]
        self.assertIn('not 0000:17:00.4: ', reason)

    def test_vf_that_is_excluded_is_kept_from_new_guests_alone(self):
        self.start('b60')
        wish = operator_filter.OperatorFilter(exclude=['0000:17:00.2'])
        (card,) = (g for g in self.gpus.survey().gpus if g.shares)
        share = wish.narrow(card).share('sriov')
        self.assertEqual({'0000:17:00.2'}, {str(vf) for vf in share.excluded})
        # Who has it already is prepared with it.
        self.assertEqual(4, len(share.profiles[0].places))
        free = {
            str(slot.device)
            for offer in offers.offers(wish.narrow(card), (), None)
            for slot in offer.slots
            if slot.kind == 'sriov'
        }
        self.assertEqual({f'0000:17:00.{n}' for n in (1, 3, 4)}, free)

    def test_vfs_of_one_card_can_have_several_parts(self):
        self.start('b60')
        quota = 'sriov_admin/vf4/profile/vram_quota'
        path = f'/sys/bus/pci/devices/0000:17:00.0/{quota}'
        self.host.write(path, str(1 << 30))
        self.assertEqual({'4096m': 3, '1024m': 1}, self.quotas())
