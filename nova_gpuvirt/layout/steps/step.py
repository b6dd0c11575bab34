"""What a step from what a card is to what it shall be can tell."""

from __future__ import annotations

import abc
import dataclasses

from nova_gpuvirt.host import rootonly
from nova_gpuvirt.layout import state as state_


@dataclasses.dataclass(frozen=True, slots=True)
class Step(abc.ABC):
    """One change of a card."""

    @abc.abstractmethod
    def __str__(self) -> str:
        """Say what is done."""

    @abc.abstractmethod
    def take(self, root: rootonly.Rootly, address: str) -> None:
        """Do it.

        :raises OSError: what the kernel answers
        :raises CommandFailed: what the vendor's command says
        """

    @abc.abstractmethod
    def after(self, state: state_.State) -> state_.State:
        """Tell how a card is when it was done."""

    @abc.abstractmethod
    def is_done(self, state: state_.State) -> bool:
        """Tell whether a card is so."""

    def loses(self, state: state_.State) -> str | None:
        """Say what of a card is gone afterwards, None for nothing."""
        return None
