"""The kinds of GPU on which nova-compute is killed."""

import dataclasses

from tests.functional import base


@dataclasses.dataclass(frozen=True)
class Kind:
    """A way to get a GPU.

    :ivar host: the simulated host that has such
    :ivar spec: the extra specs that ask for one
    :ivar layouts: two layout files, between which its cards change
    """

    host: str
    spec: dict
    layouts: tuple


_B60 = """
    version: 1
    cards: [{{select: {{model: '*B60*'}}, vfs: {}, vf_memory: {} MiB}}]
"""
_NO_VFS = 'version: 1\ncards: [{vfs: 0}]'
_ALL_VFS = 'version: 1\ncards: [{vfs: all}]'

KINDS = {
    'mdev': Kind('gvtg', base.VGPU, ()),
    'vf': Kind('b60', base.VGPU, (_B60.format(4, 4096), _B60.format(2, 2000))),
    'vendor-vfio': Kind('domain-1', base.VGPU, (_ALL_VFS, _NO_VFS)),
    'whole': Kind('t4', base.PGPU, ()),
}
