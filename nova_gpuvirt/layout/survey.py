"""All cards of a host, with what they shall be and the way there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.layout import document
from nova_gpuvirt.layout import planner
from nova_gpuvirt.layout import reading
from nova_gpuvirt.layout import state as state_
from nova_gpuvirt.layout import wish as wish_


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """A card, what it is and shall be, and the steps.

    `unreadable` says why it is not known what it is; there is no plan then.
    """

    gpu: model.Gpu
    wish: wish_.Wish
    state: state_.State
    plan: planner.Plan
    unreadable: str | None = None

    @property
    def is_as_wished(self) -> bool:
        """Tell whether nothing has to be done."""
        return self.wish.changes_nothing or (
            self.unreadable is None and self.plan.is_nothing
        )

    @property
    def may_be_later(self) -> bool:
        """Tell whether what can't be is only not known, or not there, yet."""
        return bool(self.plan.impossible) and (
            bool(self.state.unknown) or self.state.driver is None
        )


def survey(
    machine: machine_.Machine,
    gpus: Iterable[model.Gpu],
    layout: document.Layout,
) -> tuple[Card, ...]:
    """Look at the GPUs on PCI, one after the other."""
    return tuple(
        look(machine, gpu, layout.wish(gpu))
        for gpu in gpus
        if can_be_changed(gpu)
    )


def can_be_changed(gpu: model.Gpu) -> bool:
    """Tell whether something can be made of a card.

    It can not of what is of a GPU's class and none, nor of a renderer that is
    no PCI card.
    """
    return gpu.function is not None and gpu.withheld is None


def look(machine: machine_.Machine, gpu: model.Gpu, wish: wish_.Wish) -> Card:
    """Look at one card, which may be one that can't be read."""
    assert isinstance(gpu.address, model.PciAddress)
    unreadable = gpu.refusal
    state = state_.State()
    if unreadable is None:
        try:
            state = reading.read(machine, gpu.address)
        except exception.SysfsError as error:
            unreadable = str(error)
    plan = (
        planner.plan(state, wish)
        if unreadable is None
        else planner.Plan((), (), ())
    )
    return Card(gpu, wish, state, plan, unreadable)
