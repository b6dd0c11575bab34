"""Claims that are made and not saved yet.

Nova saves a claim with its instance, some steps after it was made; a
periodic update of its tracker in between knows nothing of it.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from nova import objects

LOG = logging.getLogger(__name__)

# A claim is saved with its instance within seconds; until then a periodic
# update of the tracker, which reads the database, forgets it.
_YOUNG_SECONDS = 60.0


@dataclasses.dataclass(slots=True)
class _Seen:
    """The claims of one class of a provider, when they were last seen.

    `record` is the tracker's own set, `claims` are those that were in it,
    and `since` is when each was seen first.
    """

    record: set[objects.Resource] | None = None
    claims: frozenset[objects.Resource] = frozenset()
    since: dict[objects.Resource, float] = dataclasses.field(
        default_factory=dict
    )


class UnsavedClaims:
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
        self._seen: dict[tuple[str, str], _Seen] = {}

    def heal(
        self,
        assigned: Mapping[str, Mapping[str, set[Any]]],
        providers: Iterable[str],
    ) -> None:
        """Restore what was forgotten, and remember what is new.

        To be called under the tracker's lock, in each claim: what did not
        change is only compared.

        :param assigned: the tracker's record, by provider and class
        :param providers: those that are ours
        """
        now = self._clock()
        under_way = functools.cache(self._is_under_way)
        for key, seen in self._seen.items():
            provider, resource_class = key
            record = assigned[provider][resource_class]
            for claim in seen.claims - record:
                young = now - seen.since[claim] < _YOUNG_SECONDS
                if record is not seen.record and young and under_way():
                    record.add(claim)
                else:
                    del seen.since[claim]
        for provider in providers:
            for resource_class, record in assigned[provider].items():
                seen = self._seen.setdefault(
                    (provider, resource_class), _Seen()
                )
                seen.since.update(dict.fromkeys(record - seen.claims, now))
                seen.record = record
                seen.claims = frozenset(record)

    def _is_under_way(self) -> bool:
        """Ask, and take no answer for a yes: a claim too many does no harm."""
        try:
            return self._under_way()
        except Exception:
            LOG.exception('No answer whether an instance is under way here')
            return True
