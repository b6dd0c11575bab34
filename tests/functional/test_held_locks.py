"""A lock that is held while libvirt, a command or root is asked is seen."""

import contextlib
import pathlib
import threading
import uuid

import fixtures
import testtools
from nova import utils
from nova.compute import resource_tracker

from nova_gpuvirt.compute import late_releases
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import lock
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root
from nova_gpuvirt.simulation.libvirt import connection
from tests.functional import held_locks

_NOVAS = resource_tracker.COMPUTE_RESOURCE_SEMAPHORE
_INSTANCE = '455d900f-4e14-4e4c-a73d-069cbf4541e6'


class HeldLocksTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.useFixture(fixtures.TempDir()).path
        host = hosts.simulated('t4', pathlib.Path(folder))
        self.root = host.root
        self.connection = connection.Connection(host, hostname='host1')
        self.hypervisor = hypervisor.Hypervisor(lambda: self.connection)
        self.sysfs = sysfs.Sysfs(host.root, root.Root(host))
        self.locks = self.useFixture(held_locks.HeldLocks())

    def ask_libvirt(self):
        self.hypervisor.guest_with(uuid.UUID(_INSTANCE))

    def ask_root(self):
        self.sysfs.rootly.card_openers([], 1)

    def run_command(self):
        with contextlib.suppress(commands.CommandFailed):
            self.sysfs.rootly.run(['missing'])

    def held(self):
        """What was held so that it is wrong, without the lines."""
        return {name.partition(':')[0] for name in self.locks.wrong()}

    def test_lock_of_novas(self):
        utils.synchronized(_NOVAS, fair=True)(self.ask_libvirt)()
        self.assertEqual({f'nova/{_NOVAS}'}, self.held())
        self.assertNotEqual({}, self.locks.calls)

    def test_lock_of_ours(self):
        ours = late_releases.LateReleases(dict, dict)
        with ours._lock:
            self.ask_root()
        self.assertEqual({'nova_gpuvirt.compute.late_releases'}, self.held())

    def test_command(self):
        ours = late_releases.LateReleases(dict, dict)
        with ours._lock:
            self.run_command()
        self.assertEqual({'command'}, {*self.locks.held.popitem()[1]})

    def test_call_of_novas_own_is_novas(self):
        ask = self.connection.getLibVersion
        utils.synchronized(_NOVAS, fair=True)(lambda: ask())()
        self.assertEqual(set(), self.held())

    def test_what_only_one_instance_waits_for(self):
        utils.synchronized(_INSTANCE)(self.ask_libvirt)()
        self.assertEqual(set(), self.held())

    def test_what_may_be_held(self):
        with lock.Lock(self.root).shared(0):
            self.ask_root()
        self.assertEqual(set(), self.held())
        self.assertIn('lock of the host, shared', self.locks.held)

    def test_lock_that_was_given_back(self):
        ours = late_releases.LateReleases(dict, dict)
        with ours._lock:
            pass
        utils.synchronized(_NOVAS, fair=True)(dict)()
        self.ask_libvirt()
        self.assertEqual({}, self.locks.held)

    def test_lock_on_which_one_waits_is_not_held(self):
        ours = late_releases.LateReleases(dict, dict)
        asked = threading.Event()

        def wait():
            with ours._lock:
                ours._lock.wait_for(asked.is_set, 10)

        waiting = threading.Thread(target=wait)
        waiting.start()
        with ours._lock:
            asked.set()
            ours._lock.notify_all()
        waiting.join()
        self.ask_libvirt()
        self.assertEqual({}, self.locks.held)
