"""What is remembered of one card over a restart. Pure.

`record_text` has how it is written.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Callable

from nova_gpuvirt import model

TIME = '%Y-%m-%dT%H:%M:%SZ'


class By(enum.Enum):
    """Who has put a card into quarantine."""

    OPERATOR = 'operator'
    NOVA_GPUVIRT = 'nova-gpuvirt'


@dataclasses.dataclass(frozen=True, slots=True)
class Quarantine:
    """Why no further guest gets anything of a card.

    `since` is a time in UTC, as ``2026-11-30T02:56:03Z``.
    """

    reason: str
    since: str
    by: By


@dataclasses.dataclass(frozen=True, slots=True)
class Function:
    """A PCI function, as it was before an instance had it.

    `driver` is None where none had it, and `config` where its configuration
    space could not be read; its text is that of `config_space`.
    """

    address: str
    driver: str | None
    config: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Vfs:
    """How many VFs a card had when it was about to lose them, one at least.

    `boot` is the id of the start of the host in which it had them, None where
    that is not known.
    """

    count: int
    boot: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Dirty:
    """What an instance had of a card, and may have left its state in.

    `slot` is the identifier of its claim, and `instance` its UUID. `failed`
    says why it could not be cleaned, None until that was tried in vain.
    `boot` is the id of the start of the host in which `functions` were read.
    `is_taken_for_clean` is what an operator has said, and nova-compute has
    not seen yet. `vfs` are those that cleaning ends and makes again, None
    while there are none.
    """

    slot: str
    instance: str
    since: str
    functions: tuple[Function, ...] = ()
    failed: str | None = None
    boot: str | None = None
    is_taken_for_clean: bool = False
    vfs: Vfs | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Who had it, and what: it is dirty once for each two."""
        return self.instance, self.slot

    @property
    def claim(self) -> model.Claim:
        """What it is as a claim, of no class: nobody claims it any more."""
        return model.Claim('', self.slot)


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """What a layout has made a card, which what servers have lives in.

    `card` is its vendor's and device's id: another card is not that. `wish`
    is the text of a JSON object.
    """

    card: str
    wish: str


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of one card; nothing of most."""

    quarantine: Quarantine | None = None
    dirty: tuple[Dirty, ...] = ()
    layout: Layout | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to remember."""
        return self == NOTHING

    def put(self, quarantine: Quarantine) -> Record:
        """Put the card into quarantine.

        An operator's goes before one of ours, and the later one before the
        earlier. One that says the same goes on since it began.
        """
        now = self.quarantine
        if now is not None and (
            (now.by is By.OPERATOR and quarantine.by is not By.OPERATOR)
            or now == dataclasses.replace(quarantine, since=now.since)
        ):
            return self
        return dataclasses.replace(self, quarantine=quarantine)

    def released(self, by: By) -> Record:
        """End its quarantine; ours ends none of an operator's."""
        now = self.quarantine
        if now is None or (now.by is By.OPERATOR and by is not By.OPERATOR):
            return self
        return dataclasses.replace(self, quarantine=None)

    def with_dirty(self, new: Dirty) -> Record:
        """Take note that an instance has something."""
        record = self.cleaned(new)
        return dataclasses.replace(record, dirty=(*record.dirty, new))

    def cleaned(self, dirty: Dirty) -> Record:
        """Take note that nothing of an instance is there any more."""
        left = tuple(one for one in self.dirty if one.key != dirty.key)
        return dataclasses.replace(self, dirty=left)

    def failed(self, dirty: Dirty, why: str) -> Record:
        """Take note that what an instance had could not be cleaned.

        That it is taken for clean counts still where it was said meanwhile.
        """

        def failed(one: Dirty) -> Dirty:
            if one.key != dirty.key:
                return one
            said = one.is_taken_for_clean and not dirty.is_taken_for_clean
            return dataclasses.replace(
                one, failed=why, is_taken_for_clean=said
            )

        return self._with_each(failed)

    def with_vfs(self, dirty: Dirty, vfs: Vfs) -> Record:
        """Take note of the VFs that the card is about to lose."""
        return self._with_each(
            lambda one: (
                dataclasses.replace(one, vfs=vfs)
                if one.key == dirty.key
                else one
            )
        )

    def had_since(self, dirty: Dirty) -> Record:
        """Take nothing for clean that an instance has still."""
        return self._with_each(
            lambda one: (
                dataclasses.replace(one, is_taken_for_clean=False)
                if one.key == dirty.key
                else one
            )
        )

    def taken_for_clean(self) -> Record:
        """Take for clean what is dirty, and what nobody has any more."""
        return self._with_each(
            lambda one: dataclasses.replace(
                one, is_taken_for_clean=True, failed=None
            )
        )

    def to_be_tried(self) -> Record:
        """Forget that something could not be cleaned."""
        return self._with_each(
            lambda one: dataclasses.replace(one, failed=None)
        )

    def _with_each(self, how: Callable[[Dirty], Dirty]) -> Record:
        return dataclasses.replace(self, dirty=tuple(map(how, self.dirty)))


NOTHING = Record()


def time(when: datetime.datetime) -> str:
    """Write a time as records have it."""
    return when.astimezone(datetime.UTC).strftime(TIME)


def now() -> str:
    """Write the time of this moment."""
    return time(datetime.datetime.now(datetime.UTC))
