"""Every symbol of Nova that is used, so that a change fails one clear test.

Nova promises nothing to code outside its tree.
"""

import inspect
import pathlib
import re
import unittest

import nova.cmd.compute
import nova.conf
from nova import context
from nova import exception
from nova import objects
from nova import rpc
from nova import service
from nova import utils
from nova import version
from nova.api.validation.extra_specs import validators
from nova.compute import manager
from nova.compute import power_state
from nova.compute import provider_tree
from nova.compute import resource_tracker
from nova.compute import task_states
from nova.compute import vm_states
from nova.pci import stats as pci_stats
from nova.pci import whitelist
from nova.scheduler import filters
from nova.scheduler import host_manager
from nova.scheduler import manager as scheduler_manager
from nova.scheduler import utils as scheduler_utils
from nova.scheduler import weights
from nova.scheduler.client import report
from nova.virt import driver as virt_driver
from nova.virt import hardware
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import guest as libvirt_guest
from nova.virt.libvirt import host as libvirt_host

import nova_gpuvirt
from nova_gpuvirt.compute import driver

_LIBVIRT = libvirt_driver.LibvirtDriver


def _overrides():
    """The names that our driver and its parts define."""
    classes = driver.GpuLibvirtDriver.__mro__
    return {
        name
        for each in classes[: classes.index(_LIBVIRT)]
        for name in vars(each)
    }


def _is_python_s(name):
    return name.startswith('__') and name != '__init__'


def _parameters(function):
    return list(inspect.signature(function).parameters)


class ReleaseTest(unittest.TestCase):
    def test_release_is_one_that_the_driver_calls_tested(self):
        release = version.version_string().partition('.')[0]
        self.assertIn(release, driver.TESTED_RELEASES)


