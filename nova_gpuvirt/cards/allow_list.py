"""What a GPU is: the classes of those who make some, and what was named. Pure.

Sources: the ids that the kernel's drivers take. amdgpu takes what AMD makes of
the classes 0300, 0380 and 1200 (amdgpu_drv.c), NVIDIA's driver and nouveau
what NVIDIA makes of 0300 and 0302 (nv-pci-table.c, nouveau_drm.c), i915 and xe
displays of Intel's. Of class 1200 there are NPUs (Intel's intel_vpu), FPGAs
(AMD's Alveo) and what else computes.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from nova_gpuvirt import model

_IDS = re.compile(r'([0-9a-f]{4}):([0-9a-f]{4})', re.I)
# VGA, 3D and other display controllers, and processing accelerators; the
# class is the upper 16 of 24 bits (class table of pci.ids). 1201 is the SNIA
# SDXI data mover, which is nobody's card.
_DISPLAYS = frozenset({0x0300, 0x0302, 0x0380})
_ACCELERATOR = 0x1200
_GPU_MAKERS = frozenset({model.AMD, model.INTEL, model.NVIDIA})
# Displays of a server's management controller, which show the console of the
# machine itself, and of a board's own chipset: ast, mgag200, hibmc, loongson.
_BOARD_DISPLAYS = {
    0x1A03: 'a management controller (ASPEED)',
    0x102B: 'a management controller (Matrox)',
    0x19E5: 'a management controller (Huawei)',
    0x0014: "Loongson's chipset",
}
# Displays of virtual machines: bochs (with Simics), cirrus, qxl and virtio,
# vmwgfx, vboxvideo, hyperv_drm.
_VIRTUAL_DISPLAYS = {
    0x1234: 'QEMU',
    0x4321: 'Simics',
    0x1013: 'Cirrus, as QEMU emulates it',
    0x1B36: 'QXL',
    0x1AF4: 'virtio',
    0x15AD: 'VMware',
    0x80EE: 'VirtualBox',
    0x1414: 'Hyper-V',
}


def parse(text: str) -> model.Ids:
    """Parse a vendor and a device as ``lspci -n`` prints them: 10ee:5004.

    :raises ValueError: when the text is nothing such
    """
    match = _IDS.fullmatch(text)
    if match is None:
        raise ValueError(f'{text!r} is no vendor and device such as 10ee:5004')
    return int(match[1], 16), int(match[2], 16)


def is_candidate(class_code: int) -> bool:
    """Tell whether a function is of a class that GPUs are of."""
    return class_code >> 8 in (*_DISPLAYS, _ACCELERATOR)


def why_nothing(
    function: model.PciFunction, accelerators: Collection[model.Ids]
) -> str | None:
    """Tell why guests get nothing of a card, if it is no GPU.

    :param accelerators: those that the operator offers nevertheless
    """
    if function.ids in accelerators:
        return None
    if function.class_code >> 8 in _DISPLAYS:
        display = _BOARD_DISPLAYS.get(function.vendor_id)
        return display and f'it is the display of {display}'
    if function.vendor_id == model.AMD:
        return None
    return (
        'it is a processing accelerator, and not known to be a GPU: '
        + _what_to_set(function)
    )


def why_not_whole(
    function: model.PciFunction, accelerators: Collection[model.Ids]
) -> str | None:
    """Tell why a display is not given whole, though it may draw for guests."""
    if (
        function.ids in accelerators
        or function.class_code >> 8 not in _DISPLAYS
        or function.vendor_id in _GPU_MAKERS
    ):
        return None
    virtual = _VIRTUAL_DISPLAYS.get(function.vendor_id)
    what = (
        f'it is a virtual display ({virtual})'
        if virtual
        else 'it is a display, and not known to be a GPU'
    )
    return f'{what}: {_what_to_set(function)}'


def _what_to_set(function: model.PciFunction) -> str:
    return (
        'to offer it nevertheless, set '
        f'[gpuvirt]accelerators = {function.ids_text}'
    )
