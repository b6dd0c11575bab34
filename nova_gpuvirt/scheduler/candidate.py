"""One way to place a request on a host, as Placement offers it. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """Units of one class, of one provider."""

    provider: str
    resource_class: str
    count: int


def parts(
    candidate: Mapping[str, Any], ours: Mapping[str, object]
) -> tuple[Part, ...]:
    """Read what a candidate takes of our providers.

    :param candidate: an allocation request of Placement's, with
        ``allocations`` by the UUID of the provider
    :param ours: our providers of that host, by UUID
    """
    return tuple(
        Part(provider, rc, count)
        for provider, allocation in candidate['allocations'].items()
        if provider in ours
        for rc, count in allocation['resources'].items()
    )