class DriverTest(unittest.TestCase):
    def assert_begins(self, function, *parameters):
        found = _parameters(function)
        self.assertEqual(list(parameters), found[: len(parameters)], function)

    def test_overridden_methods_begin_with_what_we_name(self):
        for name, parameters in {
            '__init__': ('self', 'virtapi', 'read_only'),
            'init_host': ('self', 'host'),
            'update_provider_tree': (
                *('self', 'provider_tree', 'nodename', 'allocations'),
            ),
            'get_available_resource': ('self', 'nodename'),
            'spawn': (
                *('self', 'context', 'instance', 'image_meta'),
                *('injected_files', 'admin_password', 'allocations'),
            ),
            'rebuild': (
                *('self', 'context', 'instance', 'image_meta'),
                *('injected_files', 'admin_password', 'allocations'),
            ),
            '_hard_reboot': ('self', 'context', 'instance'),
            'finish_migration': (
                *('self', 'context', 'migration', 'instance'),
            ),
            'confirm_migration': (
                *('self', 'context', 'migration', 'instance'),
            ),
            '_get_guest_config': ('self', 'instance'),
            'cleanup': ('self', 'context', 'instance'),
            'cleanup_host': ('self', 'host'),
            '_destroy': ('self', 'instance'),
            'suspend': ('self', 'context', 'instance'),
            'snapshot': ('self', 'context', 'instance', 'image_id'),
            '_suspend_guest_for_snapshot': (
                *('self', 'context', 'live_snapshot'),
                *('current_power_state', 'instance'),
            ),
            '_resume_guest_after_snapshot': (
                *('self', 'context', 'live_snapshot'),
                *('original_power_state', 'instance', 'guest'),
            ),
            'unrescue': ('self', 'context', 'instance'),
            'resume': ('self', 'context', 'instance', 'network_info'),
            'check_can_live_migrate_source': ('self', 'context', 'instance'),
        }.items():
            self.assertIn(name, _overrides())
            self.assert_begins(getattr(_LIBVIRT, name), *parameters)

    def test_no_other_method_is_overridden_by_accident(self):
        named = inspect.getsource(
            self.test_overridden_methods_begin_with_what_we_name
        )
        for name in _overrides():
            if hasattr(_LIBVIRT, name) and not _is_python_s(name):
                self.assertIn(f"'{name}'", named)

    def test_each_start_of_a_stopped_guest_is_a_hard_reboot(self):
        for method in (
            *(_LIBVIRT.power_on, _LIBVIRT.resume_state_on_host_boot),
            _LIBVIRT.reboot,
        ):
            self.assertIn('self._hard_reboot(', inspect.getsource(method))

    def test_hard_reboot_and_rescue_ask_for_the_guest_anew(self):
        for method in (
            *(_LIBVIRT._hard_reboot, _LIBVIRT.rescue, _LIBVIRT.spawn),
            *(_LIBVIRT.finish_migration, _LIBVIRT.finish_revert_migration),
        ):
            self.assertIn('self._get_guest_xml(', inspect.getsource(method))
        source = inspect.getsource(_LIBVIRT._get_guest_xml)
        self.assertIn('self._get_guest_config(', source)

    def test_driver_may_refuse_a_rebuild_before_the_guest_is_destroyed(self):
        with self.assertRaises(NotImplementedError):
            virt_driver.ComputeDriver(None).rebuild(*[None] * 9)
        source = inspect.getsource(manager.ComputeManager._do_rebuild_instance)
        self.assertLess(
            source.index('self.driver.rebuild('),
            source.index('self._rebuild_default_impl('),
        )
        self.assertIn('evacuate=evacuate', source)

    def test_our_attributes_are_not_nova_s(self):
        source = inspect.getsource(libvirt_driver)
        for name in (
            *('self._admission', 'self._gate', 'self._gpus', 'self._handover'),
            *('self._ledger', 'self._machine', 'self._nova_options'),
            *('self._reporter', 'self._pinning', 'self._tracker'),
            *('self._late_releases', 'self._late_unplugs', 'self._updating'),
            *('self._only_reports', 'self._auditing'),
        ):
            self.assertNotIn(name, source)

    def test_private_helper_reads_claims_of_a_migration(self):
        self.assert_begins(
            _LIBVIRT._get_resources, 'self', 'instance', 'prefix'
        )

    def test_each_end_of_a_guest_is_one_that_we_override(self):
        for method in (
            *(_LIBVIRT.destroy, _LIBVIRT.power_off, _LIBVIRT._hard_reboot),
        ):
            self.assertRegex(
                inspect.getsource(method), r'self\.(_destroy|destroy)\('
            )
        self.assertIn('guest.poweroff()', inspect.getsource(_LIBVIRT._destroy))
        self.assertIn(
            'self._domain.destroy()',
            inspect.getsource(libvirt_guest.Guest.poweroff),
        )

    def test_manager_ends_the_driver_before_it_ends(self):
        self.assertIn(
            'self.driver.cleanup_host(host=self.host)',
            inspect.getsource(manager.ComputeManager.cleanup_host),
        )

    def test_tracker_can_be_asked_for_an_update_at_any_time(self):
        self.assert_begins(
            resource_tracker.ResourceTracker.update_available_resource,
            *('self', 'context', 'nodename'),
        )

    def test_claims_are_freed_and_reported_under_one_lock(self):
        """So nobody claims what a server had before it is known dirty."""
        update = resource_tracker.ResourceTracker.update_usage
        source = inspect.getsource(update)
        self.assertIn(
            'synchronized(COMPUTE_RESOURCE_SEMAPHORE, fair=True)', source
        )
        self.assertLess(
            source.index('self._update_usage_from_instance('),
            source.index('self._update('),
        )
        for end in (
            manager.ComputeManager._complete_deletion,
            manager.ComputeManager._shelve_offload_instance,
        ):
            self.assertIn(
                'self._update_resource_tracker(context, instance)',
                inspect.getsource(end),
            )

    def test_guests_are_listed_by_the_uuids_of_their_servers(self):
        self.assertEqual(['self'], _parameters(_LIBVIRT.list_instance_uuids))

    def test_loader_looks_below_nova_virt(self):
        source = inspect.getsource(virt_driver.load_compute_driver)
        self.assertIn('nova.virt.%s', source)

    def test_host_opens_the_connection(self):
        self.assert_begins(libvirt_host.Host.get_connection, 'self')

    def test_command_is_a_function(self):
        self.assertEqual([], _parameters(nova.cmd.compute.main))


