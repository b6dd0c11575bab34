"""`nova-gpuvirt explain` says what keeps a flavor out, and what would help.

Each change that it names is made, and then the flavor fits.
"""

import contextlib
import io
import json
import re

from nova_gpuvirt import model
from nova_gpuvirt.cli import shell
from nova_gpuvirt.health import record
from nova_gpuvirt.health import records
from tests.functional import base
from tests.functional import served

T4_4Q = 'CUSTOM_VGPU_NVIDIA_T4_4Q'

_T4_2B = 'CUSTOM_VGPU_NVIDIA_T4_2B'


class ExplainCase(base.GpuTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(served.Served(self))

    def run_command(self, *arguments):
        """Run the command and return its exit status, output and errors."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = shell.main(['explain', *arguments])
        return status, out.getvalue(), err.getvalue()

    def explain(self, spec, *arguments, **kwargs):
        """Run the command on a new flavor, and return its rows, by card."""
        flavor = self.flavor(spec, **kwargs)
        status, out, err = self.run_command(flavor, '-f', 'json', *arguments)
        self.assertEqual(0, status, err)
        return {(r['Host'], r['Card']): r for r in json.loads(out)}

    def flavor(self, spec, vcpu=1):
        return self._create_flavor(
            memory_mb=256, vcpu=vcpu, disk=1, ephemeral=0, extra_spec=spec
        )

    def assert_fits(self, rows, *cards):
        """Check that just these cards fit, and that nothing is to be done."""
        fitting = [key for key, row in rows.items() if row['Fits']]
        self.assertEqual(sorted(cards), sorted(fitting))
        for card in cards:
            self.assertEqual([], rows[card]['Why not'])
            self.assertIsNone(rows[card]['Change'])

    def the_change(self, rows):
        """The change that every row which has one names."""
        (change,) = {r['Change'] for r in rows.values()} - {None}
        return change


class OneCardTest(ExplainCase):
    """A host with one card, which has room for two vGPUs and no whole one."""

    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', 'gvtg')
        self.card = 'host1', '0000:00:02.0'

    def test_card_that_has_what_is_asked_for(self):
        self.assert_fits(self.explain(base.VGPU), self.card)

    def test_server_whose_place_would_do(self):
        one, _ = (self.boot(base.VGPU, name=n) for n in ('one', 'two'))
        rows = self.explain(base.VGPU)
        self.assert_fits(rows)
        (reason,) = rows[self.card]['Why not']
        self.assertIn('has 0 of VGPU left, 1 are wanted', reason)
        self.assertIn('held: one (VGPU=1), two (VGPU=1)', reason)
        self.assertIn('server one (VGPU=1)', self.the_change(rows))
        self._delete_server(one)
        self.assert_fits(self.explain(base.VGPU), self.card)

    def test_card_in_quarantine(self):
        remembered = records.Records(self.state_path('host1'))
        card = model.PciAddress.parse(self.card[1])
        since = '2026-11-30T02:56:03Z'
        why = record.Quarantine('it hangs', since, record.By.OPERATOR)
        remembered.change(card, lambda one: one.put(why))
        self.run_periodic()
        rows = self.explain(base.VGPU)
        self.assert_fits(rows)
        self.assertIn('is quarantined', ' '.join(rows[self.card]['Why not']))
        self.assertIn('"nova-gpuvirt discover"', self.the_change(rows))
        remembered.change(card, lambda one: one.released(why.by))
        self.run_periodic()
        self.assert_fits(self.explain(base.VGPU), self.card)

    def test_server_of_another_size(self):
        small = {'resources:CUSTOM_VGPU_INTEL_GVTG_V5_8': '1'}
        large = {'resources:CUSTOM_VGPU_INTEL_GVTG_V5_4': '1'}
        server = self.boot(small, name='small')
        rows = self.explain(large)
        self.assert_fits(rows)
        self.assertIn('server small', self.the_change(rows))
        self._delete_server(server)
        self.assert_fits(self.explain(large), self.card)

    def test_trait_that_nothing_has_and_that_looks_like_another(self):
        rows = self.explain(
            base.VGPU | {'trait:CUSTOM_GPU_VENDOR_INTLE': 'required'}
        )
        self.assert_fits(rows)
        change = self.the_change(rows)
        near = re.search(r'near: (\w+)', change)[1]
        self.assertEqual('CUSTOM_GPU_VENDOR_INTEL', near)
        self.assert_fits(
            self.explain(base.VGPU | {f'trait:{near}': 'required'}), self.card
        )

    def test_class_that_nothing_has_and_that_looks_like_another(self):
        spec = {'resources:CUSTOM_VGPU_INTEL_GVTG_V5_88': '1'}
        rows = self.explain(spec)
        _, _, err = self.run_command(self.flavor(spec))
        self.assertIn('Placement refuses this: The server could not', err)
        self.assertIn('No such resource class CUSTOM_VGPU_INTEL', err)
        near = re.search(r'near: (\w+)', self.the_change(rows))[1]
        self.assert_fits(self.explain({f'resources:{near}': '1'}), self.card)

    def test_class_that_the_card_never_gives_and_trait_that_it_has(self):
        rows = self.explain(base.PGPU)
        self.assertEqual(['it does not give PGPU'], rows[self.card]['Why not'])
        trait = {'trait:CUSTOM_GPU_VENDOR_INTEL': 'forbidden'}
        rows = self.explain(base.VGPU | trait)
        self.assertEqual(
            ['it has CUSTOM_GPU_VENDOR_INTEL, which is forbidden'],
            rows[self.card]['Why not'],
        )

    def test_cpus_that_the_host_does_not_have(self):
        rows = self.explain(base.VGPU, vcpu=999)
        (reason,) = rows['host1', None]['Why not']
        self.assertRegex(reason, r'\d+ of \d+ VCPU are left, 999 are wanted')
        most = int(
            re.search(r'ask for (\d+) of VCPU', self.the_change(rows))[1]
        )
        self.assert_fits(self.explain(base.VGPU, vcpu=most), self.card)

    def test_service_that_is_disabled(self):
        (service,) = self.admin_api.get_services(binary='nova-compute')
        self.admin_api.put_service(
            service['id'], {'status': 'disabled', 'disabled_reason': 'tea'}
        )
        rows = self.explain(base.VGPU)
        self.assertEqual(
            ['its nova-compute is disabled: tea'],
            rows['host1', None]['Why not'],
        )
        self.assertIn('set --enable host1', self.the_change(rows))
        self.admin_api.put_service(service['id'], {'status': 'enabled'})
        self.assert_fits(self.explain(base.VGPU), self.card)

    def test_service_that_is_down(self):
        (service,) = self.admin_api.get_services(binary='nova-compute')
        self.admin_api.put_service_force_down(service['id'], True)
        rows = self.explain(base.VGPU)
        self.assert_fits(rows)
        self.assertIn('start nova-compute on host1', self.the_change(rows))

    def test_card_that_is_gone_and_comes_back(self):
        self.host.unplug(self.card[1])
        self.run_periodic()
        rows = self.explain(
            base.VGPU | {'trait:CUSTOM_GPU_VENDOR_INTEL': 'required'}
        )
        self.assertEqual(
            ['is missing from its host'], rows[self.card]['Why not']
        )
        self.assertIn('bring 0000:00:02.0 of host1', self.the_change(rows))
        self.host.plug(self.card[1])
        self.run_periodic()
        self.run_periodic()
        self.assert_fits(self.explain(base.VGPU), self.card)

    def test_more_than_nova_shows_at_once(self):
        self.start_gpu_host('host2', 'gvtg')
        for name in ('one', 'two'):
            self.boot(base.VGPU, name=name, az='nova:host2')
        self._create_flavor(name='last', extra_spec=base.VGPU)
        self.flags(max_limit=1, group='api')
        status, out, err = self.run_command('last', '-f', 'json')
        self.assertEqual(0, status, err)
        fits, full = sorted(json.loads(out), key=lambda r: r['Host'])
        self.assertTrue(fits['Fits'])
        self.assertEqual('host2', full['Host'])
        self.assertIn('held: one (VGPU=1), two (VGPU=1)', full['Why not'][0])

    def test_what_can_not_be_explained(self):
        for arguments, reason in (
            ([self.flavor({})], 'wanted a flavor that asks for a GPU'),
            (['none-such'], "found 'none-such'"),
            ([self.flavor(base.VGPU), '--host', 'no'], 'there are host1'),
            (['any', '--os-cloud', 'no'], 'Cloud no was not found'),
        ):
            status, _, err = self.run_command(*arguments)
            self.assertEqual(1, status)
            self.assertIn(reason, err)

    def test_cloud_that_does_not_answer(self):
        flavor = self.flavor(base.VGPU)
        for cloud, reason, remedy in (
            ('stranger', r'requires auth.* of http://.*/v3/auth/', 'OS_CLOUD'),
            ('member', r'Policy .* of /servers', 'OS_CLOUD'),
            ('elsewhere', 'endpoint for compute .* not found', 'region_name'),
            ('nowhere', 'http://127.0.0.1:1/resource_prov', 'endpoints'),
        ):
            status, _, err = self.run_command(flavor, '--os-cloud', cloud)
            self.assertEqual(1, status)
            self.assertRegex(err, f'found .*{reason}.*; .*{remedy}')


class ManyCardsTest(ExplainCase):
    """Hosts with several cards, and of two models."""

    def setUp(self):
        super().setUp()
        self.start_gpu_host('host1', 't4')
        self.cards = [
            ('host1', f'0000:{bus}:00.0') for bus in ('3b', '5e', 'af', 'd8')
        ]

    def card_of(self, server):
        (name,) = self.gpu_allocations(server)
        return 'host1', name.rpartition('_')[2]

    def test_card_that_a_vgpu_keeps_from_being_whole(self):
        card = self.card_of(self.boot(base.VGPU, name='small'))
        rows = self.explain(base.PGPU)
        self.assert_fits(rows, *(c for c in self.cards if c != card))
        self.assertIn('held: small (VGPU=1)', rows[card]['Why not'][0])
        self.assertIn('server small (VGPU=1)', rows[card]['Change'])

    def test_more_of_a_card_than_one_guest_may_have(self):
        two = {'resources:CUSTOM_VGPU_NVIDIA_T4_4Q': '2'}
        self.assert_fits(self.explain(two), *self.cards)
        rows = self.explain({f'resources:{_T4_2B}': '2'})
        self.assert_fits(rows)
        for card in self.cards:
            self.assertEqual(
                ['gives 1 of its parts to one guest, 2 are wanted'],
                rows[card]['Why not'],
            )
        self.assertEqual(
            f'ask for 1 of {_T4_2B} in one group', self.the_change(rows)
        )

    def test_more_groups_than_cards(self):
        groups = {f'resources{i}:PGPU': '1' for i in range(1, 6)}
        isolate = {'group_policy': 'isolate'}
        rows = self.explain(groups | isolate)
        self.assertEqual(
            ['its cards fit 4 of 5 groups at once'],
            rows['host1', None]['Why not'],
        )
        groups.popitem()
        self.assert_fits(self.explain(groups | isolate), *self.cards)

    def test_server_whose_card_is_the_last_that_is_missing(self):
        server = self.boot(base.VGPU, name='small')
        groups = {f'resources{i}:PGPU': '1' for i in range(1, 5)}
        groups['group_policy'] = 'isolate'
        rows = self.explain(groups)
        self.assertIn('server small', self.the_change(rows))
        self._delete_server(server)
        self.assert_fits(self.explain(groups), *self.cards)

    def test_card_and_a_part_of_it_which_placement_would_give(self):
        rows = self.explain({'resources1:PGPU': '1', 'resources1:VGPU': '1'})
        self.assert_fits(rows)
        for card in self.cards:
            self.assertEqual(
                ['can not be PGPU and VGPU'], rows[card]['Why not']
            )

    def test_profile_that_has_its_own_class(self):
        trait = {'trait:CUSTOM_GPU_PROFILE_NVIDIA_T4_4Q': 'required'}
        rows = self.explain(base.VGPU | trait)
        self.assert_fits(rows)
        change = rows[self.cards[0]]['Change']
        self.assertIn(f'ask for {T4_4Q} in place of VGPU', change)
        self.assert_fits(
            self.explain({f'resources:{T4_4Q}': '1'}), *self.cards
        )

    def test_host_of_another_model(self):
        self.start_gpu_host('host2', 'gvtg')
        spec = base.VGPU | {'trait:CUSTOM_GPU_MODEL_TESLA_T4': 'required'}
        other = 'host2', '0000:00:02.0'
        rows = self.explain(spec)
        self.assert_fits(rows, *self.cards)
        self.assertEqual(
            ['no CUSTOM_GPU_MODEL_TESLA_T4'], rows[other]['Why not']
        )
        self.assertEqual({other}, {*self.explain(spec, '--host', 'host2')})

    def test_table(self):
        self.boot(base.VGPU, name='small')
        flavor = self.flavor(base.PGPU)
        status, out, _ = self.run_command(flavor, '--max-width', '79')
        self.assertEqual(0, status)
        *table, last = out.splitlines()
        self.assertTrue(table[0].startswith('+--'))
        self.assertTrue(last.endswith(' fits: 3 cards of 1 host.'), last)
        *_, last = self.run_command(flavor, '-f', 'csv')[2].splitlines()
        self.assertTrue(last.endswith(' fits: 3 cards of 1 host.'), last)


class SetsTest(ExplainCase):
    def test_set_that_one_card_is_missing_of(self):
        self.start_gpu_host('host1', 'a16')
        server = self.boot(base.PGPU, name='single')
        eight = {'resources:CUSTOM_GPU_SET_8': '1'}
        rows = self.explain(eight)
        fabric = 'host1', 'fabric0'
        self.assertEqual({fabric}, rows.keys())
        self.assertIn('held: single (PGPU=1)', rows[fabric]['Why not'][0])
        self.assertIn('server single', self.the_change(rows))
        self._delete_server(server)
        self.assert_fits(self.explain(eight), fabric)


class NoGpusTest(ExplainCase):
    def test_cloud_without_gpus(self):
        status, out, _ = self.run_command(self.flavor(base.VGPU))
        self.assertEqual(0, status)
        self.assertIn('Placement has no provider of a GPU', out)
