"""The life of a server on the all-in-one cloud, which has no GPU."""

from __future__ import annotations

from lab.cloud import readiness
from lab.cloud import values
from lab.cloud.supervisor import Supervisor
from lab.tests import base

# What is in a PCI class: the host bridge that each machine begins with.
_HOST_BRIDGE = '0x060000'


class CloudTest(base.CloudTestCase):
    def test_server_lives_and_leaves_nothing(self) -> None:
        server = self.wait_for(self.boot('plain'), 'ACTIVE')
        self.assertEqual('running', self.domain(server))
        self.assertEqual(
            [{'MEMORY_MB': 256, 'VCPU': 1, 'DISK_GB': 1}],
            list(self.usages().values()),
        )
        functions = self.functions(server)
        self.assertEqual(_HOST_BRIDGE, functions['0000:00:00.0'][1])

        self.api.compute.reboot_server(server, 'HARD')
        self.wait_for(server, 'ACTIVE')
        self.assertEqual(functions, self.functions(server))

        self.api.compute.stop_server(server)
        self.wait_for(server, 'SHUTOFF')
        self.assertEqual('defined', self.domain(server))
        self.api.compute.start_server(server)
        self.wait_for(server, 'ACTIVE')
        self.assertEqual(functions, self.functions(server))

        self.delete(server)
        self.assertEqual('none', self.domain(server))
        self.assertEqual({}, self.usages())

    def test_no_gpu_no_server(self) -> None:
        for flavor in ('gpu.vgpu', 'gpu.whole'):
            server = self.wait_for(self.boot(flavor), 'ERROR')
            self.assertIn('No valid host', server.fault['message'])

    def test_server_outlives_nova_compute(self) -> None:
        server = self.wait_for(self.boot('plain'), 'ACTIVE')
        functions = self.functions(server)

        processes = Supervisor(self.cloud)
        processes.kill('nova-compute')
        self.addCleanup(processes.start, 'nova-compute')
        self.until(
            lambda: not readiness.compute(values.HOST),
            60,
            'nova-compute to be known as gone',
        )
        self.assertEqual('running', self.domain(server))

        processes.start('nova-compute')
        self.until(lambda: readiness.compute(values.HOST), 120, 'nova-compute')
        self.assertEqual('ACTIVE', self.api.compute.get_server(server).status)
        self.api.compute.reboot_server(server, 'HARD')
        self.wait_for(server, 'ACTIVE')
        self.assertEqual(functions, self.functions(server))
        self.delete(server)
        self.assertEqual({}, self.usages())
