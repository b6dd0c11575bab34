"""YAML with JSON's types alone, and with the line of each value.

So an address, a date or ``19:4`` is the text that it looks like: YAML 1.1 has
numbers with colons in them, of base 60.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

Path = tuple[Hashable, ...]
"""Where a value is: keys, and numbers in lists."""

_ROOT_LINE = 1
_DEEPEST = 50  # values within values
_OPEN = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSE = (
    yaml.BlockEndToken,
    yaml.FlowMappingEndToken,
    yaml.FlowSequenceEndToken,
)


class _Loader(yaml.SafeLoader):
    """A loader that takes for a text what JSON has no other type for."""

    yaml_implicit_resolvers = {}


for _tag, _form, _first in (
    ('bool', r'true|True|false|False|on|off|yes|no', 'tTfFoyn'),
    ('int', r'-?(?:0|[1-9][0-9]*)', '-0123456789'),
    ('null', r'~|null|', ['~', 'n', '']),
):
    _Loader.add_implicit_resolver(
        f'tag:yaml.org,2002:{_tag}', re.compile(rf'^(?:{_form})$'), [*_first]
    )


class InvalidYaml(Exception):
    """A text is no YAML, says a thing twice, or has an alias.

    :ivar line: counted from 1
    """

    def __init__(self, line: int, found: str) -> None:
        super().__init__(found)
        self.line = line


def load(text: str) -> tuple[Any, dict[Path, int]]:
    """Read a text, and tell the line of each value by its path.

    :raises InvalidYaml: when it is none, names a key twice, or has an alias
    """
    try:
        _refuse_bombs(text)
        return _load(_Loader(text))
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        said = getattr(error, 'problem', None) or str(error)
        raise InvalidYaml(mark.line + 1 if mark else 1, said) from error
    except (ValueError, TypeError, OverflowError) as error:  # a tag's
        raise InvalidYaml(1, f'a value that is none: {error}') from error
    except RecursionError as error:
        raise InvalidYaml(1, 'values within values without end') from error


def _refuse_bombs(text: str) -> None:
    """Refuse aliases, and values that stand deep within others.

    A few aliases that stand in each other are billions of values; and PyYAML
    looks at all that is open with each token.

    :raises InvalidYaml: when there is one
    """
    depth = 0
    for token in yaml.scan(text, _Loader):
        if isinstance(token, yaml.AliasToken):
            raise InvalidYaml(
                token.start_mark.line + 1,
                f'the alias *{token.value}: write the value itself',
            )
        depth += isinstance(token, _OPEN) - isinstance(token, _CLOSE)
        if depth > _DEEPEST:
            raise InvalidYaml(
                token.start_mark.line + 1, 'values within values without end'
            )


def _load(loader: yaml.SafeLoader) -> tuple[Any, dict[Path, int]]:
    lines: dict[Path, int] = {(): _ROOT_LINE}
    node = loader.get_single_node()
    if node is None:
        return None, lines
    _walk(loader, node, (), lines)
    return loader.construct_document(node), lines


def _walk(
    loader: yaml.SafeLoader,
    node: yaml.Node,
    path: Path,
    lines: dict[Path, int],
) -> None:
    if path in lines and path:
        raise InvalidYaml(
            node.start_mark.line + 1,
            f'{path[-1]!r} a second time, after line {lines[path]}',
        )
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _walk(loader, item, (*path, number), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = loader.construct_object(key, deep=True)
            if not isinstance(name, Hashable):
                raise InvalidYaml(
                    key.start_mark.line + 1, 'a key that is no text'
                )
            _walk(loader, value, (*path, name), lines)
            # That of its key, which is what a reader looks for.
            lines[*path, name] = key.start_mark.line + 1
