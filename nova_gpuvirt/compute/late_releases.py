"""Devices that could not be taken back yet: tried again, for a while.

NVIDIA's manager keeps a vGPU for some seconds after its guest has ended, and
refuses to take it away. Until then other sizes of its card can't be made. So
it is tried twice a second beside the requests, and Placement is told as soon
as it is done. What takes longer than a minute is left to the periodic
updates, as is what a killed nova-compute leaves.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping

from oslo_log import log as logging

from nova_gpuvirt import model

LOG = logging.getLogger(__name__)

# Seconds from one try to the next, for how long, and for the last to end.
_PAUSE = 0.5
_LIMIT = 60.0
_END = 10.0

Failures = Mapping[model.Claim, str]
"""Claims whose devices could not be taken back, each with the reason."""
Release = Callable[[str, Collection[model.Claim]], Failures]
"""Tries to take back what an instance, by its UUID, had."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Waiting:
    """What of one instance waits, and until when it is tried."""

    failures: Failures
    until: float


class LateReleases:
    """The devices that wait to be taken back, and who tries it.

    A thread of its own runs while there are any; where Nova runs in eventlet
    it is a green one. Nova's pools are for its requests, of which a minute
    would take one away.

    :param release: tries once
    :param freed: tells Nova that something can be had again
    :param clock: gives seconds that never go back
    """

    def __init__(
        self,
        release: Release,
        freed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._release = release
        self._freed = freed
        self._clock = clock
        # Held for moments: a try, which may hang in a driver, is outside.
        self._lock = threading.Condition()
        self._waiting: dict[str, _Waiting] = {}
        # Those whose devices are being tried.
        self._trying: set[str] = set()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def add(self, instance: str, failures: Failures) -> None:
        """Try again to take back what an instance had.

        :param instance: its UUID
        """
        with self._lock:
            self._keep(instance, self._clock() + _LIMIT, failures)
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(
                    target=self._run, name='gpuvirt-releases', daemon=True
                )
                self._thread.start()
        for claim, why in failures.items():
            LOG.info('Not released yet: %s: %s', claim.shown, why)

    def forget(self, instance: str, claims: Collection[model.Claim]) -> None:
        """Let an instance keep what it had: its guest starts again.

        A try of it that is under way ends first; others do not count.

        :param instance: its UUID
        """
        with self._lock:
            self._lock.wait_for(lambda: instance not in self._trying)
            waiting = self._waiting.pop(instance, None)
            if waiting is not None:
                left = {
                    claim: why
                    for claim, why in waiting.failures.items()
                    if claim not in claims
                }
                self._keep(instance, waiting.until, left)

    def stop(self) -> None:
        """End for good; what waits is found when nova-compute starts."""
        self._stopped.set()
        thread = self._thread
        if thread is not None:
            thread.join(_END)

    def look(self) -> bool:
        """Try all once, and tell whether any waits still."""
        freed = False
        for instance in list(self._waiting):
            if self._stopped.is_set():
                break
            freed |= self._try(instance)
        if freed:
            self._tell()
        return bool(self._waiting)

    def _try(self, instance: str) -> bool:
        """Try what waits of one instance, and tell whether any was freed."""
        with self._lock:
            waiting = self._waiting.pop(instance, None)
            if waiting is None:
                return False
            self._trying.add(instance)
        try:
            left = self._release(instance, waiting.failures.keys())
        except Exception as error:
            left = dict.fromkeys(waiting.failures, str(error))
        is_over = self._clock() >= waiting.until
        with self._lock:
            self._trying.discard(instance)
            if not is_over:
                self._keep(instance, waiting.until, left)
            self._lock.notify_all()
        if is_over:
            _give_up(left)
        return len(left) < len(waiting.failures)

    def _keep(self, instance: str, until: float, failures: Failures) -> None:
        """Wait with these too; the lock is held."""
        before = self._waiting.get(instance)
        if before is not None:
            failures = {**before.failures, **failures}
            until = max(before.until, until)
        if failures:
            self._waiting[instance] = _Waiting(failures, until)

    def _tell(self) -> None:
        try:
            self._freed()
        except Exception:
            LOG.exception('What was released can be had with a later update')

    def _run(self) -> None:
        while not self._stopped.wait(_PAUSE):
            self.look()
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return


def _give_up(failures: Failures) -> None:
    for claim, why in failures.items():
        LOG.warning(
            'Could not release %s in %d seconds: %s; it is tried again with '
            'each periodic update',
            claim.shown,
            _LIMIT,
            why,
        )
