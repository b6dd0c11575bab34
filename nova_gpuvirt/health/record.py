"""What is remembered of one card over a restart, and its text. Pure.

::

    {
      "version": 1,
      "quarantine": {
        "reason": "it crashes guests",
        "since": "2026-11-30T02:56:03Z",
        "by": "operator"
      },
      "dirty": [
        {
          "slot": "passthrough:0000:3b:00.0",
          "instance": "155d900f-4e14-4e4c-a73d-069cbf4541e6",
          "since": "2026-11-30T02:56:03Z"
        }
      ],
      "layout": {"card": "10de:26b9", "wish": {"vfs": "all"}}
    }

A key that is not known makes the text nonsense: a later version has another
number, and what it says of a card is not guessed.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import uuid
from collections.abc import Mapping
from typing import Any

from nova_gpuvirt import exception

_VERSION = 1
_TIME = '%Y-%m-%dT%H:%M:%SZ'


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
class Dirty:
    """What an instance had of a card, and may have left its state in.

    `slot` is the identifier of its claim, and `instance` its UUID.
    """

    slot: str
    instance: str
    since: str


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


NOTHING = Record()


def time(when: datetime.datetime) -> str:
    """Write a time as records have it."""
    return when.astimezone(datetime.UTC).strftime(_TIME)


def dump(record: Record) -> str:
    """Write a record as text."""
    quarantine = record.quarantine
    layout = record.layout
    return (
        json.dumps(
            {
                'version': _VERSION,
                'quarantine': quarantine
                and {
                    'reason': quarantine.reason,
                    'since': quarantine.since,
                    'by': quarantine.by.value,
                },
                'dirty': [dataclasses.asdict(each) for each in record.dirty],
                'layout': layout
                and {'card': layout.card, 'wish': json.loads(layout.wish)},
            },
            indent=2,
        )
        + '\n'
    )


def parse(text: str, name: str) -> Record:
    """Read a record.

    :param name: of the file, for the error
    :raises InvalidRecord: when it makes no sense
    """
    try:
        return _record(json.loads(text))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise invalid(name, str(error) or repr(error)) from error


def invalid(name: str, found: str) -> exception.InvalidRecord:
    """Make the error of a file that says nothing that can be gone by."""
    return exception.InvalidRecord(
        name,
        wanted='what is remembered of the card',
        found=found,
        remedy='see what it says, and delete it when nothing of that counts',
    )


def _record(found: Any) -> Record:
    fields = _fields(found, 'version', 'quarantine', 'dirty', 'layout')
    if fields['version'] != _VERSION or fields['version'] is True:
        raise ValueError(f'version {fields["version"]!r}, not {_VERSION}')
    if not isinstance(fields['dirty'], list):
        raise ValueError('"dirty" is no list')
    quarantine = fields['quarantine']
    layout = fields['layout']
    return Record(
        None if quarantine is None else _quarantine(quarantine),
        tuple(map(_dirty, fields['dirty'])),
        None if layout is None else _layout(layout),
    )


def _quarantine(found: Any) -> Quarantine:
    fields = _fields(found, 'reason', 'since', 'by')
    return Quarantine(
        _text(fields, 'reason'), _since(fields), By(fields['by'])
    )


def _dirty(found: Any) -> Dirty:
    fields = _fields(found, 'slot', 'instance', 'since')
    instance = _text(fields, 'instance')
    if str(uuid.UUID(instance)) != instance:
        raise ValueError(f'{instance!r} is no UUID')
    return Dirty(_text(fields, 'slot'), instance, _since(fields))


def _layout(found: Any) -> Layout:
    fields = _fields(found, 'card', 'wish')
    if not isinstance(fields['wish'], dict):
        raise ValueError('"wish" is no object')
    return Layout(
        _text(fields, 'card'), json.dumps(fields['wish'], sort_keys=True)
    )


def _fields(found: Any, *names: str) -> Mapping[str, Any]:
    """Read an object that has just these names."""
    if not isinstance(found, dict) or found.keys() != set(names):
        raise ValueError(f'not an object of {", ".join(names)}')
    return found


def _text(fields: Mapping[str, Any], name: str) -> str:
    text = fields[name]
    if not isinstance(text, str) or not text:
        raise ValueError(f'"{name}" is no text')
    return text


def _since(fields: Mapping[str, Any]) -> str:
    since = _text(fields, 'since')
    datetime.datetime.strptime(since, _TIME)
    return since
