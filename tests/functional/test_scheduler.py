"""The filter and the weigher choose the candidate, not only the host."""

import dataclasses
import json

import fixtures
from nova import context as nova_context
from nova import objects

from nova_gpuvirt.model import summary
from nova_gpuvirt.model import summary_text
from nova_gpuvirt.scheduler import handed_out
from nova_gpuvirt.scheduler import state
from nova_gpuvirt.simulation.hosts import t4
from tests.functional import base

_T4 = 'CUSTOM_VGPU_NVIDIA_T4'


class SchedulerTestCase(base.GpuTestCase):
    policy = 'fit'

    def setUp(self):
        self.flags(policy=self.policy, group='gpuvirt')
        super().setUp()

    def told(self, host):
        """What a host tells the scheduler now, from the database."""
        node = objects.ComputeNode.get_first_node_by_host_for_old_compat(
            nova_context.get_admin_context(), host
        )
        return summary_text.load(node.stats[summary.KEY])

    def card_of(self, server):
        """The address of the card that a server's claim is on."""
        return str(self.claims(server)[0].slot.device)

    def place_of(self, server):
        """The host and the card that a server's claim is on."""
        return server['OS-EXT-SRV-ATTR:host'], self.card_of(server)

    def boot_together(self, spec, count):
        """Ask for so many servers at once, in one request."""
        request = self._build_server(
            flavor_id=self.flavor(spec), networks='none'
        )
        request |= {'min_count': count, 'max_count': count}
        request['return_reservation_id'] = True
        answer = self.api.api_post('/servers', {'server': request})
        reservation = answer.body['reservation_id']
        servers = self.api.get_servers(
            search_opts={'reservation_id': reservation}
        )
        return [
            self._wait_for_state_change(server, 'ACTIVE') for server in servers
        ]


