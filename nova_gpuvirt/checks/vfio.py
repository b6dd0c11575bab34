"""Whether the kernel has VFIO, through which functions go to guests."""

from __future__ import annotations

from collections.abc import Iterator

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import subject as subject_
from nova_gpuvirt.host import kernel

_DRIVER = 'vfio-pci'


def is_there(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that vfio-pci is loaded, or that libvirt can load it."""
    match kernel.can_have_driver(subject.root, _DRIVER):
        case True:
            yield finding.passed(f'the kernel has {_DRIVER}')
        case None:
            yield finding.warning(
                f'{_DRIVER} is not loaded, and the modules of the kernel can '
                'not be seen',
                f'run modprobe {_DRIVER} on the host',
            )
        case _:
            found = f'the kernel has no {_DRIVER}'
            remedy = (
                'install its module (CONFIG_VFIO_PCI; on Ubuntu '
                'linux-modules-extra), and boot a kernel that has it'
            )
            if subject.pci_gpus:
                yield finding.failure(f'{found}: no card goes whole', remedy)
            else:
                yield finding.warning(f'{found}, and no card asks', remedy)
