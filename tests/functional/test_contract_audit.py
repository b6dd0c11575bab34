"""Every symbol of Nova that an audit uses, as `test_contract` has the rest."""

import inspect
import unittest

from nova import baserpc
from nova import config
from nova import objects
from nova.compute import resource_tracker
from nova.conductor import rpcapi
from nova.db.main import api as db
from nova.objects import base as objects_base
from nova.scheduler.client import report
from nova.virt.libvirt import driver as libvirt_driver

from nova_gpuvirt.audit import sides


def _parameters(function):
    return list(inspect.signature(function).parameters)


class AuditTest(unittest.TestCase):
    def test_all_that_is_read_can_be_read_through_nova_conductor(self):
        objects.register_all()
        for method in (
            objects.ComputeNode.get_by_host_and_nodename,
            objects.Instance.get_by_uuid,
            objects.InstanceList.get_by_filters,
            objects.InstanceList.get_by_host,
            objects.Migration.get_by_uuid,
            objects.MigrationContext.get_by_instance_uuid,
            objects.MigrationList.get_by_filters,
            objects.MigrationList.get_in_progress_by_host_and_node,
        ):
            self.assertTrue(method.remotable, method)
        self.assertIsNone(objects_base.NovaObject.indirection_api)
        self.assertTrue(callable(rpcapi.ConductorAPI))

    def test_migrations_that_have_ended(self):
        source = inspect.getsource(
            db.migration_get_in_progress_by_host_and_node
        )
        found = {
            line.strip(" ',")
            for line in source.split('.in_(')[1].split(']')[0].splitlines()
            if line.strip().startswith("'")
        }
        self.assertEqual(sides.OVER, found)

    def test_report_client_reads_and_writes_allocations(self):
        client = report.SchedulerReportClient
        for method, parameters in (
            (
                client.get_allocations_for_resource_provider,
                ['self', 'context', 'rp_uuid'],
            ),
            (client.get_allocs_for_consumer, ['self', 'context', 'consumer']),
            (
                client.put_allocations,
                ['self', 'context', 'consumer_uuid', 'payload'],
            ),
        ):
            self.assertEqual(parameters, _parameters(method))
        self.assertEqual([], _parameters(report.report_client_singleton))
        source = inspect.getsource(resource_tracker.ResourceTracker)
        self.assertIn('self.provider_tree = prov_tree', source)

    def test_driver_can_be_made_without_a_nova_compute(self):
        self.assertEqual(
            ['self', 'virtapi', 'read_only'],
            _parameters(libvirt_driver.LibvirtDriver.__init__),
        )
        source = inspect.getsource(libvirt_driver.LibvirtDriver.__init__)
        self.assertIn('self._host = ', source)
        found = _parameters(config.parse_args)
        self.assertEqual('argv', found[0])
        self.assertIn('configure_db', found)
        self.assertEqual(
            ['self', 'context', 'arg', 'timeout'],
            _parameters(baserpc.BaseAPI.ping),
        )
