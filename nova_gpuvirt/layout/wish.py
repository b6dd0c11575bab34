"""What one card shall be."""

from __future__ import annotations

import dataclasses

from nova_gpuvirt import model

ALL = 'all'
"""As many VFs as a card can have."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """What a card shall be; None is what the host has made of it.

    `vfs` is their number, or `ALL`. `mig` is whether it is in MIG mode, with
    `gpu_instances`: profiles as ``1g.10gb``, or their ids, in the order in
    which they are made; each may have its place behind a colon. `mixed_sizes`
    is whether vGPUs of several sizes share it, or each of its GPU instances.
    `partition` and `memory_mode` are AMD's, as ``CPX`` and ``NPS4``.
    `vf_memory` is what each VF has of its graphics memory, in bytes.

    `left_alone` is a card that nothing is done to, and that is not offered.
    `kinds`, `profiles` and `default_profile` are those of `OperatorFilter`
    for this card, and `api_sessions` is how many guests may draw with it.
    """

    left_alone: bool = False
    kinds: tuple[str, ...] | None = None
    profiles: tuple[str, ...] | None = None
    default_profile: tuple[str, ...] | None = None
    api_sessions: int | None = None
    vfs: int | str | None = None
    mig: bool | None = None
    gpu_instances: tuple[str, ...] = ()
    mixed_sizes: bool | None = None
    partition: str | None = None
    memory_mode: str | None = None
    vf_memory: int | None = None

    @property
    def modes(self) -> tuple[object, ...]:
        """What the card is made, without what of it is offered."""
        return (
            *(self.vfs, self.mig, self.gpu_instances, self.mixed_sizes),
            *(self.partition, self.memory_mode, self.vf_memory),
        )

    @property
    def changes_nothing(self) -> bool:
        """Tell whether no mode of the card is named, or none is to be set."""
        return self.left_alone or self.modes == NOTHING.modes

    def vf_count(self, total: int) -> int | None:
        """Count the VFs that are wanted, None for those that there are.

        :param total: how many the card can have
        """
        if self.vfs == ALL:
            return total
        return None if self.vfs is None else int(self.vfs)


NOTHING = Wish()
"""A card stays as the host has made it."""

WHOLE_KINDS = (model.WHOLE, model.SET)
