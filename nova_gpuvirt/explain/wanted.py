"""What a flavor asks of Placement. Pure."""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Collection
from collections.abc import Mapping

from nova_gpuvirt import model


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """A group of a request.

    That without a suffix may be of several providers of a host, which have
    the traits together; each of the others is of one.
    """

    suffix: str
    resources: Mapping[str, int]
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """All that is asked for; `query` is the request as Nova puts it."""

    query: str
    groups: tuple[Group, ...]
    policy: str | None = None

    @property
    def of_gpus(self) -> tuple[Group, ...]:
        """What is wanted of GPUs, each of one card.

        Of the group without a suffix, each class may be of another card.
        """
        asks = []
        for group in self.groups:
            gpus = {
                rc: units
                for rc, units in group.resources.items()
                if model.is_gpu_class(rc)
            }
            if group.suffix and gpus:
                asks.append(group)
            elif gpus:
                asks.extend(
                    dataclasses.replace(group, resources={rc: count})
                    for rc, count in sorted(gpus.items())
                )
        return tuple(asks)

    @property
    def of_hosts(self) -> tuple[Group, ...]:
        """What is wanted of hosts besides GPUs."""
        asks = []
        for group in self.groups:
            rest = {
                rc: units
                for rc, units in group.resources.items()
                if not model.is_gpu_class(rc)
            }
            if not group.suffix or len(rest) == len(group.resources):
                asks.append(dataclasses.replace(group, resources=rest))
        return tuple(asks)

    def query_in(self, tree: str) -> str:
        """Write the request for one host alone, by its provider's UUID."""
        within = {f'in_tree{group.suffix}': tree for group in self.groups}
        return f'{self.query}&{urllib.parse.urlencode(within)}'


def read(query: str) -> Wanted:
    """Read a query of Placement's ``/allocation_candidates``."""
    resources: dict[str, dict[str, int]] = {}
    traits: dict[str, list[str]] = {}
    policy = None
    for key, value in urllib.parse.parse_qsl(query):
        if key == 'group_policy':
            policy = value
        elif key.startswith('resources'):
            amounts = (each.partition(':') for each in value.split(','))
            resources[key.removeprefix('resources')] = {
                rc: int(count) for rc, _, count in amounts
            }
        elif key.startswith('required'):
            suffix = key.removeprefix('required')
            traits.setdefault(suffix, []).extend(value.split(','))
    groups = tuple(
        _group(suffix, resources[suffix], traits.get(suffix, ()))
        for suffix in sorted(resources)
    )
    return Wanted(query, groups, policy)


def _group(
    suffix: str, resources: Mapping[str, int], traits: Collection[str]
) -> Group:
    forbidden = frozenset(t[1:] for t in traits if t.startswith('!'))
    required = frozenset(t for t in traits if not t.startswith('!'))
    return Group(suffix, resources, required, forbidden)
