"""What a guest says of its devices on its console. Pure.

The guest prints one line for each PCI function, as ``PCI 0000:00:10.0
10de:1eb8 0x030200``, and then ``GUEST-READY``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Mapping

from nova_gpuvirt import model
from nova_gpuvirt.model import guest_device

READY = 'GUEST-READY'
_FUNCTION = re.compile(
    r'^PCI \S+ (?P<vendor>[0-9a-f]{4}):(?P<device>[0-9a-f]{4}) '
    r'0x(?P<class>[0-9a-f]{6})\s*$',
    re.M,
)
_VIRTIO_GPU = '1af4:1050'
# Display controllers and processing accelerators.
_GPU_CLASSES = ('03', '12')


def missing(
    gpu: model.Gpu,
    devices: Collection[guest_device.GuestDevice],
    vfs: Mapping[model.PciAddress, model.Ids],
    console: str,
) -> str | None:
    """Tell what the guest should have named and has not, if so.

    A whole card has the ids that it has on the host. What a part shows is
    its driver's to choose: a GPU of its vendor's. A VF that libvirt moves
    shows what it shows on the host, whatever that is.

    :param vfs: the ids of the VFs among the devices
    """
    found = [
        (f'{m["vendor"]}:{m["device"]}', m['class'])
        for m in _FUNCTION.finditer(console)
    ]
    named = {ids for ids, _ in found}
    if any(isinstance(d, guest_device.Renderer) for d in devices):
        return None if _VIRTIO_GPU in named else 'a virtio-gpu'
    given = {d.host for d in devices if isinstance(d, guest_device.Pci)}
    whole = [f for f in gpu.functions if f.address in given]
    for function in whole:
        ids = _ids(*function.ids)
        if ids not in named:
            return f'{function.address} as {ids}'
    if whole or named & {_ids(*vfs[a]) for a in given & vfs.keys()}:
        return None
    assert gpu.function is not None
    vendor = f'{gpu.function.vendor_id:04x}'
    if any(
        ids.startswith(vendor) and code.startswith(_GPU_CLASSES)
        for ids, code in found
    ):
        return None
    return f'a GPU of the vendor {vendor}'


def _ids(vendor: int, device: int) -> str:
    return f'{vendor:04x}:{device:04x}'