class SnapshotTest(unittest.TestCase):
    """What Nova does with mdevs for a cold snapshot."""

    def assert_calls(self, function, *lines, but=()):
        source = inspect.getsource(function)
        for line in lines:
            self.assertIn(line, source, function)
        for line in but:
            self.assertNotIn(line, source, function)

    def test_mdevs_are_detached_before_and_not_attached_after(self):
        """Where this fails, `_attach_again` may have become superfluous."""
        self.assert_calls(
            _LIBVIRT._suspend_guest_for_snapshot,
            'self.suspend(context, instance)',
        )
        self.assert_calls(
            _LIBVIRT.suspend,
            'self._detach_mediated_devices(guest)',
            'guest.save_memory_state()',
        )
        self.assert_calls(
            _LIBVIRT._resume_guest_after_snapshot,
            'guest.launch(',
            'self._attach_pci_devices(',
            but=('_attach_mediated_devices', 'self.resume('),
        )
        self.assert_calls(
            _LIBVIRT.resume, 'self._attach_mediated_devices(guest, mdevs)'
        )

    def test_only_expected_failures_of_a_direct_snapshot_are_resumed(self):
        """Where this fails, `_resume_saved` may have become superfluous."""
        source = inspect.getsource(_LIBVIRT.snapshot)
        _, _, handler = source.rpartition('except Exception:')
        self.assertNotIn('_resume_guest_after_snapshot', handler)

    def test_running_and_paused_guests_are_saved_for_a_cold_one(self):
        self.assertEqual(
            ['self', 'live_snapshot', 'current_power_state'],
            _parameters(_LIBVIRT._needs_suspend_resume_for_snapshot),
        )
        self.assertEqual(1, power_state.RUNNING)
        self.assertEqual(3, power_state.PAUSED)

    def test_guest_lists_and_attaches_devices(self):
        guest = libvirt_guest.Guest
        inspect.signature(guest.get_xml_desc).bind(guest)
        inspect.signature(guest.get_power_state).bind(guest, 'host')
        self.assertIn('live', _parameters(guest.attach_device))
        # Where this fails, its list may be good enough for us.
        self.assert_calls(guest.get_all_devices, 'except Exception:')
        self.assert_calls(guest.__init__, 'self._domain = domain')
        self.assert_calls(guest.save_memory_state, '.managedSave(0)')

    def test_action_has_events_of_any_name(self):
        event = objects.InstanceActionEvent
        for method, parameters in {
            event.event_start: ('event_name', 'want_result', 'host'),
            event.event_finish_with_failure: (
                *('event_name', 'exc_val', 'exc_tb', 'want_result'),
            ),
        }.items():
            function = method.original_fn
            found = _parameters(getattr(function, '__func__', function))
            self.assertLessEqual({*parameters}, {*found})


