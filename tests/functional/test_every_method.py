"""After every method of Nova's drivers that could part a guest from its GPU.

The methods are those of Nova's `ComputeDriver` itself: one that a release adds
fails the first test here until somebody has said what it does to a guest.
"""

import contextlib
import functools
import inspect
import unittest

import fixtures
from nova import version
from nova.tests import fixtures as nova_fixtures
from nova.tests.fixtures import cinder
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.fixtures import neutron
from nova.tests.functional.api import client
from nova.virt import driver as virt_driver

from nova_gpuvirt.compute import driver
from nova_gpuvirt.simulation.libvirt import errors
from tests.functional import base

# What touches a guest's life or devices, by the scenario that goes through it.
SCENARIOS = {
    'boot': {'prepare_for_spawn', 'spawn', 'update_provider_tree'},
    'failed_boot': {'spawn', 'cleanup'},
    'reboot_soft': {'reboot'},
    'reboot_hard': {'reboot'},
    'pause': {'pause', 'unpause'},
    'crash_dump': {'trigger_crash_dump'},
    'suspend': {'suspend', 'resume'},
    'snapshot': {'snapshot'},
    'stop': {'power_off', 'power_on'},
    'snapshot_stopped': {'power_off', 'snapshot', 'power_on'},
    'rescue': {'rescue', 'unrescue'},
    'rebuild': {'rebuild', 'destroy', 'spawn'},
    'volume': {'attach_volume', 'detach_volume'},
    'port': {'attach_interface', 'detach_interface'},
    'live_migration': {
        *('check_can_live_migrate_destination',),
        *('check_can_live_migrate_source',),
        'cleanup_live_migration_destination_check',
    },
    'revert': {
        *('migrate_disk_and_power_off', 'finish_migration'),
        *('finish_revert_migration', 'destroy'),
    },
    'confirm': {
        *('migrate_disk_and_power_off', 'finish_migration'),
        'confirm_migration',
    },
    'shelve': {'power_off', 'snapshot', 'destroy', 'spawn'},
    'soft_delete': {'soft_delete', 'restore'},
    'host_boot': {'init_host', 'resume_state_on_host_boot'},
    'periodic': {'get_available_resource', 'update_provider_tree'},
    'delete': {'destroy', 'cleanup'},
}

# What is behind the refusal of a live migration, and so never called.
REFUSED = {
    *('check_source_migrate_data_at_dest', 'live_migration'),
    *('live_migration_abort', 'live_migration_force_complete'),
    *('post_claim_migrate_data', 'post_live_migration'),
    *('post_live_migration_at_destination', 'post_live_migration_at_source'),
    *('pre_live_migration', 'rollback_live_migration_at_destination'),
    'rollback_live_migration_at_source',
}

# What leaves guests and their GPUs alone, and why.
OTHERS = {
    'reads': {
        *('block_stats', 'get_all_volume_usage', 'get_available_nodes'),
        *('get_console_output', 'get_diagnostics', 'get_host_cpu_stats'),
        *('get_host_ip_addr', 'get_host_uptime', 'get_info'),
        *('get_instance_diagnostics', 'get_instance_disk_info'),
        *('get_instance_driver_metadata', 'get_mks_console'),
        *('get_nodenames_by_uuid', 'get_num_instances', 'get_serial_console'),
        *('get_spice_console', 'get_vnc_console', 'get_volume_connector'),
        *('instance_exists', 'instance_on_disk'),
        *('is_node_deleted', 'is_share_mounted', 'is_supported_fs_format'),
        *('list_instance_uuids', 'list_instances', 'node_is_available'),
        *('capabilities_as_traits', 'default_device_names_for_instance'),
        *('default_root_device_name', 'get_device_name_for_instance'),
        *('check_instance_shared_storage_local', 'network_binding_host_id'),
        *('check_instance_shared_storage_remote',),
        'manages_network_binding_host_id',
    },
    'files and images': {
        *('cache_image', 'check_instance_shared_storage_cleanup'),
        *('delete_instance_files', 'manage_image_cache'),
        *('cleanup_lingering_instance_resources',),
    },
    'networks and shares of the host': {
        *('clean_networks_preparation', 'mount_share', 'umount_share'),
        *('plug_vifs', 'unplug_vifs', 'inject_network_info'),
        'prepare_networks_before_block_device_mapping',
    },
    'the disk or the agent of a running guest, no hostdev': {
        *('quiesce', 'unquiesce', 'set_admin_password', 'swap_volume'),
        *('extend_volume', 'volume_snapshot_create', 'volume_snapshot_delete'),
    },
    'the host or the service': {
        *('cleanup_host', 'emit_event', 'host_maintenance_mode'),
        *('host_power_action', 'process_instances_at_startup'),
        *('register_event_listener', 'set_host_enabled'),
    },
    'other drivers than that of libvirt': {
        *('failed_spawn_cleanup', 'poll_rebooting_instances'),
        'power_update_event',
    },
}


