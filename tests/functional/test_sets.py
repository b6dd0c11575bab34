"""Cards that belong together are given as one, and all of it comes back."""

import errno

import ddt
import fixtures
from nova import context
from nova import exception as nova_exception
from nova.scheduler.client import report

from nova_gpuvirt.simulation.commands import fabric_manager
from tests.functional import base

SET_2 = {'resources:CUSTOM_GPU_SET_2': '1'}
SET_4 = {'resources:CUSTOM_GPU_SET_4': '1'}
SET_8 = {'resources:CUSTOM_GPU_SET_8': '1'}
_FABRIC = 'fabric0'


class SetTestCase(base.GpuTestCase):
    def free(self, host='host1'):
        """What is left of each class, over all providers."""
        result = {}
        for provider in self.gpu_providers(host).values():
            for rc, inventory in provider['inventories'].items():
                left = inventory['total'] - inventory['reserved']
                left -= provider['usages'].get(rc, 0)
                result[rc] = result.get(rc, 0) + left
        names = ('PGPU', *(f'CUSTOM_GPU_SET_{n}' for n in (2, 4, 8)))
        return tuple(result.get(name, 0) for name in names)

    def active(self, host='host1'):
        """The partitions that are active."""
        services = self.simulated[host].description.services
        return services[fabric_manager.DAEMON].active

    def restart_fabric_manager(self, host='host1'):
        """Start a host's Fabric Manager again, with nothing active."""
        services = self.simulated[host].description.services
        services[fabric_manager.DAEMON].start(lambda _: True)


@ddt.ddt
class CapacityTest(SetTestCase):
    @ddt.data('hgx-h100', 'mi300x-hive', 'a16')
    def test_sets_and_cards_mixed_until_nothing_is_left(self, kind):
        host = self.start_gpu_host('host1', kind)
        before = host.snapshot()
        self.assertEqual((8, 4, 2, 1), self.free())
        four = self.boot(SET_4)
        self.assertEqual((4, 2, 1, 0), self.free())
        self.assert_agreed()
        two = self.boot(SET_2)
        self.assertEqual((2, 1, 0, 0), self.free())
        one = self.boot(base.PGPU)
        self.assertEqual((1, 0, 0, 0), self.free())
        for spec in (SET_2, SET_4, SET_8):
            self.assertIn('No valid host', self.boot_refused(spec))
        other = self.boot(base.PGPU)
        self.assertEqual((0, 0, 0, 0), self.free())
        self.assert_agreed()
        cards = [
            element.find('source/address').get('bus')
            for server in (four, two, one, other)
            for element in self.hostdevs('host1', server)
        ]
        self.assertEqual(8, len(set(cards)))
        for server in (one, two, other, four):
            self._delete_server(server)
            self.assert_agreed()
        self.assertEqual((8, 4, 2, 1), self.free())
        self.assertEqual(before, host.snapshot())

    @ddt.data('hgx-h100', 'a16')
    def test_all_cards_for_one_guest(self, kind):
        host = self.start_gpu_host('host1', kind)
        before = host.snapshot()
        server = self.boot(SET_8)
        self.assertEqual((0, 0, 0, 0), self.free())
        self.assertEqual(8, len(self.hostdevs('host1', server)))
        self.assert_agreed()
        for spec in (base.PGPU, SET_2, SET_8):
            self.assertIn('No valid host', self.boot_refused(spec))
        self._reboot_server(server, hard=True)
        self.assert_agreed()
        self._delete_server(server)
        self.assert_agreed()
        self.assertEqual(before, host.snapshot())

    def test_two_sets_for_one_guest(self):
        self.start_gpu_host('host1', 'hgx-h100')
        server = self.boot({'resources:CUSTOM_GPU_SET_2': '2'})
        self.assertEqual(2, len(self.claims(server)))
        self.assertEqual(4, len(self.hostdevs('host1', server)))
        self.assert_agreed()
        self._delete_server(server)
        self.assert_agreed()

    def test_parts_of_a_card_take_its_sets(self):
        self.start_gpu_host('host1', 't4')
        server = self.boot(base.VGPU)
        self.assertEqual((3, 1, 0, 0), self.free())
        self.assert_agreed()
        self._delete_server(server)
        pair = self.boot(SET_2)
        self.assertEqual(4, sum(self.totals('host1', 'VGPU').values()))
        self.assert_agreed()
        self._delete_server(pair)
        self.assertEqual((4, 2, 1, 0), self.free())