class TrackerTest(unittest.TestCase):
    """The ledger: how Nova claims the resources that a driver publishes."""

    def test_tracker_is_reached_from_the_virtapi(self):
        source = inspect.getsource(manager.ComputeVirtAPI.__init__)
        self.assertIn('self._compute = compute', source)
        source = inspect.getsource(manager.ComputeManager.__init__)
        self.assertIn('self.rt = ', source)

    def test_assigned_resources_are_sets_by_provider_and_class(self):
        source = inspect.getsource(resource_tracker.ResourceTracker)
        for line in (
            'self.assigned_resources[rp_uuid][rc].add(resource)',
            'self.assigned_resources[rp_uuid][rc].remove(resource)',
            'self.assigned_resources.clear()',
            'provider_data.resources[rc] - assigned',
        ):
            self.assertIn(line, source)

    def test_unversioned_notifications_have_a_notifier_of_messaging(self):
        source = inspect.getsource(rpc.get_notifier)
        self.assertIn(
            'LEGACY_NOTIFIER.prepare(publisher_id=publisher_id)', source
        )
        self.assertIn("'%s.%s' % (service, host or CONF.host)", source)

    def test_generation_of_a_provider_can_be_read_anew(self):
        source = inspect.getsource(resource_tracker.ResourceTracker.__init__)
        self.assertIn('self.reportclient = ', source)
        self.assertEqual(
            ['self', 'context', 'rp_uuid'],
            _parameters(
                report.SchedulerReportClient._refresh_and_get_inventory
            ),
        )

    def test_provider_tree(self):
        for name, parameters in {
            'get_provider_uuids': ['self', 'name_or_uuid'],
            'data': ['self', 'name_or_uuid'],
            'exists': ['self', 'name_or_uuid'],
            'has_inventory_changed': ['self', 'name_or_uuid', 'inventory'],
            'have_traits_changed': ['self', 'name_or_uuid', 'traits'],
            'update_inventory': ['self', 'name_or_uuid', 'inventory'],
            'add_traits': ['self', 'name_or_uuid', 'traits'],
            'remove_traits': ['self', 'name_or_uuid', 'traits'],
            'update_resources': ['self', 'name_or_uuid', 'resources'],
        }.items():
            method = getattr(provider_tree.ProviderTree, name)
            found = _parameters(method)
            self.assertEqual(parameters, found[: len(parameters)], name)
        tree = provider_tree.ProviderTree()
        for name in ('name', 'uuid', 'inventory', 'traits', 'resources'):
            self.assertIn(name, provider_tree.ProviderData._fields)
        self.assertTrue(callable(tree.new_child))

    def test_objects(self):
        objects.register_all()
        self.assertLessEqual(
            {'provider_uuid', 'resource_class', 'identifier'},
            set(objects.Resource.fields),
        )
        self.assertLessEqual(
            {
                *('uuid', 'host', 'flavor', 'resources'),
                *('system_metadata', 'task_state', 'vm_state'),
            },
            set(objects.Instance.fields),
        )
        self.assertLessEqual(
            {'migration_id', 'old_resources', 'new_resources'},
            set(objects.MigrationContext.fields),
        )
        for method in (
            objects.InstanceList.get_by_filters,
            objects.InstanceList.get_by_host,
            objects.MigrationList.get_in_progress_by_host_and_node,
            objects.ComputeNode.get_by_host_and_nodename,
            objects.Migration.get_by_id,
            objects.MigrationContext.get_by_instance_uuid,
            context.get_admin_context,
            objects.Instance.get_by_uuid,
            scheduler_utils.ResourceRequest.from_request_spec,
            scheduler_utils.ResourceRequest.merged_resources,
        ):
            self.assertTrue(callable(method))
        self.assertEqual('building', vm_states.BUILDING)
        self.assertEqual('rebuild_spawning', task_states.REBUILD_SPAWNING)
        self.assertEqual('resize_reverting', task_states.RESIZE_REVERTING)

    def test_instance_with_resources_looks_changed(self):
        """So nothing of ours may ask it."""
        objects.register_all()
        loaded = objects.ResourceList.obj_from_primitive(
            objects.ResourceList(objects=[]).obj_to_primitive()
        )
        instance = objects.Instance(resources=loaded)
        instance.obj_reset_changes(['resources'])
        self.assertIn('resources', instance.obj_what_changed())
        for path in pathlib.Path(nova_gpuvirt.__file__).parent.rglob('*.py'):
            self.assertNotIn('obj_what_changed', path.read_text(), path)

    def test_refused_build_is_rescheduled_and_an_aborted_one_is_not(self):
        source = inspect.getsource(
            manager.ComputeManager._build_and_run_instance
        )
        spawn = source.index('self.driver.spawn(')
        for name in ('ComputeResourcesUnavailable', 'BuildAbortException'):
            self.assertIn(f'exception.{name}', source[spawn:])
        self.assertIn('injected_files, admin_password,', source[spawn:])
        self.assertIn('allocs, network_info=', source[spawn:])

    def test_report_client_is_asked_for_what_a_consumer_has(self):
        client = report.SchedulerReportClient
        self.assertEqual(
            ['self', 'context', 'consumer'],
            _parameters(client.get_allocs_for_consumer),
        )
        self.assertEqual(
            ['self', 'context', 'rp_uuid'],
            _parameters(client.get_provider_traits),
        )
        self.assertEqual(
            ['self', 'url', 'version', 'global_request_id'],
            _parameters(client.get),
        )
        source = inspect.getsource(manager.ComputeVirtAPI.__init__)
        self.assertIn('self.reportclient = compute.reportclient', source)

    def test_guests_are_started_with_their_host_before_the_first_update(self):
        source = inspect.getsource(manager.ComputeManager.init_host)
        self.assertIn('self._init_instance(', source)
        source = inspect.getsource(service.Service.start)
        self.assertLess(
            source.index('self.manager.init_host('),
            source.index('self.manager.pre_start_hook('),
        )

    def test_allocations_of_a_failed_move_are_those_of_its_destination(self):
        source = inspect.getsource(manager.ComputeManager.finish_resize)
        self.assertIn('self._delete_allocation_after_move(', source)
        source = inspect.getsource(manager.ComputeManager._finish_resize)
        self.assertIn('self._set_instance_info(instance, old_flavor)', source)
        source = inspect.getsource(
            manager.ComputeManager._finish_revert_resize
        )
        self.assertLess(
            source.index('self._revert_allocation('),
            source.index('self.driver.finish_revert_migration('),
        )

    def test_stats_of_a_node_are_saved_when_they_are_set(self):
        source = inspect.getsource(resource_tracker.ResourceTracker.__init__)
        self.assertIn('self.stats = ', source)
        self.assertIn('self.compute_nodes = ', source)
        source = inspect.getsource(resource_tracker.ResourceTracker._update)
        self.assertLess(
            source.index('self._update_to_placement('),
            source.index('self._resource_change(compute_node)'),
        )