_SINCE_34 = {'is_share_mounted', 'process_instances_at_startup'}


def public_methods(cls):
    """Name the methods that a class defines for its callers."""
    return {
        name
        for name, value in vars(cls).items()
        if not name.startswith('_')
        and inspect.isroutine(getattr(cls, name))
        and not isinstance(value, type)
    }


class SortedTest(unittest.TestCase):
    """Every method is in exactly one of the three."""

    def test_every_method_is_sorted_once(self):
        sorts = [
            set().union(*SCENARIOS.values()),
            REFUSED,
            *OTHERS.values(),
        ]
        known = set().union(*sorts)
        self.assertEqual(sum(map(len, sorts)), len(known), 'sorted twice')
        new = public_methods(virt_driver.ComputeDriver) - known
        self.assertEqual(set(), new, 'say what these do to a guest')

    def test_nothing_is_sorted_that_is_not_there(self):
        known = set().union(REFUSED, *SCENARIOS.values(), *OTHERS.values())
        gone = known - public_methods(virt_driver.ComputeDriver)
        release = version.version_string().partition('.')[0]
        self.assertEqual(_SINCE_34 if release == '33' else set(), gone)


class EveryMethod:
    """One server goes through all of it, on two hosts of a kind."""

    KIND = ''
    SPEC = base.VGPU
    # Whether Nova can take its device out of a running guest.
    SAVED = False

    def test_everything(self):
        self.flags(disable_libvirt_livesnapshot=True, group='workarounds')
        self.flags(resume_guests_state_on_host_boot=True)
        for host in ('host1', 'host2'):
            self.start_gpu_host(host, self.KIND)
        found = []
        for name, methods in SCENARIOS.items():
            with self.spied() as called:
                getattr(self, name)()
            wanted = methods - (set() if self.SAVED else {'resume'})
            if missing := wanted - called:
                found.append(f'{name} did not call {sorted(missing)}')
            if refused := called & REFUSED:
                found.append(f'{name} called {sorted(refused)}')
            try:
                self.assert_agreed()
            except AssertionError as error:
                found.append(f'after {name}: {error}')
        self.assertEqual([], found)

    @contextlib.contextmanager
    def spied(self):
        """Record which methods of the driver are called."""
        called = set()
        ours = driver.GpuLibvirtDriver
        with contextlib.ExitStack() as stack:
            for name in public_methods(virt_driver.ComputeDriver):
                function = inspect.getattr_static(ours, name)
                if inspect.isfunction(function):
                    spy = _spy(function, called)
                    stack.enter_context(
                        fixtures.MockPatchObject(ours, name, spy)
                    )
            yield called

    @property
    def host(self):
        server = self.api.get_server(self.server['id'])
        return server['OS-EXT-SRV-ATTR:host']

    def act(self, state, name, /, **body):
        """Ask for an action, and wait for a state of the server."""
        self.api.post_server_action(self.server['id'], {name: body or None})
        return self.wait(state)

    def refused(self, name, /, **body):
        """Ask for an action that the driver refuses.

        The harness answers with the error; a real cloud notes it.
        """
        self.assertRaises(
            client.OpenStackApiException,
            self.api.post_server_action,
            *(self.server['id'], {name: body or None}),
        )
        return self.wait('ACTIVE')

    def wait(self, state):
        return self._wait_for_server_parameter(
            self.server, {'status': state, 'OS-EXT-STS:task_state': None}
        )

    # The scenarios, in this order

    def boot(self, *args, **kwargs):
        if args:
            return super().boot(*args, **kwargs)
        self.server = super().boot(self.SPEC)
        self.slots = [c.identifier for c in self.claims(self.server)]
        return self.server

    def failed_boot(self):
        error = errors.error(fakelibvirt.VIR_ERR_INTERNAL_ERROR, 'no memory')
        with fixtures.MockPatch(
            'nova_gpuvirt.simulation.libvirt.domain.Domain.createWithFlags',
            side_effect=error,
        ):
            failed = super().boot(self.SPEC, expected_state='ERROR')
        self._delete_server(failed)

    def reboot_soft(self):
        self._reboot_server(self.server)

    def reboot_hard(self):
        self._reboot_server(self.server, hard=True)

    def pause(self):
        self.act('PAUSED', 'pause')
        self.assert_agreed()
        self.act('ACTIVE', 'unpause')

    def crash_dump(self):
        self.act('ACTIVE', 'trigger_crash_dump')

    def suspend(self):
        if self.SAVED:
            self.act('SUSPENDED', 'suspend')
            self.assert_agreed()
            self.act('ACTIVE', 'resume')
        else:
            self.refused('suspend')

    def snapshot(self):
        self.act('ACTIVE', 'createImage', name='snap')

    def stop(self):
        self.act('SHUTOFF', 'os-stop')
        self.assert_agreed()
        self.act('ACTIVE', 'os-start')

    def snapshot_stopped(self):
        self.act('SHUTOFF', 'os-stop')
        self.act('SHUTOFF', 'createImage', name='snap')
        self.act('ACTIVE', 'os-start')

    def rescue(self):
        self.act('RESCUE', 'rescue')
        self.assert_agreed()
        self.act('ACTIVE', 'unrescue')

    def rebuild(self):
        self.act('ACTIVE', 'rebuild', imageRef=base.IMAGE)

    def volume(self):
        volume = cinder.CinderFixture.IMAGE_BACKED_VOL
        self._attach_volume(self.server, volume)
        self.assert_agreed()
        # Nova asks late where it is.
        with nova_fixtures.ConfPatcher(host=self.host):
            self.api.delete_server_volume(self.server['id'], volume)
            self._wait_for_volume_detach(self.server['id'], volume)

    def port(self):
        created = {'port': neutron.NeutronFixture.port_2}
        port = self.neutron.create_port(created)['port']['id']
        self._attach_interface(self.server, port)
        self.assert_agreed()
        self._detach_interface(self.server, port)

    def live_migration(self):
        self.refused('os-migrateLive', host=None, block_migration='auto')

    def revert(self):
        self._migrate_server(self.server)
        self.assert_agreed()
        self._revert_resize(self.server)

    def confirm(self):
        self._migrate_server(self.server)
        self._confirm_resize(self.server)
        self.run_periodic()

    def shelve(self):
        self.act('SHELVED_OFFLOADED', 'shelve')
        self.assert_agreed()
        self.act('ACTIVE', 'unshelve')

    def soft_delete(self):
        self.flags(reclaim_instance_interval=3600)
        self.api.delete_server(self.server['id'])
        self.wait('SOFT_DELETED')
        self.assert_agreed()
        self.act('ACTIVE', 'restore')
        self.flags(reclaim_instance_interval=0)

    def host_boot(self):
        host = self.host
        connection = self.computes[host].driver._host.get_connection()
        self.computes[host].stop()
        for domain in list(connection._vms.values()):
            domain.destroy()
        self.simulated[host].reboot()
        self.restart_compute_service(host)

    def periodic(self):
        self.run_periodic()

    def delete(self):
        self._delete_server(self.server)
        self.run_periodic()


def _spy(function, called):
    @functools.wraps(function)
    def spy(*args, **kwargs):
        called.add(function.__name__)
        return function(*args, **kwargs)

    return spy


class CardTest(EveryMethod, base.GpuTestCase):
    KIND = 'workstation'
    SPEC = base.PGPU


class MdevTest(EveryMethod, base.GpuTestCase):
    KIND = 'gvtg'
    SAVED = True


class VendorVfioTest(EveryMethod, base.GpuTestCase):
    KIND = 'l40s'


class VirtualFunctionTest(EveryMethod, base.GpuTestCase):
    KIND = 'b60'


class SessionTest(EveryMethod, base.GpuTestCase):
    KIND = 'vgem'
    SPEC = base.SESSION
