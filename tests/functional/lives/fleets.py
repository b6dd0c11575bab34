"""The hosts of the lives: two or three of mixed cards, with what is asked."""

import dataclasses

_LAYOUT = 'version: 1\ncards: []\n'


@dataclasses.dataclass(frozen=True)
class Host:
    """A host of a fleet.

    :param layouts: what its layout file may say; the first from the start,
        none for a host without one, whose own units prepare its cards
    """

    kind: str
    layouts: tuple[str, ...] = ()


def _vfs(select, *choices):
    return tuple(
        f'version: 1\ncards:\n  - select: {{model: "{select}"}}\n'
        f'    {choice}\n'
        for choice in choices
    )


_MIXED = _vfs('*L40S*', 'vfs: all', 'whole: true')
_B60 = tuple(
    text.replace(', ', '\n    ')
    for text in _vfs(
        '*B60*',
        'vfs: 4, vf_memory: 4096 MiB',
        'vfs: 2, vf_memory: 2000 MiB',
        'whole: true',
    )
)

FLEETS = {
    'mixed': {
        'host1': Host('mixed'),
        'host2': Host('mixed', _MIXED),
        'host3': Host('b60', _B60),
    },
    'small': {
        'host1': Host('gvtg-1g'),
        'host2': Host('gvtg-1g'),
        'host3': Host('b60', _B60),
    },
    'whole': {
        'host1': Host('workstation'),
        'host2': Host('b60', _B60),
        'host3': Host('b60'),
    },
    'nvidia': {
        'host1': Host('t4'),
        'host2': Host('mixed'),
    },
}
"""The fleets by name; a life has one of them."""
