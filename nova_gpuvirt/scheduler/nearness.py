"""Whether a guest fits beside the cards that a choice takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nova import objects
from nova.scheduler import host_manager

from nova_gpuvirt import extra_specs
from nova_gpuvirt.model import summary
from nova_gpuvirt.numa import fit
from nova_gpuvirt.scheduler import view as view_


class Nearness:
    """How near to the cards of one host the guest of one request can be.

    :param view: the host's GPUs
    """

    def __init__(
        self,
        policy: extra_specs.NumaPolicy,
        view: view_.View,
        host_state: host_manager.HostState,
        spec: objects.RequestSpec,
    ) -> None:
        self._required = policy is extra_specs.NumaPolicy.REQUIRED
        self._view = view
        self._host = host_state
        self._spec = spec
        self._fits: dict[frozenset[int], Any] = {}

    def refusal(self, parts: view_.Parts) -> str | None:
        """Tell why a choice is too far from where the guest can be."""
        if not self._required:
            return None
        if self._spec.numa_topology is None:
            return extra_specs.NO_TOPOLOGY
        if not self.is_far(parts):
            return None
        at = ', '.join(
            f'{card.device} on NUMA node {card.numa_node}'
            for card in self._cards(parts)
        )
        cells = len(self._spec.numa_topology)
        return f'the guest, of {cells} NUMA cells, does not fit beside {at}'

    def is_far(self, parts: view_.Parts) -> bool:
        """Tell whether the guest can't have a cell beside each card."""
        nodes = self._nodes(parts)
        return bool(nodes) and self._fit(nodes) is None

    def fitted(
        self, parts: view_.Parts
    ) -> objects.InstanceNUMATopology | None:
        """Fit the guest beside its cards now, None where it need not be."""
        nodes = self._nodes(parts)
        return self._look(nodes) if nodes else None

    def _cards(self, parts: view_.Parts) -> list[summary.Card]:
        return [c for part in parts for c, _, _ in self._view.touched(part)]

    def _nodes(self, parts: view_.Parts) -> frozenset[int]:
        """List the nodes of a choice's cards, those that are known.

        Which set the host will take is not known, unless all are alike.
        """
        view = self._view
        nodes: set[int] = set()
        for part in parts:
            sets = view.sets.get(part.provider)
            if sets is None:
                nodes |= _known([view.cards[part.provider]])
                continue
            places = {
                _known(view.summary.cards[index] for index in each)
                for each in sets.free.get(part.resource_class, ())
            }
            if len(places) == 1:
                nodes |= places.pop()
        return frozenset(nodes)

    def _fit(
        self, nodes: frozenset[int]
    ) -> objects.InstanceNUMATopology | None:
        if nodes not in self._fits:
            self._fits[nodes] = self._look(nodes)
        return self._fits[nodes]

    def _look(
        self, nodes: frozenset[int]
    ) -> objects.InstanceNUMATopology | None:
        spec, host = self._spec, self._host
        if spec.numa_topology is None:
            return None
        pci = spec.pci_requests.requests if spec.pci_requests else None
        return fit.fit(
            host.numa_topology,
            spec.numa_topology,
            nodes,
            fit.limits(host),
            spec.network_metadata if 'network_metadata' in spec else None,
            (pci, host.pci_stats),
        )


def _known(cards: Iterable[summary.Card]) -> frozenset[int]:
    return frozenset(
        card.numa_node for card in cards if card.numa_node is not None
    )


def nearness(
    policy: extra_specs.NumaPolicy,
    view: view_.View,
    host_state: host_manager.HostState,
    spec: objects.RequestSpec,
) -> Nearness | None:
    """Look where a guest can be; None where that does not matter."""
    if policy is extra_specs.NumaPolicy.NONE:
        return None
    required = policy is extra_specs.NumaPolicy.REQUIRED
    if spec.numa_topology is None and not required:
        return None
    return Nearness(policy, view, host_state, spec)
