"""Who changes a host's GPUs keeps out who needs them for itself."""

import pathlib
import subprocess
import sys
import threading

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt.host import lock
from nova_gpuvirt.simulation import hosts

_HOLD = """
import sys
from nova_gpuvirt.host import lock
with lock.Lock(sys.argv[1]).alone(0):
    print('held', flush=True)
    sys.stdin.read()
"""


class LockTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = hosts.simulated('gvtg', self.root)
        self.before = self.host.snapshot()
        self.lock = lock.Lock(self.root)

    def refused(self, held):
        with (
            testtools.ExpectedException(
                exception.Locked, 'this host: wanted to change its GPUs'
            ),
            held,
        ):
            pass

    def test_changes_share_it(self):
        with self.lock.shared(0), lock.Lock(self.root).shared(0):
            self.refused(lock.Lock(self.root).alone(0))
        with self.lock.alone(0):
            self.refused(lock.Lock(self.root).shared(0))
            self.refused(lock.Lock(self.root).alone(0))
        with self.lock.shared(0):
            pass
        self.assertEqual(self.before, self.host.snapshot())

    def test_who_waits_gets_it_when_it_is_free(self):
        held, end = threading.Event(), threading.Event()

        def hold():
            with self.lock.alone(0):
                held.set()
                end.wait(60)

        thread = threading.Thread(target=hold)
        thread.start()
        self.addCleanup(thread.join)
        held.wait(60)
        threading.Timer(0.2, end.set).start()
        with lock.Lock(self.root).shared(60):
            self.assertTrue(end.is_set())

    def test_process_that_dies_leaves_nothing(self):
        with subprocess.Popen(
            [sys.executable, '-c', _HOLD, str(self.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            self.assertEqual(b'held\n', process.stdout.readline())
            self.refused(self.lock.shared(0))
            process.kill()
        with self.lock.alone(10):
            pass

    def test_this_machine_has_one(self):
        with lock.Lock().shared(60):
            pass
