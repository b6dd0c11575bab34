"""The text of what is remembered of one card. Pure.

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
          "since": "2026-11-30T02:56:03Z",
          "functions": [
            {"address": "0000:3b:00.0", "driver": "nvidia", "config": "..."}
          ],
          "failed": null,
          "boot": "1d1d5c1c-2f0f-4c5e-9d2c-6ad8f3f2e0b1",
          "is_taken_for_clean": false,
          "vfs": {"count": 4, "boot": "1d1d5c1c-2f0f-4c5e-9d2c-6ad8f3f2e0b1"}
        }
      ],
      "layout": {"card": "10de:26b9", "wish": {"vfs": "all"}}
    }

A key that is not known makes the text nonsense: a later version has another
number, and what it says of a card is not guessed. ``vfs`` alone came later
with the same number: it is only there where there is one.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import uuid
from collections.abc import Mapping
from typing import Any

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.health import record as record_

_VERSION = 1


def dump(record: record_.Record) -> str:
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
                'dirty': [*map(_dirty_dumped, record.dirty)],
                'layout': layout
                and {'card': layout.card, 'wish': json.loads(layout.wish)},
            },
            indent=2,
        )
        + '\n'
    )


def parse(text: str, name: str) -> record_.Record:
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


def _record(found: Any) -> record_.Record:
    fields = _fields(found, 'version', 'quarantine', 'dirty', 'layout')
    if fields['version'] != _VERSION or fields['version'] is True:
        raise ValueError(f'version {fields["version"]!r}, not {_VERSION}')
    if not isinstance(fields['dirty'], list):
        raise ValueError('"dirty" is no list')
    quarantine = fields['quarantine']
    layout = fields['layout']
    return record_.Record(
        None if quarantine is None else _quarantine(quarantine),
        tuple(map(_dirty, fields['dirty'])),
        None if layout is None else _layout(layout),
    )


def _quarantine(found: Any) -> record_.Quarantine:
    fields = _fields(found, 'reason', 'since', 'by')
    return record_.Quarantine(
        _text(fields, 'reason'), _since(fields), record_.By(fields['by'])
    )


def _dirty_dumped(dirty: record_.Dirty) -> dict[str, Any]:
    fields = dataclasses.asdict(dirty)
    if dirty.vfs is None:
        del fields['vfs']
    return fields


def _dirty(found: Any) -> record_.Dirty:
    names = {field.name for field in dataclasses.fields(record_.Dirty)}
    has_vfs = isinstance(found, dict) and 'vfs' in found
    fields = _fields(found, *(names if has_vfs else names - {'vfs'}))
    instance = _text(fields, 'instance')
    if str(uuid.UUID(instance)) != instance:
        raise ValueError(f'{instance!r} is no UUID')
    if not isinstance(fields['functions'], list):
        raise ValueError('"functions" is no list')
    if not isinstance(fields['is_taken_for_clean'], bool):
        raise ValueError('"is_taken_for_clean" is no truth value')
    return record_.Dirty(
        _text(fields, 'slot'),
        instance,
        _since(fields),
        tuple(map(_function, fields['functions'])),
        _text_or_none(fields, 'failed'),
        _text_or_none(fields, 'boot'),
        fields['is_taken_for_clean'],
        _vfs(fields['vfs']) if has_vfs else None,
    )


def _vfs(found: Any) -> record_.Vfs:
    fields = _fields(found, 'count', 'boot')
    count = fields['count']
    if type(count) is not int or count < 1:
        raise ValueError('"count" of "vfs" is no number of VFs')
    return record_.Vfs(count, _text_or_none(fields, 'boot'))


def _function(found: Any) -> record_.Function:
    fields = _fields(found, 'address', 'driver', 'config')
    address = _text(fields, 'address')
    if str(model.PciAddress.parse(address)) != address:
        raise ValueError(f'{address!r} is no address')
    return record_.Function(
        address,
        _text_or_none(fields, 'driver'),
        _text_or_none(fields, 'config'),
    )


def _layout(found: Any) -> record_.Layout:
    fields = _fields(found, 'card', 'wish')
    if not isinstance(fields['wish'], dict):
        raise ValueError('"wish" is no object')
    return record_.Layout(
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


def _text_or_none(fields: Mapping[str, Any], name: str) -> str | None:
    return None if fields[name] is None else _text(fields, name)


def _since(fields: Mapping[str, Any]) -> str:
    since = _text(fields, 'since')
    datetime.datetime.strptime(since, record_.TIME)
    return since
