"""A finding: one thing that a check says, and what to do about it."""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import TypeVar

_Subject = TypeVar('_Subject')


class Level(enum.Enum):
    """How bad a finding is.

    FAIL: guests do not get what a card is for, or nova-compute does not
    start. WARN: they get less than they could, or it could not be seen.
    """

    PASS = 'PASS'
    WARN = 'WARN'
    FAIL = 'FAIL'


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found, and the remedy; a PASS needs none.

    `devices` are the cards that it is about; none where it is the host.
    """

    level: Level
    found: str
    remedy: str = ''
    devices: tuple[str, ...] = ()


class Unseen(Exception):
    """Something can't be seen, so nothing is known of it.

    :ivar remedy: how to see it
    """

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.remedy = remedy


def passed(found: str) -> Finding:
    """Say that all is well."""
    return Finding(Level.PASS, found)


def warning(found: str, remedy: str, *devices: object) -> Finding:
    """Say what is less than it could be, or not known."""
    return Finding(Level.WARN, found, remedy, tuple(map(str, devices)))


def failure(found: str, remedy: str, *devices: object) -> Finding:
    """Say what does not work."""
    return Finding(Level.FAIL, found, remedy, tuple(map(str, devices)))


def or_passed(
    found: str,
) -> Callable[
    [Callable[[_Subject], Iterable[Finding]]],
    Callable[[_Subject], Iterator[Finding]],
]:
    """Say that all is well where a check has found nothing else."""

    def decorated(
        check: Callable[[_Subject], Iterable[Finding]],
    ) -> Callable[[_Subject], Iterator[Finding]]:
        @functools.wraps(check)
        def checked(subject: _Subject) -> Iterator[Finding]:
            is_well = True
            for each in check(subject):
                is_well = False
                yield each
            if is_well:
                yield passed(found)

        return checked

    return decorated


def together(findings: Iterable[Finding]) -> list[Finding]:
    """Say once what is the same of several cards."""
    devices: dict[Finding, list[str]] = {}
    for each in findings:
        alike = dataclasses.replace(each, devices=())
        devices.setdefault(alike, []).extend(each.devices)
    return [
        dataclasses.replace(each, devices=tuple(of))
        for each, of in devices.items()
    ]
