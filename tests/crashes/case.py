"""A cloud whose nova-computes are killed, and what is looked at then."""

import contextlib
import dataclasses
import time

from nova.tests.functional.api import client

from nova_gpuvirt.health import record
from nova_gpuvirt.health import records
from nova_gpuvirt.simulation import quick
from nova_gpuvirt.simulation.apart import cloud
from tests.crashes import known
from tests.crashes import owners
from tests.functional import agreement
from tests.functional import base

# What is told of a server that something is wrong with.
_TOLD = ('status', 'OS-EXT-STS:task_state', 'OS-EXT-SRV-ATTR:host')
# How long nova-compute does nothing when it has done all, in seconds.
_MOMENT = 0.5
# How often something is looked at until it is so, with a pause between.
_TRIES = 30
# Updates after which all has to agree.
_UPDATES = 2


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of an operation in which nova-compute was killed.

    :ivar was_reached: whether the step came at which to kill
    :ivar status: the server's after two updates, None where it is gone
    :ivar left: what Nova leaves behind, see `known`, or None
    """

    was_reached: bool
    status: str | None
    left: str | None


class CrashCase(base.GpuTestCase, cloud.ApartCloud):
    """A cloud of one kind of GPU, in which one operation is done often.

    :ivar kind: see `kinds`
    :ivar operation: see `operations`
    """

    def begin(self, kind, operation):
        """Start the hosts."""
        self.kind = kind
        self.operation = operation
        self.flags(allow_resize_to_same_host=True)
        # A caller of a nova-compute that was killed waits for so long.
        self.flags(rpc_response_timeout=10)
        for host in operation.hosts:
            self.start_gpu_host(host, kind.host)
        self.before = self._state()

    def _state(self):
        return {
            host: simulated.snapshot() | self.room(host)
            for host, simulated in self.simulated.items()
        }

    def room(self, host):
        """What each card of a host has left of each class."""
        return {
            (address, rc): inventory['total']
            - inventory['reserved']
            - provider['usages'].get(rc, 0)
            for address, provider in self.gpu_providers(host).items()
            for rc, inventory in provider['inventories'].items()
        }

    # What operations need

    def found(self, server):
        """The server as it is now, None where there is none."""
        try:
            return self.api.get_server(server['id'])
        except client.OpenStackApiNotFoundException:
            return None

    def ask_for_server(self, host):
        """Ask for a server on a host, and wait for nothing."""
        return self.api.post_server(
            {
                'server': self._build_server(
                    flavor_id=self.flavor(self.kind.spec),
                    networks='none',
                    host=host,
                )
            }
        )

    def force_down(self, host, is_down):
        """Tell Nova that a host's nova-compute is down, or is not."""
        service = next(
            s
            for s in self.api.get_services()
            if (s['host'], s['binary']) == (host, 'nova-compute')
        )
        self.api.put_service_force_down(service['id'], is_down)

    def is_dirty(self, host):
        """Whether anything is dirty that can be cleaned."""
        known = records.Records(self.state_path(host)).read()
        return any(
            one.failed is None
            for found in known.values()
            if isinstance(found, record.Record)
            for one in found.dirty
        )

    # One run

    def steps(self):
        """Do the operation undisturbed, and tell its steps."""
        server = self.operation.begin(self)
        self.gate.watch()
        server = self.operation.act(self, server)
        self.wait_until(lambda: self.operation.is_over(self, server))
        self._wait_until_quiet()
        passed = self.gate.end()
        self._bring_back()
        self._check(server)
        self._take_away(server)
        return passed

    def kill(self, step, moment):
        """Do the operation, and kill before or after a step of it.

        :returns: what came of it, see `Outcome`
        """
        try:
            return self._kill(step, moment)
        except Exception as error:
            raise AssertionError(
                f'killed {moment.value} {step}: {error}'
            ) from error

    def _kill(self, step, moment):
        server = self.operation.begin(self)
        self.gate.watch((step, moment))
        server = self.operation.act(self, server)
        self.wait_until(
            lambda: (
                self.gate.has_killed or self.operation.is_over(self, server)
            )
        )
        if not self.gate.has_killed:
            self._wait_until_quiet()
        was_reached = self.gate.has_killed
        self.gate.end()
        owners.check(self)
        self._bring_back()
        self._settle(server)
        found = server and self.found(server)
        left = self._check(server)
        orphans = self._take_away(server)
        return Outcome(was_reached, found and found['status'], left or orphans)

    def _wait_until_quiet(self):
        """Wait until nova-compute does nothing more, for a moment."""
        before = -1
        while before != self.gate.count and not self.gate.has_killed:
            before = self.gate.count
            time.sleep(_MOMENT)

    def _bring_back(self):
        for host, compute in self.computes.items():
            if not compute.is_running:
                self.restart_compute_service(host)
                with contextlib.suppress(StopIteration):
                    self.force_down(host, False)
        for _ in range(_UPDATES):
            self.run_periodic()

    def _settle(self, server):
        """Give Nova the time to end what it has begun."""
        if server is None:
            return
        for _ in range(_TRIES):
            found = self.found(server)
            if found is None or found['OS-EXT-STS:task_state'] is None:
                return
            time.sleep(quick.PAUSE)

    def _check(self, server):
        owners.check(self)
        self.wait_until_clean()
        left = known.find(self, server)
        try:
            self._see(lambda: self._agree([server] if left else ()))
        except AssertionError as error:
            raise AssertionError(f'{self._told(server)}: {error}') from error
        return left and left.name

    def _told(self, server):
        """Tell in which state a server is."""
        found = server and self.found(server)
        return found and [found[name] for name in _TOLD]

    def _agree(self, left=()):
        servers = [server['id'] for server in left]
        moves = [m for server in left for m in known.migrations(self, server)]
        for host in self.computes:
            agreement.check(self, host, servers, moves)

    def _see(self, check):
        """Check until that does not fail, while Nova ends what it does."""
        for _ in range(_TRIES):
            try:
                return check()
            except AssertionError:
                time.sleep(quick.PAUSE)
        return check()

    def _take_away(self, server):
        """Delete the server, and see that all is as it was."""
        found = server and self.found(server)
        migrations = []
        if found is not None:
            migrations = known.migrations(self, found)
            self._delete_server(found)
        self.wait_until_clean()
        self.operation.undo(self)
        self.run_periodic()
        try:
            self._see(self._be_as_before)
        except AssertionError:
            orphans = server and known.remove_orphans(self, server, migrations)
            if not orphans:
                raise
            self.run_periodic()
            self._see(self._be_as_before)
            return orphans
        return None

    def _be_as_before(self):
        self._agree()
        self.assertEqual({}, _differences(self.before, self._state()))


def _differences(before, after):
    """What is not as it was, by host: what was, and what is."""
    return {
        (host, thing): (was.get(thing), after[host].get(thing))
        for host, was in before.items()
        for thing in was.keys() | after[host].keys()
        if was.get(thing) != after[host].get(thing)
    }
