"""In which order a request tries its candidates. Pure."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

_RANK = operator.itemgetter(0, 1, 2, 3, 4)


class Ranked(NamedTuple):
    """A candidate that can be had, and how good it is: less is better.

    :ivar takers: who has had it a moment ago, 0 if it is not taken by that
    :ivar is_far: whether the guest can't be near the cards
    :ivar apart: the NUMA nodes and switches that several cards are at
    :ivar chance: what decides between candidates that cost the same
    """

    takers: int
    is_far: bool
    cost: float
    apart: int
    chance: float
    candidate: Mapping[str, Any]


def in_order(ranked: Iterable[Ranked]) -> list[Ranked]:
    """Put candidates in order, the best one first."""
    return sorted(ranked, key=_RANK)
