"""One way to place a request on a host, as Placement offers it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from typing import NamedTuple


class Part(NamedTuple):
    """So many units of one class, of one provider."""

    provider: str
    resource_class: str
    units: int


# What Part() calls. It is called for each candidate of each host.
_new = tuple.__new__


def parts(
    candidate: Mapping[str, Any], ours: Mapping[str, object]
) -> tuple[Part, ...]:
    """Read what a candidate takes of our providers.

    :param candidate: an allocation request of Placement's, with
        ``allocations`` by the UUID of the provider
    :param ours: our providers of that host, by UUID
    """
    return tuple(
        [
            _new(Part, (provider, rc, units))
            for provider, allocation in candidate['allocations'].items()
            if provider in ours
            for rc, units in allocation['resources'].items()
        ]
    )
