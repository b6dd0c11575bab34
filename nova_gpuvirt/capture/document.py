"""A capture as text: JSON that a person can read line by line.

::

    {
     "format": "nova-gpuvirt capture",
     "version": 1,
     "made": {"nova-gpuvirt": "1.0.0", "as root": "yes"},
     "pci.ids": ["10de  NVIDIA Corporation", "\\t2235  GA102GL [A40]", ""],
     "commands": [
      {"argv": ["nvidia-smi", "-q", "-i", "0000:3b:00.0"], "prints": [...]},
      {"argv": ["fmpm", "-l"], "fails": "fmpm: [Errno 2] No such file ..."}
     ],
     "libvirt": [
      {"argv": ["version"], "prints": "11003000"}
     ],
     "files": {
      "read sys/bus/pci/devices/0000:3b:00.0/class": "0x030200\\n",
      "names sys/class/iommu": ["dmar0", "dmar1"],
      "target sys/bus/pci/devices/0000:3b:00.0/driver": "../../nvidia",
      "read sys/bus/pci/devices/0000:3b:00.0/numa_node": {"error": "EIO"}
     }
    }

Without answers of libvirt, what it can is assumed. A text of several lines is
a list of them. Bytes of a file that are no UTF-8 are lone surrogates, as
Python's ``surrogateescape`` has them.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import re
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from nova_gpuvirt import exception

ROOT = 'root'
"""Before the words of a command that root was asked for in its own name."""

_FORMAT = 'nova-gpuvirt capture'
_VERSION = 1
# What a terminal would act on, or can't be printed: a text's lines end, and
# may have tabs; a lone surrogate is any byte.
_CONTROL = re.compile('[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]')
_OUTCOMES = ('prints', 'fails', 'hangs', 'is-missing')
# What reading raises, of JSON that is none and of JSON with another shape.
_NONSENSE = (
    AttributeError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)


class Question(NamedTuple):
    """What was asked of the files: a method of `files.Files`, and a path.

    What root was asked in its own name has ``root-`` before the method.
    """

    method: str
    path: str


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """The kernel's answer that it does not answer.

    :ivar error: the name of an errno, as ``ENOENT``
    """

    error: str


Answer = str | int | tuple[str, ...] | Refusal


@dataclasses.dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, or a question to libvirt.

    :ivar outcome: ``prints``, ``fails``, ``hangs`` or ``is-missing``
    :ivar text: what it printed, or the error
    """

    outcome: str
    text: str


Dialogue = Mapping[tuple[str, ...], Said]
"""Commands with their arguments, and how each ended."""


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """What was read of one host.

    :ivar made: by what and how, in words
    :ivar names: the lines of pci.ids that were looked up
    """

    made: Mapping[str, str]
    names: str
    commands: Dialogue
    libvirt: Dialogue
    files: Mapping[Question, Answer]


def dump(document: Document) -> str:
    """Write a document as text."""
    files = sorted(document.files.items(), key=lambda f: f[0][::-1])
    return (
        json.dumps(
            {
                'format': _FORMAT,
                'version': _VERSION,
                'made': document.made,
                'pci.ids': _lines(document.names),
                'commands': _dialogue(document.commands),
                'libvirt': _dialogue(document.libvirt),
                'files': {' '.join(q): _dumped(a) for q, a in files},
            },
            indent=1,
        )
        + '\n'
    )


def parse(text: str, where: str) -> Document:
    """Read a document, whoever wrote it.

    :param where: the file's name, for errors
    :raises InvalidCapture: when it is none
    """
    try:
        return _document(json.loads(text))
    except _NONSENSE as error:
        raise exception.InvalidCapture(
            where,
            wanted=f'a file of `nova-gpuvirt capture` (version {_VERSION})',
            found=f'{type(error).__name__}: {str(error)[:200]!r}',
            remedy='capture the host anew, with this nova-gpuvirt',
        ) from error


def _document(found: Any) -> Document:
    head = found['format'], found['version']
    if head != (_FORMAT, _VERSION):
        raise ValueError(f'format {head!r}')
    return Document(
        {_plain(k): _plain(v) for k, v in found['made'].items()},
        _shown(_text(found['pci.ids'])),
        dict(_command(c) for c in found['commands']),
        dict(_command(c) for c in found['libvirt']),
        dict(_file(q, a) for q, a in found['files'].items()),
    )


def _command(found: Any) -> tuple[tuple[str, ...], Said]:
    (outcome,) = found.keys() - {'argv'}
    if outcome not in _OUTCOMES:
        raise ValueError(f'a command that {outcome}')
    argv = tuple(_plain(word) for word in found['argv'])
    if not argv:
        raise ValueError('a command without a name')
    return argv, Said(outcome, _shown(_text(found[outcome])))


def _file(question: str, answer: Any) -> tuple[Question, Answer]:
    method, _, path = _plain(question).partition(' ')
    if isinstance(answer, dict):
        (name,) = answer.values()
        if name not in errno.errorcode.values():
            raise ValueError(f'{question}: {answer!r} is no error')
        return Question(method, path), Refusal(name)
    return Question(method, path), _ANSWERS[method](answer)


def _names(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list):
        raise TypeError(f'{found!r} are no names')
    return tuple(_plain(name) for name in found)


def _number(found: Any) -> int:
    if not isinstance(found, int):
        raise TypeError(f'{found!r} is no number')
    return found


def _text(found: Any) -> str:
    if isinstance(found, list):
        found = '\n'.join(found)
    if not isinstance(found, str):
        raise TypeError(f'{found!r} is no text')
    found.encode('utf-8', 'surrogateescape')
    return found


def _shown(text: str) -> str:
    """Refuse what a terminal would act on."""
    if _CONTROL.search(text):
        raise ValueError(f'control characters in {text[:80]!r}')
    return text


def _plain(found: Any) -> str:
    """Read a text of one line: a name, a path, or a word."""
    if not isinstance(found, str) or '\n' in found:
        raise TypeError(f'{found!r} is no text of one line')
    return _shown(_text(found))


_ANSWERS: Mapping[str, Callable[[Any], Answer]] = {
    'read': _text,
    'names': _names,
    'target': _plain,
    'changed': _number,
    'mode': _number,
    'exists': _number,
    'root-read': _text,
    'root-openers': _names,
    'root-card-openers': _text,
}


def _dialogue(said: Dialogue) -> list[dict[str, Any]]:
    return [
        {'argv': argv, answer.outcome: _lines(answer.text)}
        for argv, answer in said.items()
    ]


def _lines(text: str) -> str | list[str]:
    """Give a text of several lines line by line."""
    lines = text.split('\n')
    return text if len(lines) < 3 else lines


def _dumped(answer: Answer) -> Any:
    if isinstance(answer, Refusal):
        return {'error': answer.error}
    return _lines(answer) if isinstance(answer, str) else answer
