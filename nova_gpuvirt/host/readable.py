"""What may be read of a PCI function, relative to its directory in sysfs.

Some vendors' files act when they are read (`reset_gpu` of AMD's gim resets the
card), so nothing is read that is not listed here.
"""

from __future__ import annotations

import re

FILES = re.compile(
    '|'.join(
        (
            'aer_dev_(fatal|nonfatal)',
            'ari_enabled|boot_vga|class|device|driver_override|numa_node',
            'reset_method|resource|serial_number|sriov_totalvfs',
            'subsystem_device|subsystem_vendor|vendor',
            r'mdev_supported_types/[\w-]+/(available_instances|description|name)',
            # NVIDIA's vGPU on kernels without its mdevs, on VFs
            'nvidia/(creatable_vgpu_types|current_vgpu_type|gpu_instance_id'
            '|placement_id)',
            # SR-IOV of Intel's i915 (not of the kernel's own) and xe
            r'drm/card\d+/(prelim_)?iov/vf\d+/gt\d?/lmem_quota',
            r'sriov_admin/vf\d+/profile/vram_quota',
            # XGMI of AMD's amdgpu
            'xgmi_hive_info/xgmi_hive_id',
        )
    )
)
FOLDERS = re.compile(
    r'drm|mdev_supported_types|drm/card\d+/(prelim_)?iov(/vf\d+)?'
)
LINKS = re.compile('driver|iommu_group|physfn')


def check(listed: re.Pattern[str], name: str) -> None:
    """Make sure that something is listed.

    :raises ValueError: when it is not
    """
    if not listed.fullmatch(name):
        raise ValueError(f'{name!r} is not among what may be read')
