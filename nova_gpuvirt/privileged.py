"""The few things that need root, behind one privsep daemon.

Each takes an address and checks it, never a path.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from oslo_privsep import capabilities
from oslo_privsep import priv_context

from nova_gpuvirt import model
from nova_gpuvirt.host import rootonly

context = priv_context.PrivContext(
    'nova_gpuvirt',
    cfg_section='gpuvirt_privileged',
    pypath=f'{__name__}.context',
    # To read and write files of root's in sysfs and debugfs, and to see
    # which files another user's process has open.
    capabilities=[
        capabilities.CAP_DAC_OVERRIDE,
        capabilities.CAP_DAC_READ_SEARCH,
        capabilities.CAP_SYS_ADMIN,
        capabilities.CAP_SYS_PTRACE,
    ],
)

_ROOT = pathlib.Path('/')


@context.entrypoint
def read(address: str, name: str) -> str:
    """Read a file of a function that only root may read.

    :raises OSError: as the kernel answers
    """
    return rootonly.read(_ROOT, model.PciAddress.parse(address), name)


@context.entrypoint
def set_vgpu_type(address: str, number: int) -> None:
    """Make a vGPU of a type on a VF of NVIDIA's, or take it away with 0.

    :raises OSError: as the driver answers
    """
    rootonly.set_vgpu_type(_ROOT, model.PciAddress.parse(address), number)


@context.entrypoint
def openers(address: str) -> Sequence[int]:
    """List the processes that have a function open through VFIO."""
    return rootonly.openers(_ROOT, model.PciAddress.parse(address))