class ProviderTest(SetTestCase):
    def test_traits_say_what_joins_the_cards(self):
        for host, kind, fabric in (
            ('host1', 'hgx-h100', 'NVSWITCH'),
            ('host2', 'mi300x-hive', 'XGMI'),
            ('host3', 'a16', 'PCIE'),
        ):
            self.start_gpu_host(host, kind)
            provider = self.gpu_providers(host)[_FABRIC]
            self.assertEqual(f'{host}_gpuvirt_fabric0', provider['name'])
            self.assertLessEqual(
                {
                    'OWNER_NOVA',
                    'CUSTOM_GPU_KIND_SET',
                    f'CUSTOM_GPU_FABRIC_{fabric}',
                },
                set(provider['traits']),
            )
        spec = SET_2 | {'trait:CUSTOM_GPU_FABRIC_XGMI': 'required'}
        server = self.boot(spec)
        self.assertEqual('host2', server['OS-EXT-SRV-ATTR:host'])
        spec = SET_2 | {'trait:CUSTOM_GPU_MODEL_A2_A16': 'required'}
        self.assertEqual('host3', self.boot(spec)['OS-EXT-SRV-ATTR:host'])
        self.assert_agreed()

    def test_update_that_fails_before_its_traits_makes_one_fabric(self):
        write = report.SchedulerReportClient.set_traits_for_provider
        failures = []

        def fail(client, context, uuid, traits, **kwargs):
            if 'CUSTOM_GPU_KIND_SET' in traits and len(failures) < 3:
                failures.append(uuid)
                raise nova_exception.ResourceProviderUpdateFailed(
                    url=uuid, error='out of order'
                )
            return write(client, context, uuid, traits, **kwargs)

        with fixtures.MonkeyPatch(
            'nova.scheduler.client.report.SchedulerReportClient.'
            'set_traits_for_provider',
            fail,
        ):
            self.start_gpu_host('host1', 'a16')
            for _ in range(3):
                self.run_periodic()
        self.assertEqual(3, len(failures))
        self.assertEqual(1, len(set(failures)))
        fabrics = [n for n in self.gpu_providers('host1') if 'fabric' in n]
        self.assertEqual([_FABRIC], fabrics)
        self.boot(SET_2)
        self.assert_agreed()

    def test_excluded_card_is_in_no_set(self):
        self.flags(exclude=['0000:34:00.0'], group='gpuvirt')
        self.start_gpu_host('host1', 'a16')
        self.assertEqual((7, 3, 1, 0), self.free())
        for claim in self.published('CUSTOM_GPU_SET_2'):
            self.assertNotIn('0000:34:00.0', claim)

    def test_kind_that_is_not_wanted(self):
        self.flags(kinds=['passthrough'], group='gpuvirt')
        self.start_gpu_host('host1', 'a16')
        self.assertNotIn(_FABRIC, self.gpu_providers('host1'))
        self.flags(kinds=['set'], group='gpuvirt')
        self.start_gpu_host('host2', 'a16')
        self.assertEqual([_FABRIC], list(self.gpu_providers('host2')))
        self.boot(SET_4)
        self.assert_agreed()

    def test_missing_card_takes_its_sets_and_keeps_the_provider(self):
        host = self.start_gpu_host('host1', 'hgx-h100')
        pair = self.boot(SET_2)
        # In the other half of the board, so that no four are left.
        first_half = any(
            bus in self.slot(pair) for bus in (':0f:', ':11:', ':41:', ':44:')
        )
        gone = '0000:86:00.0' if first_half else '0000:0f:00.0'
        host.unplug(gone)
        self.run_periodic()
        self.assertEqual((5, 2, 0, 0), self.free())
        for address in ('0f', '11', '41', '44', '86', '88', 'b8', 'bb'):
            card = f'0000:{address}:00.0'
            if card not in self.slot(pair) and card != gone:
                host.unplug(card)
        self.run_periodic()
        provider = self.gpu_providers('host1')[_FABRIC]
        self.assertEqual(
            {'CUSTOM_GPU_SET_2': 1},
            {rc: n for rc, n in provider['usages'].items() if n},
        )
        self._delete_server(pair)
        host.plug(gone)
        self.run_periodic()
        self.assertIn(_FABRIC, self.gpu_providers('host1'))

    def published(self, rc):
        """The identifiers of a class that Nova's tracker can give."""
        uuid = self.gpu_providers('host1')[_FABRIC]['uuid']
        tracker = self.computes['host1'].manager.rt
        resources = tracker.provider_tree.data(uuid).resources
        return [r.identifier for r in resources[rc]]


