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
    are offered (all, where it is empty), and `default_profile` globs of what
    the class VGPU stands for.
    """

    exclude: Sequence[str] = ()
    kinds: Sequence[model.Kind] = tuple(model.Kind)
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
        kinds = () if excluded else self.kinds
        return dataclasses.replace(
            gpu,
            offered=model.Kind.PASSTHROUGH in kinds,
            profiles=tuple(
                dataclasses.replace(p, offered=self._offers(p, kinds))
                for p in gpu.profiles
            ),
        )

    def _offers(
        self, profile: model.Profile, kinds: Sequence[model.Kind]
    ) -> bool:
        return model.Kind.MDEV in kinds and (
            not self.profiles
            or any(profile.matches(glob) for glob in self.profiles)
        )
