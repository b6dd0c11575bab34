"""What tells one host from all others, replaced: the same by the same.

UUIDs, serial numbers, the ids of hives, and the name of the host. What
discovery takes from them stays: that two are equal, and of the UUIDs of our
vGPUs the card and the slot (`cards.vgpu`), but not the instance.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from collections.abc import Mapping

from nova_gpuvirt.capture import document as document_

_UUID = re.compile(
    r'(?<![0-9a-f])[0-9a-f]{8}([-_])[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1'
    r'[0-9a-f]{12}(?![0-9a-f])',
    re.I,
)
# Serial Number : 1654922006536, GPU PDI : 0x145c8e416b389d3e,
# <serial_number>…<, "guid": "0x…"
_SERIAL = re.compile(
    r'(?:serial|guid|\bpdi\b)[^\n:=>]{0,80}[:=>][ \t]*"?'
    r'(?P<value>[^\s"<,][^"<,\n]*)',
    re.I,
)
_NONE = frozenset({'0', 'n/a', '[n/a]', 'none', 'unknown', 'not specified'})
# Names of hosts that tell nobody which it is, and are words of outputs.
_COMMON = frozenset(
    {'', 'amd', 'compute', 'debian', 'gpu', 'gpus', 'host', 'intel', 'kvm'}
    | {'id', 'linux', 'localhost', 'mig', 'node', 'nvidia', 'server', 'ubuntu'}
    | {'vgpu'}
)
# A shorter one may be a part of anything.
_LONG = 6
_HIVE = re.compile(r'[1-9]\d*')
_HIVE_FILE = '/xgmi_hive_info/xgmi_hive_id'
# Of a UUID of version 8, what `cards.vgpu` takes from the instance.
_INSTANCE = (1 << 62) - 1


class Secrets:
    """What was replaced so far, by its kind.

    :param host: the host's name
    """

    def __init__(self, host: str) -> None:
        self._found: dict[str, dict[str, int]] = {}
        self._names: frozenset[str] = frozenset()
        short = host.partition('.')[0]
        self._host = None
        if short.lower() not in _COMMON:
            name = rf'(?<![\w-]){re.escape(short)}(?:\.[\w-]+)*(?![\w-])'
            self._host = re.compile(name, re.I)

    def replace_in(self, text: str) -> str:
        """Replace them in what a command said, or was made of answers."""
        text = _SERIAL.sub(self._in_place, text)
        if self._host is not None:
            text = self._host.sub(self._host_name, text)
        return self._plain(text)

    def counts(self) -> dict[str, int]:
        """Tell how many were replaced of each kind."""
        return {kind: len(found) for kind, found in self._found.items()}

    def replace(self, document: document_.Document) -> document_.Document:
        """Replace all of them in a document."""
        if self._host is not None and self._host.search(document.names):
            self._host = None  # as its cards are called, so it is no secret
        self._names = frozenset(_uuids_in_names(document.files))
        for said in (*document.commands.values(), *document.libvirt.values()):
            for match in _SERIAL.finditer(said.text):
                self._serial(match['value'].rstrip())
        return dataclasses.replace(
            document,
            made={k: self._plain(v) for k, v in document.made.items()},
            commands=self._of_dialogue(document.commands),
            libvirt=self._of_dialogue(document.libvirt),
            files={
                question._replace(
                    path=self._plain(question.path)
                ): self._of_file(question, answer)
                for question, answer in document.files.items()
            },
        )

    def _of_dialogue(self, dialogue: document_.Dialogue) -> document_.Dialogue:
        return {
            tuple(self._plain(word) for word in argv): dataclasses.replace(
                said, text=self.replace_in(said.text)
            )
            for argv, said in dialogue.items()
        }

    def _of_file(
        self, question: document_.Question, answer: document_.Answer
    ) -> document_.Answer:
        if isinstance(answer, tuple):
            return tuple(self._plain(name) for name in answer)
        if not isinstance(answer, str):
            return answer
        if question.path.endswith(_HIVE_FILE):
            return _HIVE.sub(lambda m: self._number('hives', m[0]), answer)
        return self._plain(answer)

    def _plain(self, text: str) -> str:
        text = _UUID.sub(self._uuid, text)
        for serial, number in self._found.get('serial numbers', {}).items():
            if len(serial) >= _LONG:
                text = re.sub(
                    rf'(?<!\w){re.escape(serial)}(?!\w)',
                    f'serial-{number}',
                    text,
                )
        return text

    def _uuid(self, match: re.Match[str]) -> str:
        digits = _digits(match)
        value = int(digits, 16)
        if not value:
            return match[0]
        number = int(self._number('UUIDs', digits))
        is_vgpu = digits[12] == '8' and digits in self._names
        kept = value & ~_INSTANCE if is_vgpu else 0
        new = f'{kept | number:032x}'
        return match[1].join(
            (new[:8], new[8:12], new[12:16], new[16:20], new[20:])
        )

    def _serial(self, value: str) -> str:
        if value.lower() in _NONE:
            return value
        return f'serial-{self._number("serial numbers", value)}'

    def _in_place(self, match: re.Match[str]) -> str:
        start = match.start('value') - match.start()
        return match[0][:start] + self._serial(match['value'].rstrip())

    def _host_name(self, match: re.Match[str]) -> str:
        self._number('names of the host', match[0].lower())
        return 'host'

    def _number(self, kind: str, value: str) -> str:
        """Count the different ones of a kind, from 1."""
        found = self._found.setdefault(kind, {})
        return str(found.setdefault(value, len(found) + 1))


def _uuids_in_names(
    files: Mapping[document_.Question, document_.Answer],
) -> Iterator[str]:
    """List the UUIDs that name files, as those of vGPUs do.

    That of a card may look like a UUID of version 8 too.
    """
    for question, answer in files.items():
        names = answer if isinstance(answer, tuple) else ()
        for name in (question.path, *names):
            yield from map(_digits, _UUID.finditer(name))


def _digits(match: re.Match[str]) -> str:
    return re.sub('[-_]', '', match[0]).lower()
