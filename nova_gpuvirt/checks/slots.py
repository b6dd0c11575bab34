"""What the firmware does for cards: ARI for their VFs, and room for BARs.

Sources: the kernel's Documentation/ABI/testing/sysfs-bus-pci and
Documentation/PCI/pci-iov-howto.rst, ``pci_configure_ari`` of
drivers/pci/pci.c, and ``IORESOURCE_UNSET`` of include/linux/ioport.h, which a
BAR has that got no address. NVIDIA's vGPU guide wants ARI (2.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nova_gpuvirt import model
from nova_gpuvirt.backends import vendor_vfio
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import subject as subject_

_UNSET = 0x20000000
_GIB = 1 << 30
_LINE = re.compile(
    r'^0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16})$', re.M
)


@finding.or_passed('ARI is on where VFs ask for it')
def have_ari(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that the port above a card reaches all of its VFs."""
    for gpu, function in subject.pci_gpus:
        if not _needs_ari(function) and not waits_for_vfs(gpu):
            continue
        enabled = subject.machine.sysfs.read_if_there(
            function.address, 'ari_enabled'
        )
        if enabled == '0':
            say = finding.failure if function.virtfns else finding.warning
            yield say(
                'ARI is off, so the port above it reaches none of its VFs '
                'beyond the seventh function',
                'switch ARI (and SR-IOV) on in the firmware, and see that '
                "pci=noari is not on the kernel's command line",
                function.address,
            )


def _needs_ari(function: model.PciFunction) -> bool:
    """Tell whether the host has VFs of a card that only ARI reaches."""
    return len(function.above) > 1 and any(
        vf.slot != function.address.slot or vf.bus != function.address.bus
        for vf in function.virtfns
    )


def waits_for_vfs(gpu: model.Gpu) -> bool:
    """Tell whether NVIDIA's driver could cut a card into VFs, and has none."""
    share = gpu.share(vendor_vfio.VendorVfio.kind)
    return not gpu.virtfns and share is not None and share.refusal is not None


@finding.or_passed('each BAR of the cards and their VFs has room')
def have_bars(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that each BAR of a card, and of its VFs, has an address."""
    for _, function in subject.pci_gpus:
        text = subject.machine.sysfs.read(function.address, 'resource')
        sizes = [*unassigned(text)]
        if sizes:
            yield finding.failure(
                'the firmware has left no room for '
                f'{len(sizes)} of its BARs, the largest of '
                f'{_size(max(sizes))}',
                'switch "Above 4G Decoding" on in the firmware (and '
                '"Resizable BAR" off, or SR-IOV on, where that is asked for); '
                "pci=realloc on the kernel's command line may do",
                function.address,
            )


def unassigned(text: str) -> Iterator[int]:
    """List the sizes of BARs without an address. Pure.

    :param text: of the file ``resource``
    """
    for start, end, flags in _LINE.findall(text):
        if int(flags, 16) & _UNSET:
            yield max(int(end, 16) - int(start, 16) + 1, 0)


def _size(size: int) -> str:
    if size >= _GIB:
        return f'{size // _GIB} GiB'
    return f'{max(size >> 20, 1)} MiB'
