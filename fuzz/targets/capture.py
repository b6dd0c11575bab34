"""Captures of hosts, and hosts of which one thing makes no sense."""

from __future__ import annotations

import contextlib
import dataclasses

from fuzz import corpus
from fuzz.target import Target
from fuzz.target import check
from fuzz.target import of_text
from nova_gpuvirt import exception
from nova_gpuvirt.capture import document
from nova_gpuvirt.capture import replay
from nova_gpuvirt.capture import secrets

_MADE = document.Document(
    {'version of nova-gpuvirt': '1'},
    '10de  NVIDIA Corporation\n',
    {('fmpm', '-l'): document.Said('fails', 'x')},
    {('version',): document.Said('prints', '11003000')},
    {
        document.Question('read', 'a'): 'x\ny\nz',
        document.Question('names', 'b'): ('x', 'y'),
        document.Question('target', 'c'): '../x',
        document.Question('mode', 'd'): 33188,
        document.Question('read', 'e'): document.Refusal('EIO'),
    },
)
_SECRETS = (
    'Serial Number : 1654922006536\nGPU PDI : 0x145c8e416b389d3e\n'
    '155d900f-4e14-4e4c-a73d-069cbf4541e6 host1.example.org\n',
)


def _parse(text: str) -> None:
    found = document.parse(text, 'x.json')
    again = document.parse(document.dump(found), 'x.json')
    check(again == found, 'it is not read again')


def _replace(text: str) -> None:
    known = secrets.Secrets('host1.example.org')
    known.replace_in(text)
    known.counts()


def _changed(data: bytes) -> tuple[document.Document, str]:
    """Change one answer of a captured host, and tell of which kind it is.

    The input's first two bytes choose the host and the answer.
    """
    hosts = corpus.captures()
    numbers = (data + b'\0\0\0')[:3]
    host = hosts[numbers[0] % len(hosts)]
    text = data[3:].decode(errors='surrogateescape')
    files, said = list(host.files), list(host.commands)
    number = (numbers[1] | numbers[2] << 8) % (len(files) + len(said))
    if number >= len(files):
        argv = said[number - len(files)]
        answer = dataclasses.replace(host.commands[argv], text=text)
        changed = {**host.commands, argv: answer}
        return dataclasses.replace(host, commands=changed), 'prints'
    question = files[number]
    known = host.files[question]
    new: document.Answer = text
    if isinstance(known, tuple):
        new = tuple(text.split('\n'))
    elif isinstance(known, int):
        new = len(text)
    elif isinstance(known, document.Refusal):
        new = document.Refusal('EIO')
    changed_files = {**host.files, question: new}
    return dataclasses.replace(host, files=changed_files), question.method


def _host(data: bytes) -> None:
    """Survey a host of which one answer is another.

    What a file or a command says makes no card's survey fail; that folders
    and links are those of a kernel is trusted, and seen where a capture is
    read.
    """
    changed, method = _changed(data)
    machine = replay.of(changed, 'x.json')
    is_content = method in ('prints', 'read', 'root-read')
    trusted = contextlib.nullcontext() if is_content else replay.sense('x')
    with trusted:
        for gpu in corpus.surveyed(machine).gpus:
            check(all(b >= 0 for b in _bars(gpu)), f'{gpu.address}: BARs')


def _bars(gpu: object) -> tuple[int, ...]:
    function = getattr(gpu, 'function', None)
    return function.bars if function else ()


def _host_seeds() -> list[bytes]:
    """Choose each kind of answer once, of each host."""
    seeds = []
    for index, host in enumerate(corpus.captures()):
        kinds: dict[str, int] = {}
        for number, question in enumerate(host.files):
            kinds.setdefault(
                question.method + question.path.rpartition('/')[2], number
            )
        for number in kinds.values():
            answer = host.files[[*host.files][number]]
            text = answer if isinstance(answer, str) else ''
            head = bytes((index, number & 255, number >> 8))
            seeds.append(head + text.encode(errors='surrogateescape'))
        for number, said in enumerate(host.commands.values()):
            at = len(host.files) + number
            head = bytes((index, at & 255, at >> 8))
            seeds.append(head + said.text.encode())
    return seeds


TARGETS = (
    of_text(
        'capture',
        _parse,
        ('capture.document.parse',),
        (document.dump(_MADE),),
        (exception.InvalidCapture,),
    ),
    of_text(
        'secrets',
        _replace,
        ('capture.secrets.Secrets.replace_in',),
        _SECRETS,
    ),
    Target(
        'host',
        _host,
        ('capture.replay.of',),
        (exception.InvalidCapture,),
        _host_seeds,
        longest=16 << 10,
        share=10,
    ),
)
