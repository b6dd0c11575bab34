"""What operators say that cards shall be."""

from __future__ import annotations

import dataclasses
import pathlib

from fuzz.target import Target
from fuzz.target import check
from fuzz.target import of_text
from nova_gpuvirt import exception
from nova_gpuvirt.layout import document
from nova_gpuvirt.layout import in_force
from nova_gpuvirt.layout import selector
from nova_gpuvirt.layout import yaml_lines

_SAMPLE = (
    pathlib.Path(__file__).parents[2] / 'etc/nova-gpuvirt/layout.yaml.sample'
)
_TEXTS = (
    'version: 1\ncards:\n- select: {address: "3b:00.0", vendor: NVIDIA}\n'
    '  mig: [1g.10gb, "19:4"]\n  offer: [vgpu]\n- whole: true\n',
    'version: 1\ncards:\n- vfs: 7\n  vf_memory: 2 GiB\n- left_alone: true\n'
    '- partition: CPX\n  memory_mode: NPS4\n  mixed_sizes: on\n',
    'a: &a [x, x]\nb: &b [*a, *a]\n',
)
_WISH = (
    '{"vfs": "all", "mig": true, "gpu_instances": ["1g.10gb"]}',
    '{"kinds": ["passthrough"], "vf_memory": 2097152, "left_alone": true}',
)


def _seeds() -> list[bytes]:
    sample = _SAMPLE.read_text()
    bare = '\n'.join(
        line.removeprefix('# ').removeprefix('#')
        for line in sample.splitlines()
    )
    return [t.encode() for t in (*_TEXTS, sample, bare)]


def _document(data: bytes) -> None:
    for entry in document.decode(data, 'x.yaml').entries:
        check(entry.line >= 1, f'line {entry.line}')
        wish = in_force.parse(in_force.dump(entry.wish))
        check(wish == entry.wish, f'{wish} of {entry.wish}')


def _yaml(text: str) -> None:
    _, lines = yaml_lines.load(text)
    last = max(lines.values())
    check(last <= text.count('\n') + text.count('\r') + 99, f'line {last}')


def _wish(text: str) -> None:
    found = in_force.parse(text)
    check(
        found is None or in_force.parse(in_force.dump(found)) == found,
        f'{found} is not read again',
    )


TARGETS = (
    Target(
        'layout',
        _document,
        ('layout.document.decode', 'layout.document.parse'),
        (exception.InvalidLayout,),
        _seeds,
        longest=4 << 10,
        share=4,
    ),
    dataclasses.replace(
        of_text(
            'yaml',
            _yaml,
            ('layout.yaml_lines.load',),
            _TEXTS,
            (yaml_lines.InvalidYaml,),
        ),
        longest=4 << 10,
    ),
    of_text('wish', _wish, ('layout.in_force.parse',), _WISH),
    of_text(
        'selector',
        selector.address,
        ('layout.selector.address',),
        ('3b:00.0', '0000:3b:*', 'renderD*', '??:00.0'),
    ),
)
