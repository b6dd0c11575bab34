"""What a host is worth to typical requests. Pure."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from nova_gpuvirt.scheduler import demand as demand_


class HostValue:
    """What a host is worth with so many CPUs and MiB left, in cards.

    :param usable: what can be used of its cards, by unit
    :ivar now: what it is worth with these cards
    """

    def __init__(
        self,
        demand: demand_.Demand,
        usable: Sequence[int],
        vcpus: float,
        memory_mb: float,
    ) -> None:
        self._usable = usable
        self._many = demand.many
        self._slopes = slopes = [0.0] * len(usable)
        # By unit: requests that CPUs or memory keep from using all there is,
        # with what each can use, and the most of that.
        self._bound: list[tuple[int, float, list[tuple[float, float]]]] = []
        now = 0.0
        for unit, alike in demand.typical:
            most = usable[unit]
            if not most:
                continue
            slope = top = 0.0
            bound = []
            for weight, least_vcpus, least_mb, per_vcpu, per_mb in alike:
                if vcpus < least_vcpus:
                    break
                if memory_mb < least_mb:
                    continue
                use = vcpus * per_vcpu
                other = memory_mb * per_mb
                if other < use:
                    use = other
                if use < most:
                    bound.append((weight, use))
                    now += weight * use
                    if use > top:
                        top = use
                else:
                    slope += weight
            if bound:
                self._bound.append((unit, top, bound))
            slopes[unit] = slope
            now += slope * most
        self.now = now

    def after(self, change: Sequence[int]) -> float:
        """Tell it after the cards have changed.

        :param change: how much each unit's usable millionths change; none
            grow
        """
        usable = self._usable
        for i, least in self._many:
            if change[i] and usable[i] + change[i] < least:
                change = [*change]
                change[i] = -usable[i]
        worth: float = sum(map(operator.mul, self._slopes, change), self.now)
        for unit, top, bound in self._bound:
            most = usable[unit] + change[unit]
            if most < top:
                for weight, use in bound:
                    if most < use:
                        worth -= weight * (use - most)
        return worth
