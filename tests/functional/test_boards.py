"""Which cards go together is the board's to say, and is kept."""

import fixtures

from nova_gpuvirt.simulation.commands import fabric_manager
from tests.functional import base
from tests.functional import test_sets

_PAIR = test_sets.SET_2


class LayoutTestCase(test_sets.SetTestCase):
    def cards(self, server, host='host1'):
        """The buses of a server's cards."""
        return {
            int(element.find('source/address').get('bus'), 16)
            for element in self.hostdevs(host, server)
        }


class HgxTest(LayoutTestCase):
    def modules(self, server):
        """The places of a server's cards on the board."""
        places = {
            int(f.address[5:7], 16): f.pf_driver.module
            for f in self.simulated['host1'].description.functions
            if f.pf_driver is not None
        }
        return frozenset(places[bus] for bus in self.cards(server))

    def test_pairs_of_eight_h200_by_one_flavor(self):
        """What an operator of such hosts asked for in public."""
        self.start_gpu_host('host1', 'hgx-h200')
        flavor = self.flavor(_PAIR)
        servers = [
            self._create_server(flavor_id=flavor, networks='none')
            for _ in range(4)
        ]
        pairs = [self.modules(server) for server in servers]
        self.assertEqual(
            {frozenset(p) for p in ((1, 3), (2, 4), (5, 7), (6, 8))}, {*pairs}
        )
        self.assert_agreed()
        self.assertIn('No valid host', self.boot_refused(_PAIR))
        self.assertIn('No valid host', self.boot_refused(base.PGPU))
        self._delete_server(servers[2])
        again = self._create_server(flavor_id=flavor, networks='none')
        self.assertEqual(pairs[2], self.modules(again))
        self.assert_agreed()

    def test_b200_has_sets_although_no_nvswitch_is_seen(self):
        host = self.start_gpu_host('host1', 'hgx-b200')
        before = host.snapshot()
        self.assertEqual((8, 4, 2, 1), self.free())
        server = self.boot(_PAIR)
        self.assertIn(
            self.modules(server),
            {frozenset(p) for p in ((1, 3), (2, 4), (5, 7), (6, 8))},
        )
        self.assert_agreed()
        self._delete_server(server)
        self.assertEqual(before, host.snapshot())

    def test_b200_without_fabric_manager_says_what_to_set(self):
        host = self.start_gpu_host('host1', 'hgx-b200')
        host.end(fabric_manager.DAEMON)
        self.run_periodic()
        self.assertEqual((8, 0, 0, 0), self.free())
        self.assertIn('name in [gpuvirt]fabric_manager', self.log())
        self.assertIn('No valid host', self.boot_refused(_PAIR))

    def test_b200_keeps_a_set_that_was_given_before_its_fabric_was_known(self):
        host = self.start_gpu_host('host1', 'hgx-b200')
        host.end(fabric_manager.DAEMON)
        with fixtures.MonkeyPatch(
            'nova_gpuvirt.cards.discovery._ON_NVSWITCHES', frozenset()
        ):
            self.restart_compute_service('host1')
            server = self.boot(test_sets.SET_8)
        self.restart_compute_service('host1')
        self.run_periodic()
        self._reboot_server(server, hard=True)
        self._stop_server(server)
        self._start_server(server)
        self.assertEqual(8, len(self.cards(server)))
        self.assertIn('goes to instance', self.log())
        self._delete_server(server)
        self.assertEqual((8, 0, 0, 0), self.free())
        self.assert_agreed()


class BridgedTest(LayoutTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', 'h100-nvl')

    def test_pair_goes_to_one_guest_and_a_card_alone_to_none(self):
        before = self.host.snapshot()
        self.assertEqual((0, 2, 1, 0), self.free())
        self.assertIn('No valid host', self.boot_refused(base.PGPU))
        self.assertIn('not alone: NVLinks join it with', self.log())
        servers = self.boot_many(_PAIR, 2)
        self.assertEqual(
            [{0x17, 0x3D}, {0x2A, 0x63}],
            sorted(map(self.cards, servers), key=min),
        )
        self.assert_agreed()
        for server in servers:
            self._reboot_server(server, hard=True)
            self._delete_server(server)
        four = self.boot(test_sets.SET_4)
        self.assertEqual(4, len(self.cards(four)))
        self.assert_agreed()
        self._delete_server(four)
        self.assertEqual(before, self.host.snapshot())
        traits = self.gpu_providers('host1')['fabric0']['traits']
        self.assertIn('CUSTOM_GPU_FABRIC_NVLINK', traits)

    def test_restart_beside_a_guest_does_not_part_its_pair(self):
        server = self.boot(_PAIR)
        cards = self.cards(server)
        self.restart_compute_service('host1')
        self.run_periodic()
        self.assertEqual((0, 1, 0, 0), self.free())
        self._delete_server(server)
        self.assertEqual(0, self.free()[0])
        self.run_periodic()
        self.assertEqual((0, 2, 1, 0), self.free())
        again = self.boot(_PAIR)
        other = self.boot(_PAIR)
        self.assertIn(cards, (self.cards(again), self.cards(other)))
        self.assert_agreed()

    def test_restart_while_guests_have_all_does_not_part_a_pair(self):
        first = self.boot_many(_PAIR, 2)[0]
        self.restart_compute_service('host1')
        self.run_periodic()
        self._delete_server(first)
        self.assertEqual((0, 0, 0, 0), self.free())
        self.assertIn('No valid host', self.boot_refused(base.PGPU))
        self.run_periodic()
        self.assertEqual((0, 1, 0, 0), self.free())
        self.assert_agreed()