class SchedulerTest(SchedulerTestCase):
    def test_a_claim_is_told_of_at_once(self):
        self.start_gpu_host('host1', 't4')
        before = self.told('host1')
        self.assertTrue(all(card.whole for card in before.cards))

        server = self.boot(base.VGPU)
        told = self.told('host1')
        cards = {card.device: card for card in told.cards}
        self.assertFalse(cards[self.card_of(server)].whole)
        self.assertEqual((summary.mark(server['id']),), told.arrived)

        self._delete_server(server)
        self.assertEqual(before, self.told('host1'))
        self.run_periodic()
        self.assertEqual(before.cards, self.told('host1').cards)

    def test_a_resize_within_the_host_is_an_arrival(self):
        self.flags(allow_resize_to_same_host=True)
        self.start_gpu_host('host1', 't4')
        server = self.boot(base.VGPU)
        # Those that a nova-compute finds at its start are old.
        self.restart_compute_service('host1')
        self.run_periodic()
        self.assertEqual((), self.told('host1').arrived)
        self._resize_server(server, self.flavor(base.PGPU))
        self.assertEqual(
            (summary.mark(server['id']),), self.told('host1').arrived
        )

    def test_a_server_that_moves_arrives_where_it_goes_alone(self):
        self.start_gpu_host('host1', 't4')
        server = self.boot(base.VGPU)
        self.start_gpu_host('host2', 't4')
        self.restart_compute_service('host1')
        self._migrate_server(server)
        self.run_periodic()
        self.assertEqual((), self.told('host1').arrived)
        self.assertEqual(
            (summary.mark(server['id']),), self.told('host2').arrived
        )

    def test_what_runs_is_told_of(self):
        self.start_gpu_host('host1', 't4')
        self.boot(base.VGPU)
        self.run_periodic()
        self.boot(base.PGPU)
        (((request, count)),) = self.told('host1').running
        self.assertEqual(1, count)
        self.assertEqual((1, 256, (('VGPU', 1),)), (*_shape(request),))

    def test_servers_of_one_request_share_the_cards_of_a_host(self):
        self.start_gpu_host('host1', 't4')
        servers = self.boot_together({f'resources:{_T4}_4Q': '1'}, 16)
        self.assertEqual(16, len({self.slot(s) for s in servers}))
        self.assert_agreed()

    def test_whole_cards_of_one_request(self):
        self.start_gpu_host('host1', 't4')
        servers = self.boot_together(base.PGPU, 4)
        self.assertEqual(4, len({self.card_of(s) for s in servers}))

    def test_whole_cards_that_others_had_a_moment_ago(self):
        self.start_gpu_host('host1', 't4')
        for server in self.boot_many(base.PGPU, 4):
            self._delete_server(server)
        servers = self.boot_together(base.PGPU, 4)
        self.assertEqual(4, len({self.card_of(s) for s in servers}))

    def test_a_small_vgpu_goes_beside_another(self):
        self.start_gpu_host('host1', 't4')
        self.start_gpu_host('host2', 't4')
        servers = self.boot_many({f'resources:{_T4}_4Q': '1'}, 4)
        self.assertEqual(1, len({self.card_of(s) for s in servers}))
        self.assertEqual(1, len({s['OS-EXT-SRV-ATTR:host'] for s in servers}))

    def test_servers_without_gpus_leave_gpu_hosts_alone(self):
        self.start_gpu_host('host1', 't4')
        self.start_gpu_host('host2', 'none')
        for _ in range(3):
            server = self.boot({})
            self.assertEqual('host2', server['OS-EXT-SRV-ATTR:host'])

    def test_cards_of_one_guest_are_behind_one_switch(self):
        self.start_gpu_host('host1', 'a16')
        switches = {c.device: c.switch for c in self.told('host1').cards}
        self.assertEqual(2, len({*switches.values()} - {None}))
        pair = {
            'resources1:PGPU': '1',
            'resources2:PGPU': '1',
            'group_policy': 'isolate',
        }
        for _ in range(4):
            server = self.boot(pair)
            cards = [str(c.slot.device) for c in self.claims(server)]
            self.assertEqual(2, len(cards))
            self.assertEqual(1, len({switches[card] for card in cards}))

    def test_vgpus_of_one_guest_are_on_as_many_cards(self):
        # Where NVIDIA's command says nothing, a card gives one to a guest.
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_gpuvirt.simulation.hosts.HOSTS',
                {
                    'untold': lambda: dataclasses.replace(
                        t4.host(), commands={}
                    )
                },
            )
        )
        self.start_gpu_host('host1', 'untold')
        self.assertEqual(2, self.cards_of_two_vgpus())

    def test_vgpus_of_one_guest_may_be_on_one_card(self):
        self.start_gpu_host('host1', 't4')
        self.assertEqual(1, self.cards_of_two_vgpus())

    def cards_of_two_vgpus(self):
        server = self.boot(
            {
                f'resources1:{_T4}_4Q': '1',
                f'resources2:{_T4}_4Q': '1',
                'group_policy': 'none',
            }
        )
        return len({claim.slot.device for claim in self.claims(server)})

    def test_two_offers_of_one_card_are_not_one_request(self):
        self.start_gpu_host('host1', 'gvtd')
        self.boot_refused({'resources1:PGPU': '1', **_GROUP_OF_SESSION})
        self.assertIn('can not be PGPU', self.log())

    def test_what_was_handed_out_outlives_the_claim_of_another_worker(self):
        self.start_gpu_host('host1', 't4')
        for address in ('5e', 'af', 'd8'):
            self.simulated['host1'].unplug(f'0000:{address}:00.0')
        self.run_periodic()
        four = {f'resources:{_T4}_4Q': '1'}
        pending = []

        def another_worker_boots():
            mine = state.HANDED_OUT
            # What another process remembers is not known here.
            with fixtures.MonkeyPatch(
                'nova_gpuvirt.scheduler.state.HANDED_OUT',
                handed_out.HandedOut(),
            ):
                self.boot(four)
            pending.extend(mine.pending(self.told('host1')))

        with self.once_before(base.CLAIM_ON_HOST, another_worker_boots):
            self.boot(four)
        self.assertEqual([1], [part.units for part in pending])
        self.assertEqual((), state.HANDED_OUT.pending(self.told('host1')))

    def test_a_summary_of_another_version_is_passed_over(self):
        self.start_gpu_host('host1', 't4')
        node = objects.ComputeNode.get_first_node_by_host_for_old_compat(
            nova_context.get_admin_context(), 'host1'
        )
        stats = dict(node.stats)
        told = json.loads(stats[summary.KEY])
        stats[summary.KEY] = json.dumps([summary_text.VERSION + 1, *told[1:]])
        node.stats = stats
        node.save()
        self.boot(base.VGPU)
        self.assertIn('wanted a summary of version', self.log())


class PackTest(SchedulerTestCase):
    policy = 'pack'

    def test_the_fullest_card_of_the_fullest_host_is_taken(self):
        self.start_gpu_host('host1', 't4')
        self.start_gpu_host('host2', 't4')
        four = {f'resources:{_T4}_4Q': '1'}
        first = self.boot(four, az='nova:host2')
        # Another size needs another card, of the same host.
        second = self.boot({f'resources:{_T4}_8Q': '1'})
        self.assertEqual('host2', second['OS-EXT-SRV-ATTR:host'])
        self.assertNotEqual(self.card_of(first), self.card_of(second))
        third = self.boot(four)
        self.assertEqual('host2', third['OS-EXT-SRV-ATTR:host'])
        self.assertEqual(self.card_of(first), self.card_of(third))


class SpreadTest(SchedulerTestCase):
    policy = 'spread'

    def test_the_emptiest_card_of_the_emptiest_host_is_taken(self):
        self.start_gpu_host('host1', 't4')
        self.start_gpu_host('host2', 't4')
        four = {f'resources:{_T4}_4Q': '1'}
        servers = [self.boot(four) for _ in range(4)]
        self.assertEqual(4, len({self.place_of(s) for s in servers}))
        hosts = [s['OS-EXT-SRV-ATTR:host'] for s in servers]
        self.assertEqual(['host1', 'host1', 'host2', 'host2'], sorted(hosts))


_GROUP_OF_SESSION = {
    'resources2:CUSTOM_GPU_API_SESSION': '1',
    'group_policy': 'none',
}


def _shape(request):
    return request.vcpus, request.memory_mb, request.units
