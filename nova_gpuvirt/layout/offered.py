"""What of each card is offered: the host's options, and a layout's. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.layout import wish as wish_


@dataclasses.dataclass(frozen=True, slots=True)
class Offered:
    """What is wanted of each card; what a layout says goes first.

    A card is excluded by either.

    :ivar options: what is wanted where the layout says nothing
    :ivar sessions: how many guests may draw with a card, where the layout
        says nothing
    :ivar wish: tells what a card shall be at this moment
    """

    options: operator_filter.OperatorFilter
    sessions: int
    wish: Callable[[model.Gpu], wish_.Wish]

    def of(self, gpu: model.Gpu) -> operator_filter.OperatorFilter:
        """Tell what is wanted of one card."""
        wish = self.wish(gpu)
        options = self.options
        exclude = options.exclude
        if wish.left_alone:
            exclude = (*exclude, str(gpu.address))
        return dataclasses.replace(
            options,
            exclude=exclude,
            kinds=_either(wish.kinds, options.kinds),
            profiles=_either(wish.profiles, options.profiles),
            default_profile=_either(
                wish.default_profile, options.default_profile
            ),
        )

    def api_sessions(self, gpu: model.Gpu) -> int:
        """Tell how many guests may draw with one card."""
        wished = self.wish(gpu).api_sessions
        return self.sessions if wished is None else wished


def _either(
    wished: Sequence[str] | None, option: Sequence[str]
) -> Sequence[str]:
    return option if wished is None else wished