class RaceTest(SetTestCase):
    def test_set_and_card_of_it(self):
        self.start_gpu_host('host1', 'hgx-h100')
        for first, second in ((SET_8, base.PGPU), (base.PGPU, SET_8)):
            for moment in (base.CLAIM_IN_PLACEMENT, base.CLAIM_ON_HOST):
                winners = []
                with self.once_before(
                    moment,
                    lambda spec=second, won=winners: won.append(
                        self.boot(spec)
                    ),
                ):
                    self.boot_refused(first)
                self.assert_agreed()
                self._delete_server(winners[0])
                self.assertEqual((8, 4, 2, 1), self.free())

    def test_set_and_card_in_one_request(self):
        self.start_gpu_host('host1', 'hgx-h100')
        for other in ('PGPU', 'CUSTOM_GPU_SET_4'):
            spec = SET_8 | {f'resources1:{other}': '1'}
            # The filter refuses it, and a named host passes the filter.
            self.assertIn('No valid host', self.boot_refused(spec))
            before = len(self.log())
            self.boot_refused(spec, az='nova:host1')
            self.assertIn(
                'the whole card is claimed beside', self.log()[before:]
            )
            self.assert_agreed()
            self.assertEqual((8, 4, 2, 1), self.free())

    def test_claim_that_only_the_database_knows(self):
        # Else the cards are dirty, and not even offered.
        self.flags(clean={'passthrough': 'none'}, group='gpuvirt')
        self.start_gpu_host('host1', 'a16')
        first = self.boot(SET_8)
        self.computes['host1'].manager.rt.assigned_resources.clear()
        self._delete_server_allocations(first['id'])
        # A host that is named passes the filter, which knows better here.
        self.boot_refused(SET_8, az='nova:host1')
        self.assertIn(
            f'is claimed 2 times, also by instance {first["id"]}', self.log()
        )
        # The update that followed offers what the database knows of.
        self.boot_refused(base.PGPU, az='nova:host1')
        self.assertIn(
            f'{self.slot(first)}, also by instance {first["id"]}', self.log()
        )