class TrackedTest(unittest.TestCase):
    """How Nova's tracker knows which instances are here, or come."""

    def source(self, name):
        return inspect.getsource(
            getattr(resource_tracker.ResourceTracker, name)
        )

    def assert_order(self, name, *lines):
        source = self.source(name)
        places = [source.index(line) for line in lines]
        self.assertEqual(sorted(places), places, name)

    def test_instances_and_moves_are_kept_by_uuid(self):
        source = self.source('__init__')
        self.assertIn('self.tracked_instances = set()', source)
        self.assertIn('self.tracked_migrations = {}', source)
        self.assertIn(
            'self.tracked_instances.add(uuid)',
            self.source('_update_usage_from_instance'),
        )
        self.assertIn(
            'self.tracked_migrations[uuid] = migration',
            self.source('_update_usage_from_migration'),
        )
        self.assertLessEqual(
            {'uuid', 'dest_compute'}, {*objects.Migration.fields}
        )

    def test_who_claims_is_tracked_before_the_report(self):
        for name, tracked in {
            'instance_claim': 'self._update_usage_from_instance(',
            '_move_claim': 'self._update_usage_from_migration(',
        }.items():
            self.assert_order(name, tracked, 'self._update(elevated, cn)')

    def test_all_are_tracked_anew_before_the_report_of_a_periodic_one(self):
        for name, kept in {
            '_update_usage_from_instances': 'tracked_instances',
            '_update_usage_from_migrations': 'tracked_migrations',
        }.items():
            self.assertIn(f'self.{kept}.clear()', self.source(name))
            self.assert_order(
                '_update_available_resource',
                f'self.{name}(',
                'self._update(context, cn, startup=startup)',
            )


