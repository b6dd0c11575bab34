"""What the operator wants to be offered."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Sequence
from typing import Protocol

from nova_gpuvirt import model


class PerCard(Protocol):
    """What the operator wants of each card."""

    def of(self, gpu: model.Gpu) -> OperatorFilter:
        """Tell what is wanted of one card."""


@dataclasses.dataclass(frozen=True, slots=True)
class OperatorFilter:
    """What the operator wants, from the options of [gpuvirt].

    `exclude` are globs of addresses that are not offered, `kinds` the ways
    in which guests may have a card, `profiles` globs of the profiles that
    are offered (all, where one of the two is empty), and `default_profile`
    globs of what the class VGPU stands for.
    """

    exclude: Sequence[str] = ()
    kinds: Sequence[str] = ()
    profiles: Sequence[str] = ()
    default_profile: Sequence[str] = ()

    def of(self, gpu: model.Gpu) -> OperatorFilter:
        """Tell what is wanted of one card: of each the same."""
        return self

    def narrow(self, gpu: model.Gpu) -> model.Gpu:
        """Mark what of a card is offered.

        What is not offered is still there for those that have it already.
        """
        named = self._excludes(gpu.address)
        excluded = gpu.withheld is not None or named
        # One in quarantine keeps its place in sets, as one that is sick does:
        # the sets of the others stay as they are.
        not_in_sets = named if gpu.quarantined else excluded
        return dataclasses.replace(
            gpu,
            offered=not excluded and self._allows(model.WHOLE),
            in_sets=not not_in_sets and self._allows(model.SET),
            shares=tuple(
                self._narrow(share, excluded=excluded) for share in gpu.shares
            ),
        )

    def _narrow(self, share: model.Share, *, excluded: bool) -> model.Share:
        offered = not excluded and self._allows(share.kind)
        return dataclasses.replace(
            share,
            offered=offered,
            profiles=tuple(
                p
                if p.offered == (named := offered and self._names(p))
                else dataclasses.replace(p, offered=named)
                for p in share.profiles
            ),
            excluded=frozenset(
                place
                for p in share.profiles
                for place in p.places or ()
                if self._excludes(place)
            )
            | frozenset(
                v.slot.device
                for v in share.vgpus
                if v.slot is not None and self._excludes(v.slot.device)
            ),
        )

    def _excludes(self, device: model.Device) -> bool:
        if not self.exclude:
            return False
        name = str(device).lower()
        return any(fnmatch.fnmatchcase(name, g.lower()) for g in self.exclude)

    def _allows(self, kind: str) -> bool:
        return not self.kinds or kind in self.kinds

    def _names(self, profile: model.Profile) -> bool:
        return (
            not self.profiles
            or not profile.is_vgpu
            or any(profile.matches(glob) for glob in self.profiles)
        )
