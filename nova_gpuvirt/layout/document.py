"""The file in which an operator says what the cards of hosts shall be.

It is YAML, and held against `schema.json`, which is shipped for editors too.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import pathlib
import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import jsonschema

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.layout import selector as selector_
from nova_gpuvirt.layout import wish as wish_
from nova_gpuvirt.layout import yaml_lines
from nova_gpuvirt.vendors import vf_quotas

PLACE = pathlib.Path('/etc/nova-gpuvirt/layout.yaml')
"""Where the host's own is."""
SCHEMA = pathlib.Path(__file__).with_name('schema.json')

_SELECT = 'select'
_VF_MEMORY = 'vf_memory'
# What a card is that is the one thing, and nothing beside it.
_ALONE = ('left_alone', 'whole')
_UNITS = {'MiB': 1 << 20, 'GiB': 1 << 30}


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """Some cards, and what they shall be.

    :ivar line: of the file, counted from 1
    """

    selector: selector_.Selector
    wish: wish_.Wish
    line: int

    @property
    def selects_none(self) -> str:
        """Say that no card of a host is meant, for who did not mean that."""
        return (
            f'the entry in line {self.line} of the layout says what no card '
            'of this host shall be'
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """What the cards of a host shall be, in order of its entries."""

    entries: tuple[Entry, ...] = ()

    def wish(self, gpu: model.Gpu) -> wish_.Wish:
        """Find what a card shall be."""
        entry = self._entry(gpu)
        return entry.wish if entry else wish_.NOTHING

    def unused(self, gpus: Iterable[model.Gpu]) -> tuple[Entry, ...]:
        """List the entries that say what no card shall be."""
        used = {id(self._entry(gpu)) for gpu in gpus}
        return tuple(e for e in self.entries if id(e) not in used)

    def _entry(self, gpu: model.Gpu) -> Entry | None:
        """Find the first entry that fits a card: that one counts."""
        return next((e for e in self.entries if e.selector.fits(gpu)), None)


NONE = Layout()
"""Every card stays as its host has made it."""


def read(path: pathlib.Path) -> Layout:
    """Read a file; one that is not there says nothing.

    :raises InvalidLayout: when it can't be read, or says what can't be
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return NONE
    except OSError as error:
        raise exception.InvalidLayout(
            str(path),
            wanted='a file that can be read',
            found=str(error),
            remedy='see its owner and mode: nova-compute reads it too',
        ) from error
    return decode(data, str(path))


def decode(data: bytes, name: str) -> Layout:
    """Read what the bytes of a file say.

    :param name: of the file, for errors
    :raises InvalidLayout: when it says what can't be
    """
    try:
        return parse(data.decode(), name)
    except UnicodeDecodeError as error:
        raise exception.InvalidLayout(
            name,
            wanted='text in UTF-8',
            found=str(error),
            remedy='write it anew',
        ) from error


def parse(text: str, name: str) -> Layout:
    """Read what a text says.

    :param name: of the file, for errors
    :raises InvalidLayout: when it says what can't be
    """
    try:
        data, lines = yaml_lines.load(text)
    except yaml_lines.InvalidYaml as error:
        raise exception.InvalidLayout(
            f'{name}, line {error.line}',
            wanted='YAML',
            found=str(error),
            remedy='see the sample in etc/nova-gpuvirt/layout.yaml.sample',
        ) from error
    try:
        _check(data)
        return Layout(
            tuple(
                _entry(entry, lines['cards', number])
                for number, entry in enumerate(data['cards'])
            )
        )
    except _Invalid as error:
        line = _line(lines, error.path)
        raise exception.InvalidLayout(
            f'{name}, line {line}',
            wanted=error.wanted,
            found=error.found,
            remedy='change that line: see etc/nova-gpuvirt/layout.yaml.sample',
        ) from error


class _Invalid(Exception):
    """What a document says can't be."""

    def __init__(self, path: yaml_lines.Path, wanted: str, found: str) -> None:
        super().__init__(found)
        self.path = path
        self.wanted = wanted
        self.found = found


def _line(lines: Mapping[yaml_lines.Path, int], path: yaml_lines.Path) -> int:
    while path not in lines:
        path = path[:-1]
    return lines[path]


def _check(data: Any) -> None:
    schema = json.loads(SCHEMA.read_text(encoding='utf-8'))
    errors = sorted(
        _Validator(schema).iter_errors(data), key=lambda e: [*map(str, e.path)]
    )
    if errors:
        raise _told(errors[0])
    for number, entry in enumerate(data['cards']):
        for key in _ALONE:
            others = [k for k in entry if k not in (_SELECT, key)]
            if key in entry and others:
                raise _Invalid(
                    ('cards', number, others[0]),
                    f'nothing but {_SELECT} beside {key}',
                    ', '.join(others),
                )
        memory = entry.get(_VF_MEMORY)
        if memory is not None and _bytes(memory) % vf_quotas.MEMORY_UNIT:
            raise _Invalid(
                ('cards', number, _VF_MEMORY),
                f'a multiple of {vf_quotas.MEMORY_UNIT >> 20} MiB, to which '
                'the drivers round it',
                repr(memory),
            )


def _whole_text(
    validator: Any, pattern: str, value: Any, schema: Mapping[str, Any]
) -> Iterator[jsonschema.ValidationError]:
    """Hold a text against a pattern; `$` lets one newline pass."""
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield jsonschema.ValidationError(f'{value!r} is not as {pattern}')


def _is_integer(checker: Any, value: Any) -> bool:
    """Tell what is written as an integer: JSON takes 19.0 for one."""
    return isinstance(value, int) and not isinstance(value, bool)


_Draft = jsonschema.Draft202012Validator
_Validator = jsonschema.validators.extend(
    _Draft,
    {'pattern': _whole_text},
    type_checker=_Draft.TYPE_CHECKER.redefine('integer', _is_integer),
)


def _told(error: jsonschema.ValidationError) -> _Invalid:
    """Say an error of the schema in the house's words."""
    path = tuple(error.absolute_path)
    schema: Mapping[str, Any] = error.schema
    if error.validator == 'additionalProperties':
        allowed = [*schema['properties']]
        key = next(k for k in error.instance if k not in allowed)
        near = difflib.get_close_matches(str(key), allowed, 1)
        hint = f' (is {near[0]!r} meant?)' if near else ''
        return _Invalid(
            (*path, key), f'one of {", ".join(allowed)}', f'{key!r}{hint}'
        )
    if error.validator == 'required':
        lacks = [k for k in schema['required'] if k not in error.instance]
        return _Invalid(path, f'the key {lacks[0]!r}', 'none')
    return _Invalid(path, _allowed(schema), repr(error.instance))


def _allowed(schema: Mapping[str, Any]) -> str:
    """Say what a place of the schema allows."""
    if 'const' in schema:
        return json.dumps(schema['const'])
    if 'enum' in schema:
        return ' or '.join(schema['enum'])
    if 'anyOf' in schema:
        return ', or '.join(map(_allowed, schema['anyOf']))
    words = schema.get('type', 'a value')
    text = ' or '.join([words] if isinstance(words, str) else words)
    for key, word in (('minimum', 'at least'), ('maximum', 'at most')):
        if key in schema:
            text += f', {word} {schema[key]}'
    if 'examples' in schema:
        text += f' such as {", ".join(schema["examples"])}'
    if schema.get('minItems') or schema.get('minLength'):
        text += ', not empty'
    if 'items' in schema:
        text += f' of ({_allowed(schema["items"])})'
    return text


def _entry(entry: Mapping[str, Any], line: int) -> Entry:
    select = entry.get(_SELECT, {})
    selector = selector_.Selector(
        addresses=tuple(map(selector_.address, _items(select.get('address')))),
        vendors=_words(select.get('vendor')) or (),
        models=_words(select.get('model')) or (),
        numa_nodes=_items(select.get('numa_node')),
    )
    if 'whole' in entry:
        wish = wish_.Wish(kinds=wish_.WHOLE_KINDS, vfs=0, mig=False)
        return Entry(selector, wish, line)
    mig = entry.get('mig')
    memory = entry.get(_VF_MEMORY)
    return Entry(
        selector,
        wish_.Wish(
            left_alone='left_alone' in entry,
            kinds=tuple(entry['offer']) if 'offer' in entry else None,
            profiles=_words(entry.get('profiles')),
            default_profile=_words(entry.get('default_profile')),
            api_sessions=entry.get('api_sessions'),
            vfs=entry.get('vfs'),
            mig=None if mig is None else mig is not False,
            gpu_instances=tuple(map(str, mig or ())),
            mixed_sizes=entry.get('mixed_sizes'),
            partition=entry.get('partition'),
            memory_mode=entry.get('memory_mode'),
            vf_memory=None if memory is None else _bytes(memory),
        ),
        line,
    )


def _items(value: Any) -> tuple[Any, ...]:
    """Read one value, or a list of several; none is none of them."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


def _words(value: Any) -> tuple[str, ...] | None:
    """Read one text, or a list of several; none says nothing."""
    return None if value is None else _items(value)


def _bytes(text: str) -> int:
    match = re.fullmatch(r'(\d+) ?(\w+)', text)
    assert match is not None
    return int(match[1]) * _UNITS[match[2]]
