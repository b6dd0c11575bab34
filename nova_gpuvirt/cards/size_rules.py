"""What the parts of a card take from each other, rule by rule.

Each rule starts from the driver's own word (`Profile.available`), which
counts every vGPU that exists, and takes away those that are claimed and not
made yet. So a rule only has to be right about what the driver can't know.
"""

from __future__ import annotations

import abc
import dataclasses
from collections import Counter
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from fractions import Fraction

from nova_gpuvirt import model


class Independent(model.Rule):
    """Parts that take nothing from each other: VFs that are cut already."""

    def left(
        self, profiles: Sequence[model.Profile], pending: Counter[str]
    ) -> dict[str, int]:
        """Take away what is pending of the profile itself."""
        return {
            p.slug: max(0, p.available - pending[p.slug]) for p in profiles
        }


class Common(model.Rule):
    """Parts of one budget: what is unknown may take all of it."""

    def left(
        self, profiles: Sequence[model.Profile], pending: Counter[str]
    ) -> dict[str, int]:
        """Leave nothing beside a pending part that can't be weighed."""
        if pending.keys() - {p.slug for p in profiles}:
            return {p.slug: 0 for p in profiles}
        return self._left(profiles, pending)

    @abc.abstractmethod
    def _left(
        self, profiles: Sequence[model.Profile], pending: Counter[str]
    ) -> dict[str, int]:
        """Count what is left beside known parts."""


class EqualSize(Common):
    """One size of framebuffer on a card.

    The vGPUs of one size share their number, whatever the series: on hosts
    with one RTXA6000-2Q of 24, -2B and -2Q both show 23, every other size 0.
    """

    def _left(
        self, profiles: Sequence[model.Profile], pending: Counter[str]
    ) -> dict[str, int]:
        sizes = {p.framebuffer_mib for p in profiles if pending[p.slug]}
        count = pending.total()
        return {
            p.slug: max(0, p.available - count)
            if not sizes or sizes == {p.framebuffer_mib}
            else 0
            for p in profiles
        }

    def clash(self, profiles: Collection[model.Profile]) -> str | None:
        """Refuse two sizes."""
        sizes = {p.framebuffer_mib: p.name for p in profiles}
        if len(sizes) < 2:
            return None
        names = ', '.join(sorted(sizes.values()))
        return f'vGPUs of different sizes are claimed: {names}'


class LikelyEqualSize(EqualSize):
    """One size as far as anybody knows: the driver judges what is claimed."""

    def clash(self, profiles: Collection[model.Profile]) -> str | None:
        """Refuse nothing: sizes may mix on this card."""
        return None


class Aperture(Common):
    """Several budgets, of which each vGPU takes a part.

    The budgets can't be read. What is left of one is at least what the
    driver would still make of any one profile; the rest stays unused rather
    than promised (drivers/gpu/drm/i915/gvt/vgpu.c).
    """

    def _left(
        self, profiles: Sequence[model.Profile], pending: Counter[str]
    ) -> dict[str, int]:
        budgets = [
            max(p.available * p.needs[i] for p in profiles)
            - sum(pending[p.slug] * p.needs[i] for p in profiles)
            for i in range(len(profiles[0].needs))
        ]
        return {
            p.slug: max(
                0, min(b // n for b, n in zip(budgets, p.needs, strict=True))
            )
            for p in profiles
        }


class Proportional(Common):
    """Parts of what is left of a card, of budgets that nobody tells.

    Whatever a vGPU takes, and of however many budgets, n of those of which
    `available` fit take at most n/available of each. So parts that add up to
    less than one always fit; where that is too strict, the driver's word is
    taken again as soon as the pending ones are made.
    """

    def _left(
        self, profiles: Sequence[model.Profile], pending: Counter[str]
    ) -> dict[str, int]:
        unused = Fraction(1)
        for profile in profiles:
            if pending[profile.slug]:
                unused -= Fraction(
                    pending[profile.slug], max(profile.available, 1)
                )
        return {p.slug: max(0, int(unused * p.available)) for p in profiles}


@dataclasses.dataclass(frozen=True, slots=True)
class GpuInstances(Common):
    """vGPUs that live in MIG's GPU instances.

    A GPU instance holds vGPUs of one framebuffer size, and a profile of vGPU
    needs a GPU instance of its own profile. The driver chooses it: a pending
    one may find its place beside others, or begin an empty instance. So while
    some are pending, nothing of another size is offered in their instances.

    :ivar kinds: the id of the GPU instance profile, by slug
    """

    kinds: Mapping[str, int]

    def _left(
        self, profiles: Sequence[model.Profile], pending: Counter[str]
    ) -> dict[str, int]:
        waiting = [p for p in profiles if pending[p.slug]]
        left = {}
        for profile in profiles:
            beside = [
                p
                for p in waiting
                if self.kinds.get(p.slug) == self.kinds.get(profile.slug)
            ]
            count = sum(pending[p.slug] for p in beside)
            same = all(
                p.framebuffer_mib == profile.framebuffer_mib for p in beside
            )
            left[profile.slug] = (
                max(0, profile.available - count) if same else 0
            )
        return left


@dataclasses.dataclass(frozen=True, slots=True)
class Apart(Common):
    """Profiles that go by several rules, and share nothing across these.

    :ivar rules: by slug
    """

    rules: Mapping[str, model.Rule]

    def _left(
        self, profiles: Sequence[model.Profile], pending: Counter[str]
    ) -> dict[str, int]:
        left: dict[str, int] = {}
        for rule in {id(r): r for r in self.rules.values()}.values():
            mine = [p for p in profiles if self.rules[p.slug] is rule]
            slugs = {p.slug for p in mine}
            theirs = {s: n for s, n in pending.items() if s in slugs}
            left |= rule.left(mine, Counter(theirs))
        return left


class OneAtATime(Common):
    """Parts of which only the driver knows how many more would fit.

    It says that one would: so one is offered, and asked for again when that
    one is made.
    """

    def _left(
        self, profiles: Sequence[model.Profile], pending: Counter[str]
    ) -> dict[str, int]:
        return {
            p.slug: 0 if pending else min(1, p.available) for p in profiles
        }


INDEPENDENT = Independent()
EQUAL_SIZE = EqualSize()
LIKELY_EQUAL_SIZE = LikelyEqualSize()
APERTURE = Aperture()
PROPORTIONAL = Proportional()
ONE_AT_A_TIME = OneAtATime()