class SchedulerTest(unittest.TestCase):
    def test_host_state_has_what_we_read(self):
        state = host_manager.HostState('host', 'node', 'cell')
        for name in (
            *('allocation_candidates', 'cpu_allocation_ratio'),
            *('free_ram_mb', 'host', 'ram_allocation_ratio'),
            *('total_usable_ram_mb', 'uuid', 'vcpus_total', 'vcpus_used'),
        ):
            self.assertTrue(hasattr(state, name), name)
        source = inspect.getsource(
            host_manager.HostState._update_from_compute_node
        )
        self.assertIn('self.stats = compute.stats or {}', source)

    def test_nova_claims_the_first_candidate_and_tells_the_host_state(self):
        source = inspect.getsource(scheduler_manager.SchedulerManager)
        self.assertLess(
            source.index('alloc_req = host.allocation_candidates[0]'),
            source.index('selected_host.consume_from_request(spec_obj)'),
        )

    def test_request_names_each_instance_before_its_host_is_told(self):
        manager_ = scheduler_manager.SchedulerManager
        source = inspect.getsource(manager_._schedule)
        loop = source.index('for num, instance_uuid in enumerate(')
        self.assertLess(
            source.index('spec_obj.instance_uuid = instance_uuid', loop),
            source.index('self._consume_selected_host(', loop),
        )
        self.assertIn(
            'selected_host.consume_from_request(spec_obj)',
            inspect.getsource(manager_._consume_selected_host),
        )

    def test_filters_and_weighers(self):
        self.assertEqual(
            ['self', 'host_state', 'filter_properties'],
            _parameters(filters.BaseHostFilter.host_passes),
        )
        self.assertEqual(
            ['self', 'obj', 'weight_properties'],
            _parameters(weights.BaseHostWeigher._weigh_object),
        )
        self.assertTrue(callable(scheduler_utils.get_weight_multiplier))

    def test_flavor_is_put_as_a_query_of_placement(self):
        request = scheduler_utils.ResourceRequest
        self.assertEqual(
            ['request_spec'], _parameters(request.from_request_spec)[:1]
        )
        self.assertEqual(['self'], _parameters(request.to_querystring))