class PartitionTest(SetTestCase):
    def test_card_alone_has_its_partition(self):
        self.start_gpu_host('host1', 'hgx-h100')
        server = self.boot(base.PGPU)
        (number,) = self.active()
        self.assertEqual(1, len(fabric_manager.DEFAULT[number]))
        self._reboot_server(server, hard=True)
        self.assert_agreed()
        self._delete_server(server)
        self.assertEqual(set(), self.active())

    def test_refusal_of_fabric_manager_fails_the_boot_alone(self):
        host = self.start_gpu_host('host1', 'hgx-h100')
        before = host.snapshot()
        services = host.description.services
        services[fabric_manager.DAEMON].active.add(0)
        self.boot_refused(SET_2)
        self.assertIn('found partition 0 active, which shares', self.log())
        services[fabric_manager.DAEMON].active.clear()
        self.run_periodic()
        self.assertEqual(before, host.snapshot())
        self.boot(SET_2)
        self.assert_agreed()

    def test_what_a_crash_left_active_is_parted(self):
        self.start_gpu_host('host1', 'hgx-h100')
        server = self.boot(SET_4)
        with fixtures.MonkeyPatch(
            'nova_gpuvirt.backends.partitions.Partitions.release',
            lambda *_: None,
        ):
            self._delete_server(server)
        self.assertEqual(1, len(self.active()))
        # Until then the four are to be had as they are joined, or one by one.
        self.assertEqual((8, 2, 2, 0), self.free())
        self.run_periodic()
        self.assertEqual(set(), self.active())
        self.assertEqual((8, 4, 2, 1), self.free())
        self.assert_agreed()

    def test_partition_that_something_holds_is_left_alone(self):
        host = self.start_gpu_host('host1', 'hgx-h100')
        services = host.description.services
        services[fabric_manager.DAEMON].active.add(3)
        card = '0000:86:00.0'
        place = f'/sys/bus/pci/devices/{card}'
        host.write(f'{place}/driver_override', 'vfio-pci\n')
        host.write(f'{place}/driver/unbind', f'{card}\n')
        host.write('/sys/bus/pci/drivers_probe', f'{card}\n')
        host.hold(card)
        self.run_periodic()
        self.assertEqual({3}, self.active())
        self.assertEqual(0, self.free()[3])
        host.release_hold(card)
        self.run_periodic()
        self.assertEqual(set(), self.active())

    def test_partition_with_an_excluded_card_is_the_operators(self):
        self.flags(exclude=['0000:0f:00.0'], group='gpuvirt')
        host = self.start_gpu_host('host1', 'hgx-h100')
        services = host.description.services
        services[fabric_manager.DAEMON].active.add(2)
        self.run_periodic()
        self.assertEqual({2}, self.active())
        self.assertEqual((7, 2, 1, 0), self.free())

    def test_guest_survives_a_restart_and_gives_back_after_it(self):
        host = self.start_gpu_host('host1', 'hgx-h100')
        before = host.snapshot()
        server = self.boot(SET_4)
        self.restart_compute_service('host1')
        self.assert_agreed()
        self.assertEqual((4, 2, 1, 0), self.free())
        self._reboot_server(server, hard=True)
        self.assert_agreed()
        self._delete_server(server)
        self.run_periodic()
        self.assert_agreed()
        self.assertEqual((8, 4, 2, 1), self.free())
        self.assertEqual(before, host.snapshot())

    def test_without_fabric_manager_cards_are_given_alone(self):
        host = self.start_gpu_host('host1', 'hgx-h100')
        host.end(fabric_manager.DAEMON)
        self.run_periodic()
        self.assertEqual((8, 0, 0, 0), self.free())
        self.assertIn('not in sets: its NVSwitches need Fabric', self.log())
        traits = self.gpu_providers('host1')[_FABRIC]['traits']
        self.assertIn('CUSTOM_GPU_QUARANTINED', traits)
        server = self.boot(base.PGPU)
        self.assertIn('goes to instance', self.log())
        self.restart_fabric_manager()
        self._delete_server(server)
        self.run_periodic()
        self.assertEqual((8, 4, 2, 1), self.free())
        self.assert_agreed()

    def test_command_that_fails_once_is_tried_again(self):
        host = self.start_gpu_host('host1', 'hgx-h100')
        server = self.boot(SET_2)
        host.fail('fmpm', errno.EIO)
        self._delete_server(server)
        self.assertIn('Not released yet: set:', self.log())
        self.wait_until(lambda: self.free() == (8, 4, 2, 1))
        self.assertEqual(set(), self.active())
        self.assert_agreed()

    def test_nothing_is_asked_under_novas_lock(self):
        self.start_gpu_host('host1', 'hgx-h100')
        asked = []
        with fixtures.MonkeyPatch(
            'nova_gpuvirt.vendors.fabric_manager.FabricManager.partitions',
            lambda *_: asked.append(1),
        ):
            compute = self.computes['host1']
            compute.manager.rt._update(
                context.get_admin_context(),
                compute.manager.rt.compute_nodes['host1'],
            )
        self.assertEqual([], asked)
