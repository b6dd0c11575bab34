"""What our simulated cloud relies on of Nova's harness, on each release."""

import inspect
import unittest

from nova import service
from nova.compute import manager
from nova.tests.functional import integrated_helpers


class HarnessTest(unittest.TestCase):
    def test_who_ends_all_executors_is_one_that_we_wait_for(self):
        cleanup = inspect.getsource(manager.ComputeManager.cleanup_host)
        ends = 'shutdown_all_executors' in cleanup
        wait = getattr(service.Service, '_run_manager_graceful_shutdown', None)
        self.assertEqual(ends, wait is not None)
        if wait is not None:
            self.assertIn('finished.wait(timeout)', inspect.getsource(wait))

    def test_harness_sleeps_between_two_looks(self):
        helpers = integrated_helpers.InstanceHelperMixin
        look = inspect.getsource(helpers._wait_for_server_parameter)
        self.assertIn('time.sleep(', look)
        self.assertTrue(inspect.ismodule(integrated_helpers.time))