class NumaTest(unittest.TestCase):
    """How Nova's tracker claims the cells of guests."""

    def assert_order(self, function, *lines):
        source = inspect.getsource(function)
        places = [source.index(line) for line in lines]
        self.assertEqual(sorted(places), places, function)

    def test_claims_are_made_under_a_lock_that_we_can_take(self):
        source = inspect.getsource(resource_tracker.ResourceTracker)
        line = '@utils.synchronized(COMPUTE_RESOURCE_SEMAPHORE, fair=True)'
        for name in ('instance_claim', '_update_available_resource'):
            before = source[: source.index(f'def {name}(')]
            self.assertTrue(before.rstrip().endswith(line), name)
        self.assertTrue(callable(utils.synchronized))

    def test_cells_of_a_move_are_those_of_its_context(self):
        objects.register_all()
        source = inspect.getsource(resource_tracker.ResourceTracker)
        self.assertIn('instance.apply_migration_context()', source)
        for name in ('old_numa_topology', 'new_numa_topology'):
            self.assertIn(name, objects.MigrationContext.fields)

    def test_fit_and_usage(self):
        self.assertEqual(
            [
                *('host_topology', 'instance_topology', 'provider_mapping'),
                *('limits', 'pci_requests', 'pci_stats'),
            ],
            _parameters(hardware.numa_fit_instance_to_host),
        )
        self.assertEqual(
            ['host_topology', 'instance_topology', 'free'],
            _parameters(hardware.numa_usage_from_instance_numa),
        )
        self.assertEqual(
            ['self', 'requests', 'provider_mapping', 'numa_cells'],
            _parameters(pci_stats.PciDeviceStats.support_requests),
        )

    def test_a_cell_fits_by_its_size_and_policies_alone(self):
        looked_at = set()
        for function in (
            hardware._numa_fit_instance_cell,
            hardware._pack_instance_onto_cores,
            hardware._numa_cell_supports_pagesize_request,
        ):
            source = inspect.getsource(function)
            looked_at |= {*re.findall(r'inst(?:ance)?_cell\.(\w+)', source)}
        self.assertLessEqual(
            looked_at,
            {
                *('pcpuset', 'cpuset', 'memory', 'pagesize'),
                *('cpu_policy', 'cpu_thread_policy'),
                # These are written.
                *('id', 'cpuset_reserved', 'pin_vcpus'),
            },
        )

    def test_pci_devices_are_near_to_nodes_and_not_to_cells(self):
        stats = pci_stats.PciDeviceStats
        for name, attribute, alone in (
            (
                '_filter_pools_for_numa_cells',
                r'\bcell\.(\w+) for cell in numa_cells',
                r'\bcell\.(\w+)',
            ),
            (
                '_filter_pools_for_socket_affinity',
                r'for guest_cell in numa_cells',
                r'\bguest_cell\.(\w+)',
            ),
        ):
            source = inspect.getsource(getattr(stats, name))
            self.assertRegex(source, attribute)
            self.assertEqual({'id'}, {*re.findall(alone, source)})
        # Each pool says where it is, and how many are left.
        source = inspect.getsource(hardware.numa_fit_instance_to_host)
        self.assertIn("[pool['numa_node']] = pool['count']", source)

    def test_objects(self):
        objects.register_all()
        for kind, names in {
            objects.NUMATopologyLimits: (
                *('cpu_allocation_ratio', 'ram_allocation_ratio'),
            ),
            objects.NUMATopology: ('cells',),
            objects.NUMACell: ('id', 'network_metadata'),
            objects.NetworkMetadata: ('physnets', 'tunneled'),
            objects.InstanceNUMATopology: ('cells', 'emulator_threads_policy'),
            objects.InstanceNUMACell: ('id',),
            objects.ComputeNode: (
                *('numa_topology', 'cpu_allocation_ratio'),
                'ram_allocation_ratio',
            ),
            objects.RequestSpec: (
                *('numa_topology', 'network_metadata', 'pci_requests'),
            ),
            objects.PciDevice: ('numa_node',),
        }.items():
            self.assertLessEqual({*names}, {*kind.fields}, kind)
        self.assertTrue(callable(objects.NUMATopology.obj_from_db_obj))
        self.assertTrue(callable(objects.NUMATopology._to_json))

    def test_scheduler_takes_what_it_chose_off_its_host(self):
        self.assert_order(
            host_manager.HostState.consume_from_request,
            'self._locked_consume_from_request(spec_obj)',
        )
        self.assertEqual(
            ['self', 'spec_obj'],
            _parameters(host_manager.HostState._locked_consume_from_request),
        )


class GuestTest(unittest.TestCase):
    def test_guest_takes_devices(self):
        guest = vconfig.LibvirtConfigGuest()
        self.assertEqual([], guest.devices)
        self.assertTrue(callable(guest.add_device))

    def test_guest_has_what_we_look_at(self):
        guest = vconfig.LibvirtConfigGuest()
        for name in (
            *('cpu', 'membacking', 'os_arch', 'os_firmware', 'os_loader'),
            'os_mach_type',
        ):
            self.assertIsNone(getattr(guest, name), name)
        self.assertIsInstance(guest.memory, int)  # KiB

    def test_cpu_and_memory_have_what_we_set(self):
        self.assertIsNone(vconfig.LibvirtConfigGuestCPU().maxphysaddr)
        width = vconfig.LibvirtConfigGuestCPUMaxPhysAddr()
        self.assertIsNone(width.mode)
        self.assertIsNone(width.bits)
        backing = vconfig.LibvirtConfigGuestMemoryBacking()
        for name in ('filesource', 'hugepages', 'sharedaccess'):
            self.assertFalse(getattr(backing, name), name)

    def test_displays_are_what_we_take_away_and_add(self):
        video = vconfig.LibvirtConfigGuestVideo()
        self.assertTrue(hasattr(video, 'type'))
        self.assertTrue(callable(vconfig.LibvirtConfigGuestGraphics))
        device = vconfig.LibvirtConfigGuestDevice(root_name='graphics')
        self.assertEqual('graphics', device.format_dom().tag)

    def test_hostdevs_have_what_we_set(self):
        pci = vconfig.LibvirtConfigGuestHostdevPCI()
        for name in ('alias', 'domain', 'bus', 'slot', 'function'):
            self.assertIsNone(getattr(pci, name))
        self.assertEqual('yes', pci.managed)
        mdev = vconfig.LibvirtConfigGuestHostdevMDEV()
        self.assertIsNone(mdev.uuid)
        self.assertEqual('no', mdev.managed)

    def test_controllers_have_an_index(self):
        for controller in (
            vconfig.LibvirtConfigGuestPCIeRootController(),
            vconfig.LibvirtConfigGuestPCIeRootPortController(),
        ):
            self.assertIsNone(controller.index)


