"""nova-compute is killed at each step of what it does, and nothing is lost."""

from nova_gpuvirt.simulation.apart import cloud
from tests.functional import base


class CrashTest(base.GpuTestCase, cloud.ApartCloud):
    def test_a_boot(self):
        import time

        t = time.time()
        self.start_gpu_host('host1', 't4')
        print('start', time.time() - t)
        t = time.time()
        self.gate.watch()
        from nova_gpuvirt.simulation import cloud as c

        c._RETRIES = 100
        server = self.boot(base.PGPU)
        print('boot', time.time() - t)
        t = time.time()
        for step in self.gate.end():
            print(step)
        self.run_periodic()
        print('periodic', time.time() - t)
        t = time.time()
        self.assert_agreed()
        print('agreed', time.time() - t)
        t = time.time()
        self.restart_compute_service('host1')
        print('restart', time.time() - t)
        t = time.time()
        self.gate.watch()
        self._delete_server(server)
        print('delete', time.time() - t)
        t = time.time()
        for step in self.gate.end():
            print(step)
        self.assert_agreed()
        print(self.log_of('host1').read_text()[-3000:])
