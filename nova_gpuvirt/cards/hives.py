"""Which of AMD's cards are of one XGMI hive, as far as amdgpu has told.

It tells while it has a card, and what it told is kept: a card that a guest
has stays in its hive.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from collections.abc import Mapping

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.host import sysfs as sysfs_


class Hives:
    """The hives of a host."""

    def __init__(self, sysfs: sysfs_.Sysfs) -> None:
        self._sysfs = sysfs
        self._known: dict[model.PciAddress, str] = {}
        self._in_none: set[model.PciAddress] = set()

    @property
    def known(self) -> Mapping[model.PciAddress, str]:
        """The hive of each card that is in one, by its number."""
        return self._known

    def learn(self, gpu: model.Gpu) -> None:
        """Read a card's hive; one that can't be read is as it was."""
        card = gpu.address
        if not isinstance(card, model.PciAddress):
            return
        with contextlib.suppress(exception.SysfsError):
            hive = discovery.hive(self._sysfs, card)
            if hive is not None:
                self._known[card] = hive
                self._in_none.discard(card)
            elif card not in self._known and _tells(gpu):
                self._in_none.add(card)

    def beside(
        self, card: model.PciAddress, among: Collection[model.PciAddress]
    ) -> set[model.PciAddress]:
        """List those cards that are of a card's hive, or may be.

        Until amdgpu has told of both, AMD's cards of one model may be.
        """
        if card in self._in_none:
            return set()
        mine = self._known.get(card)
        others = {*among} - {card, *self._in_none}
        known = {c for c in others if mine and self._known.get(c) == mine}
        ids = self._ids(card)
        if ids is None or ids[0] != model.AMD:
            return known
        return known | {
            c
            for c in others
            if (mine is None or c not in self._known) and self._ids(c) == ids
        }

    def _ids(self, card: model.PciAddress) -> model.Ids | None:
        """Read the ids of a card, None where it is not there."""
        try:
            return pci_function.ids(self._sysfs, card)
        except exception.SysfsError:
            return None


def _tells(gpu: model.Gpu) -> bool:
    """Tell whether amdgpu has a card, and has done all to start it.

    It shows the render node last (``drm_dev_register`` of amdgpu_drv.c).
    """
    function = gpu.function
    return (
        function is not None
        and function.driver == 'amdgpu'
        and gpu.render_node is not None
    )
