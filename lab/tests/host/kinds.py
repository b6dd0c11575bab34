"""What a flavor asks for to get each kind of GPU, and what its guest sees."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Specs = Mapping[str, str]

_1Q = {'resources:CUSTOM_VGPU_NVIDIA_SIM_1Q': '1'}

# The card whose provider is 0000:08:00.0, and its ids and class.
T4: Specs = MappingProxyType(
    {
        'resources:PGPU': '1',
        'trait:CUSTOM_GPU_MODEL_TESLA_T4': 'required',
    }
)
T4_SEEN = ('10de:1eb8', '0x030200')

# A display with an audio function, 0000:01:00, and one alone, 0000:02:00.0.
SET: Specs = MappingProxyType({'resources:CUSTOM_GPU_SET_2': '1'})
DISPLAY_SEEN = ('1234:1111', '0x038000')
AUDIO_SEEN = ('8086:293e', '0x040300')

# Of 0000:04:00.0, whose VFs QEMU makes network cards.
VF: Specs = MappingProxyType(
    {'resources:CUSTOM_VGPU_RED_HAT_VIRTIO_1_0_GPU_1OF4': '1'}
)
VF_SEEN = ('1af4:1041', '0x020000')

# Of 0000:03:00.0, and of a VF of 0000:05:00.0.
MDEV: Specs = MappingProxyType(
    {**_1Q, 'trait:CUSTOM_GPU_ID_1234_1111': 'required'}
)
MDEV_OF_VF: Specs = MappingProxyType(
    {
        **_1Q,
        'trait:CUSTOM_GPU_ID_1AF4_1050': 'required',
        'trait:CUSTOM_GPU_KIND_MDEV': 'required',
    }
)
MDEV_SEEN = ('1234:5349', '0x030200')
MDEV_OF_VF_SEEN = ('1af4:5349', '0x030200')

# Of 0000:06:00.0; the guest sees the VF itself.
VENDOR_VFIO: Specs = MappingProxyType(
    {**_1Q, 'trait:CUSTOM_GPU_KIND_VENDOR_VFIO': 'required'}
)

# With vgem's render node; the guest sees QEMU's virtio-vga.
SESSION: Specs = MappingProxyType(
    {
        'resources:CUSTOM_GPU_API_SESSION': '1',
        'trait:CUSTOM_GPU_MODEL_VGEM': 'required',
    }
)
SESSION_SEEN = ('1af4:1050', '0x030000')
