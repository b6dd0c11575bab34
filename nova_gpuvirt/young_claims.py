"""Claims that are made and not saved yet.

Nova saves a claim with its instance, some steps after it was made; a
periodic update of its tracker in between knows nothing of it.
"""

from __future__ import annotations

import functools
import logging
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from nova import objects

LOG = logging.getLogger(__name__)

# A claim is saved with its instance within seconds; until then a periodic
# update of the tracker, which reads the database, forgets it.
_YOUNG_SECONDS = 60.0


class YoungClaims:
    """Put claims back that the tracker forgot before they were saved.

    The tracker rebuilds its record from the database now and then. A claim
    that is missing from the same record was released. One that is missing
    from a rebuilt record was forgotten, if some instance is still under way;
    else it was dropped with its instance.

    :param under_way: tells whether Nova is at work on an instance here
    """

    def __init__(
        self,
        under_way: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._under_way = under_way
        self._clock = clock
        self._seen: dict[objects.Resource, tuple[float, set[Any]]] = {}
        # How many claims each provider has had, those that ended too.
        self.made: Counter[str] = Counter()

    def heal(
        self,
        assigned: Mapping[str, Mapping[str, set[Any]]],
        providers: Iterable[str],
    ) -> None:
        """Restore what was forgotten, and remember what is new.

        To be called under the tracker's lock.

        :param assigned: the tracker's record, by provider and class
        :param providers: those that are ours
        """
        now = self._clock()
        under_way = functools.cache(self._is_under_way)
        for resource, (first_seen, record) in list(self._seen.items()):
            current = assigned[resource.provider_uuid][resource.resource_class]
            if resource in current:
                continue
            young = now - first_seen < _YOUNG_SECONDS
            if current is not record and young and under_way():
                current.add(resource)
            else:
                del self._seen[resource]
        for provider in providers:
            for record in assigned[provider].values():
                for resource in record:
                    self.made[provider] += resource not in self._seen
                    first_seen, _ = self._seen.get(resource, (now, record))
                    self._seen[resource] = (first_seen, record)

    def _is_under_way(self) -> bool:
        """Ask, and take no answer for a yes: a claim too many does no harm."""
        try:
            return self._under_way()
        except Exception:
            LOG.exception('No answer whether an instance is under way here')
            return True
