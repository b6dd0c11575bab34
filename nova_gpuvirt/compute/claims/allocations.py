"""What Placement has allocated to an instance."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import TypeVar

from keystoneauth1 import exceptions as keystone_exceptions
from nova import context as nova_context
from nova import exception as nova_exception

LOG = logging.getLogger(__name__)

# How long a host that starts waits for Placement, for all its guests together,
# and between two questions.
_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 2.0

Units = Mapping[tuple[str, str], int]
"""How many units, by provider's UUID and resource class."""

_Answer = TypeVar('_Answer')

# The last two are those of an answer that is not Placement's.
_NO_ANSWER = (
    keystone_exceptions.ClientException,
    nova_exception.NovaException,
    LookupError,
    ValueError,
)


def units(allocations: Mapping[str, Mapping[str, Any]]) -> Units:
    """Count what Nova's report client returns of a consumer's allocations."""
    result: Counter[tuple[str, str]] = Counter()
    for provider, allocation in allocations.items():
        for rc, amount in allocation['resources'].items():
            result[provider, rc] += amount
    return result


class Allocations:
    """Placement, asked about single consumers.

    :param client: returns Nova's report client
    """

    def __init__(
        self,
        client: Callable[[], Any],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._clock = clock
        self._sleep = sleep
        self._until: float | None = None
        self._silent_until = 0.0

    def of(self, consumer: str, *, patiently: bool = False) -> Units | None:
        """Read what a consumer has, None where Placement does not answer.

        :param consumer: the UUID of an instance, or of a migration
        :param patiently: see `ask`
        """

        def read(client: Any) -> Units:
            answer = client.get_allocs_for_consumer(
                nova_context.get_admin_context(), consumer
            )
            return units(answer['allocations'])

        return self.ask(read, patiently=patiently)

    def ask(
        self,
        question: Callable[[Any], _Answer],
        *,
        patiently: bool = False,
    ) -> _Answer | None:
        """Put a question to Nova's report client, None without an answer.

        :param patiently: whether to ask again for a while. All who are
            patient share one while, so a host with many guests starts in
            time without Placement; after it, one that answers nothing for
            long is not asked again for as long
        """
        if patiently and self._clock() < self._silent_until:
            return None
        while True:
            asked = self._clock()
            try:
                return question(self._client())
            except _NO_ANSWER as error:
                now = self._clock()
                if not patiently or self._is_over(now):
                    LOG.warning('No answer of Placement: %s', error)
                    self._silent_until = now + (now - asked)
                    return None
                self._sleep(_PAUSE_SECONDS)

    def _is_over(self, now: float) -> bool:
        if self._until is None:
            self._until = now + _PATIENCE_SECONDS
        return now >= self._until
