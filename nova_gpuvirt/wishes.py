"""What the operator wants to be offered."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Sequence

from nova_gpuvirt import model


@dataclasses.dataclass(frozen=True, slots=True)
class Wishes:
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

    def narrow(self, gpu: model.Gpu) -> model.Gpu:
        """Mark what of a card is offered.

        What is not offered is still there for those that have it already.
        """
        excluded = any(
            fnmatch.fnmatchcase(str(gpu.address), glob.lower())
            for glob in self.exclude
        )
        return dataclasses.replace(
            gpu,
            offered=not excluded and self._allows(model.WHOLE),
            shares=tuple(
                dataclasses.replace(
                    share,
                    profiles=tuple(
                        dataclasses.replace(
                            p,
                            offered=not excluded
                            and self._allows(share.kind)
                            and self._names(p),
                        )
                        for p in share.profiles
                    ),
                )
                for share in gpu.shares
            ),
        )

    def _allows(self, kind: str) -> bool:
        return not self.kinds or kind in self.kinds

    def _names(self, profile: model.Profile) -> bool:
        return (
            not self.profiles
            or not profile.is_vgpu
            or any(profile.matches(glob) for glob in self.profiles)
        )
