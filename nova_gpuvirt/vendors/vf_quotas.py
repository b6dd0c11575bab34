"""What part of a card each of its virtual functions has.

The host's driver tells it: as graphics memory (Intel), or as the mode in
which the card is partitioned (AMD).
"""

from __future__ import annotations

import functools
import re

from nova_gpuvirt import model
from nova_gpuvirt.host import kernel
from nova_gpuvirt.host import numerals
from nova_gpuvirt.host import sysfs as sysfs_

MEMORY_UNIT = 2 << 20
"""Intel's drivers round each quota of memory up to a multiple, in bytes.

Sources: xe's xe_gt_sriov_pf_config.c, i915's gt/iov/intel_iov_provisioning.c.
"""
_MIB = 1 << 20


class Quotas:
    """The parts of one card.

    :raises SysfsError: by its methods, when the driver's files can't be read
    """

    def __init__(self, sysfs: sysfs_.Sysfs, pf: model.PciFunction) -> None:
        self._sysfs = sysfs
        self._pf = pf

    def of_vf(self, number: int) -> str:
        """Name the part that a VF has.

        ``2000m`` is graphics memory in MiB, ``cpx-nps4-1of8`` one of AMD's
        partitions, ``1of7`` where only the number of VFs is known.

        :param number: of the VF, from 0 as in ``virtfn0``
        """
        size = memory(self._sysfs, self._pf, number + 1)
        return f'{size // _MIB}m' if size else self._equal_part

    @functools.cached_property
    def _equal_part(self) -> str:
        words = [f'1of{len(self._pf.virtfns)}']
        if self._pf.driver == 'gim':
            modes = gim_modes(self._sysfs, self._pf.address)
            words = [*(m.lower() for m in modes if m), *words]
        return '-'.join(words)


def mib(quota: str) -> int | None:
    """Read the graphics memory from a part's name, in MiB."""
    match = re.fullmatch(r'(.+)m', quota)
    return numerals.decimal(match[1]) if match else None


def why_none(sysfs: sysfs_.Sysfs, pf: model.PciFunction) -> str | None:
    """Tell why a card has no VFs, where its driver could make some."""
    if pf.virtfns:
        return None
    if pf.driver == 'gim':
        return (
            'gim has made no VFs: load it with vf_num, and see the kernel log'
        )
    if pf.driver in ('i915', 'xe'):
        return _why_intel_has_none(sysfs, pf, pf.driver)
    return None


def _why_intel_has_none(
    sysfs: sysfs_.Sysfs, pf: model.PciFunction, driver: str
) -> str | None:
    if sysfs.read_if_there(pf.address, 'sriov_totalvfs') is None:
        return None
    most = kernel.parameter(sysfs.root, driver, 'max_vfs')
    if most == '0':
        return (
            f'{driver}.max_vfs is 0: load {driver} with max_vfs=N to share '
            'the card'
        )
    if driver == 'i915' and most is None:
        return (
            "this kernel's own i915 makes no VFs: to share the card, install "
            "Intel's or i915-sriov-dkms"
        )
    if pf.sriov_totalvfs:
        return (
            f'none of its {pf.sriov_totalvfs} VFs is enabled: write their '
            'number to sriov_numvfs'
        )
    return None


def _i915_memory(
    sysfs: sysfs_.Sysfs, pf: model.PciAddress, number: int
) -> int:
    """Read a VF's local memory in bytes, 0 where the card has none.

    The folder is ``iov`` or ``prelim_iov``, by the driver's release; each
    tile has its ``gt`` or ``gt0`` (i915's gt/iov/intel_iov_sysfs.c).
    """
    for card in sysfs.names(pf, 'drm'):
        if not re.fullmatch(r'card[0-9]+', card):
            continue
        for iov in ('prelim_iov', 'iov'):
            vf = f'drm/{card}/{iov}/vf{number}'
            quotas = [
                sysfs.read_if_there(pf, f'{vf}/{gt}/lmem_quota')
                for gt in sysfs.names(pf, vf)
                if re.fullmatch(r'gt[0-9]?', gt)
            ]
            if quotas:
                return sum(numerals.decimal(q) or 0 for q in quotas)
    return 0


def _xe_memory(sysfs: sysfs_.Sysfs, pf: model.PciAddress, number: int) -> int:
    """Read a VF's video memory in bytes, 0 where nothing tells it.

    ``vram_quota`` is in sysfs since Linux 7.0 and in debugfs before (kernel
    Documentation/ABI/testing/sysfs-driver-intel-xe-sriov, xe_*_debugfs.c).
    """
    text = sysfs.read_if_there(
        pf, f'sriov_admin/vf{number}/profile/vram_quota'
    )
    for name in (
        f'sriov/vf{number}/tile0/vram_quota',
        f'gt0/vf{number}/lmem_quota',
    ):
        if text is None:
            text = sysfs.read_rootonly(pf, name)
    return numerals.decimal(text) or 0


def memory(
    sysfs: sysfs_.Sysfs, pf: model.PciFunction, number: int
) -> int | None:
    """Read what a VF has of a card's memory, in bytes.

    :param number: of the VF, from 1; it need not be enabled
    :returns: None where the driver shares no memory out
    :raises SysfsError: when the driver's files can't be read
    """
    if pf.driver == 'i915':
        return _i915_memory(sysfs, pf.address, number)
    if pf.driver == 'xe':
        return _xe_memory(sysfs, pf.address, number)
    return None


def gim_modes(
    sysfs: sysfs_.Sysfs, pf: model.PciAddress
) -> tuple[str | None, str | None]:
    """Read how a card is partitioned, and how its memory: ``CPX``, ``NPS4``.

    The older gim, of the S7150, has neither file. For a card that can't be
    partitioned both tell of a failure (gim_shim/sysfs/gim_monitor.c).
    """
    texts = {
        r'[SDQC]PX': sysfs.read_rootonly(pf, 'spatial_partition_mode'),
        r'NPS\d': sysfs.read_rootonly(pf, 'memory_partition_mode'),
    }
    partition, memory = (
        match[0] if (match := re.search(rf'\b{p}\b', t or '')) else None
        for p, t in texts.items()
    )
    return partition, memory