class ApiTest(unittest.TestCase):
    def test_extra_spec_of_ours_is_known(self):
        validators.validate('hw:gpuvirt_display', 'true')
        with self.assertRaises(exception.ValidationError):
            validators.validate('hw:gpuvirt_display', 'perhaps')
        for policy in ('required', 'preferred', 'none'):
            validators.validate('hw:gpuvirt_numa_policy', policy)
        with self.assertRaises(exception.ValidationError):
            validators.validate('hw:gpuvirt_numa_policy', 'must')


class OptionsTest(unittest.TestCase):
    def test_of_the_types_without_addresses_the_first_is_taken(self):
        source = inspect.getsource(_LIBVIRT._get_supported_vgpu_types)
        for line in (
            'if not self.pgpu_type_default:',
            'enabled_mdev_types.remove(vgpu_type)',
        ):
            self.assertIn(line, source)

    def test_cards_of_a_type_without_addresses_are_reported_as_vgpu(self):
        source = inspect.getsource(_LIBVIRT._get_resource_class_for_device)
        self.assertIn('self.mdev_class_mapping[device_address]', source)
        source = inspect.getsource(_LIBVIRT.__init__)
        self.assertIn('collections.defaultdict(lambda: orc.VGPU)', source)

    def test_nova_s_own_gpu_options(self):
        conf = nova.conf.CONF
        self.assertIsNotNone(conf.pci.device_spec)
        self.assertIsNotNone(conf.devices.enabled_mdev_types)
        self.assertEqual([], whitelist.Whitelist([]).specs)

    def test_device_spec_of_nova_s(self):
        (spec,) = whitelist.Whitelist(
            ['{"vendor_id": "10de", "address": "*:3b:00.*"}']
        ).specs
        self.assertEqual(('10de', '*'), (spec.vendor_id, spec.product_id))
        device = {'vendor_id': '10de', 'product_id': '1eb8'}
        self.assertTrue(spec.match({**device, 'address': '0000:3b:00.0'}))
        self.assertFalse(spec.match({**device, 'address': '0000:5e:00.0'}))
        # What is not known is asked for as the spec has it.
        self.assertTrue(
            spec.match(
                {**device, 'address': '0000:3b:00.0', 'product_id': '*'}
            )
        )
        with self.assertRaises(exception.PciConfigInvalidSpec):
            spec.match({**device, 'address': '10000:3b:00.0'})

    def test_mdev_class_of_nova_s_takes_every_allocation_of_the_class(self):
        source = inspect.getsource(_LIBVIRT._allocate_mdevs)
        self.assertIn('self._vgpu_allocations(allocations)', source)
        source = inspect.getsource(_LIBVIRT._vgpu_allocations)
        self.assertIn('_get_supported_mdev_resource_classes', source)

    def test_exceptions(self):
        for name in (
            'BuildAbortException',
            'ComputeHostNotFound',
            'ComputeResourcesUnavailable',
            'InstanceDeployFailure',
            'ResourceProviderRetrievalFailed',
            'InstanceFaultRollback',
            'InstanceNotFound',
            'InstanceResumeFailure',
            'InstanceSuspendFailure',
            'InvalidConfiguration',
            'MigrationContextNotFound',
            'MigrationPreCheckError',
        ):
            self.assertTrue(hasattr(exception, name), name)
