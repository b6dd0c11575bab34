"""Which locks a thread holds while libvirt, a command or root is called.

Such a call may take long, or never return. Who waits for a lock that is held
meanwhile waits as long. So no lock of Nova's that requests share is held in a
call of ours, and none of ours in any call, but for those in `ALLOWED`.
"""

import contextlib
import functools
import inspect
import re
import sys
import threading

import fixtures
from oslo_concurrency import lockutils

from nova_gpuvirt.health import records
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import lock
from nova_gpuvirt.simulation import root
from nova_gpuvirt.simulation.libvirt import connection
from nova_gpuvirt.simulation.libvirt import domain

ALLOWED = {
    'lock of the host, shared': 'no request of this nova-compute waits for '
    'it: all share it, and it keeps off who wants the GPUs alone',
    'nova_gpuvirt.compute.parts': 'updates beside the requests wait for each '
    'other, and no request for one',
    'nova_gpuvirt.backends.mdev': 'of one card whose sizes mix: the place of '
    'a vGPU is chosen among those that are made, one after the other',
    'nova_gpuvirt.backends.vendor_vfio': 'of one card: what its driver can '
    'make is another after each vGPU',
}
"""Locks that are held in such calls, and why they may be."""

# Of one instance, which is all that waits for it.
_OF_AN_INSTANCE = re.compile(
    r'(refresh_cache-|[a-z_]*)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}.*'
)
_OURS = 'nova_gpuvirt.'
_SIMULATED = 'nova_gpuvirt.simulation.'
# Nova's thin layer over libvirt, and what stands for libvirt here.
_LAYERS = (
    'nova.virt.libvirt.host',
    'nova.virt.libvirt.guest',
    'nova.tests.fixtures.libvirt',
    __name__,
)
_LIBVIRT = (connection.Connection, domain.Domain, connection.Mdev)


class HeldLocks(fixtures.Fixture):
    """Note the locks that are held in calls; to be used before a host starts.

    :ivar calls: how many calls of ours there were, by name
    :ivar held: for each lock that was held in one, the calls
    """

    def _setUp(self):
        self._of_thread = threading.local()
        self._guard = threading._allocate_lock()
        self.calls = {}
        self.held = {}
        self._note_novas()
        self._note_ours()
        self._watch_calls()

    def wrong(self):
        """The locks that must not have been held, each with the calls."""
        return {
            name: calls
            for name, calls in self.held.items()
            if name.partition(':')[0] not in ALLOWED
        }

    def _mine(self):
        return self._of_thread.__dict__.setdefault('names', [])

    @contextlib.contextmanager
    def noted(self, name):
        """Note a lock as held by this thread."""
        self._mine().append(name)
        try:
            yield
        finally:
            self._mine().remove(name)

    def _note_novas(self):
        original = lockutils.lock

        @contextlib.contextmanager
        def noted(name, *args, **kwargs):
            with (
                original(name, *args, **kwargs) as got,
                self.noted(f'nova/{name}'),
            ):
                yield got

        self.useFixture(fixtures.MockPatchObject(lockutils, 'lock', noted))

    def _note_ours(self):
        for name in ('Lock', 'Condition'):
            self.useFixture(
                fixtures.MonkeyPatch(
                    f'threading.{name}',
                    functools.partial(self._made, getattr(threading, name)),
                )
            )
        for owner, method, name in (
            (lock.Lock, '_held', 'lock of the host, shared'),
            (records.Records, '_locked', 'records'),
        ):
            self._note_context(owner, method, name)

    def _note_context(self, owner, method, name):
        original = getattr(owner, method)

        @contextlib.contextmanager
        def noted(*args, **kwargs):
            with original(*args, **kwargs) as got, self.noted(name):
                yield got

        self.useFixture(fixtures.MockPatchObject(owner, method, noted))

    def _made(self, original, *args):
        """Make a lock; one of ours is noted when it is held."""
        frame = sys._getframe(1)
        module = frame.f_globals['__name__']
        if not module.startswith(_OURS) or module.startswith(_SIMULATED):
            return original(*args)
        name = f'{module}:{frame.f_lineno}'
        if original is _CONDITION:
            return original(_Noted(self, name, threading.RLock()))
        return _Noted(self, name, original())

    def _watch_calls(self):
        for owner in _LIBVIRT:
            for name, function in inspect.getmembers(
                owner, inspect.isfunction
            ):
                if not name.startswith('_') and name[0].islower():
                    self._watch(owner, name, function, f'libvirt {name}')
        for name, function in vars(root.Root).items():
            if not name.startswith('_') and callable(function):
                self._watch(root.Root, name, function, f'root {name}')
        self._watch(
            commands.Commands,
            '_run',
            commands.Commands._run,
            'command',
        )

    def _watch(self, owner, name, function, what):
        @functools.wraps(function)
        def watched(*args, **kwargs):
            self._see(what)
            return function(*args, **kwargs)

        self.useFixture(fixtures.MockPatchObject(owner, name, watched))

    def _see(self, what):
        ours = _is_ours()
        with self._guard:
            if ours:
                self.calls[what] = self.calls.get(what, 0) + 1
            for name in self._mine():
                novas = name.startswith('nova/')
                if novas and (not ours or _OF_AN_INSTANCE.fullmatch(name[5:])):
                    continue
                self.held.setdefault(name, set()).add(what)


_CONDITION = threading.Condition


class _Noted:
    """A lock that tells when it is held, as `threading.Lock` has it."""

    def __init__(self, held, name, inner):
        self._held = held
        self._name = name
        self._inner = inner

    def acquire(self, *args, **kwargs):
        got = self._inner.acquire(*args, **kwargs)
        if got:
            self._held._mine().append(self._name)
        return got

    def release(self):
        self._held._mine().remove(self._name)
        self._inner.release()

    __enter__ = acquire

    def __exit__(self, *args):
        self.release()

    # What a condition asks of its lock.

    def _is_owned(self):
        return self._inner._is_owned()

    def _release_save(self):
        mine = self._held._mine()
        times = mine.count(self._name)
        for _ in range(times):
            mine.remove(self._name)
        return times, self._inner._release_save()

    def _acquire_restore(self, saved):
        times, state = saved
        self._inner._acquire_restore(state)
        self._held._mine().extend([self._name] * times)


def _is_ours():
    """Tell whether a call is ours, through whatever layer it goes."""
    frame = sys._getframe(2)
    while frame is not None:
        module = frame.f_globals.get('__name__', '')
        if not module.startswith((_SIMULATED, *_LAYERS)):
            return module.startswith(_OURS)
        frame = frame.f_back
    return False
