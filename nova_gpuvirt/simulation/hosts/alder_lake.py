"""An Intel iGPU of Alder Lake, with VFs and without.

That there are 7 VFs right behind the PF, their ids and all BARs are as users
of such processors have shown them (github.com/strongtz/i915-sriov-dkms,
intel/kubevirt-gfx-sriov). The folder is named ``iov``, as in Intel's own
releases of the driver; the numbers of what VFs share are computed.
"""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.drivers import i915
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids

_VFS = 7


def host() -> description.Host:
    """Describe an Intel iGPU of Alder Lake with 7 VFs."""
    vfs = description.VirtualFunctions(
        total=_VFS,
        device=0x4680,
        bars=(
            description.Bar(0, 16 * parts.MIB, description.BarKind.MEMORY_64),
            description.Bar(
                2, 512 * parts.MIB, description.BarKind.PREFETCHABLE_64
            ),
        ),
        enabled=_VFS,
    )
    driver = i915.I915(total=_VFS, card='card0', folder='iov', gt='gt0')
    return _host(vfs, driver)


def host_without_vfs() -> description.Host:
    """Describe an Intel iGPU of Alder Lake whose driver makes no VFs."""
    # The driver lowers sriov_totalvfs to what it was loaded with.
    return _host(description.VirtualFunctions(total=0, device=0x4680), None)


def _host(
    vfs: description.VirtualFunctions, driver: i915.I915 | None
) -> description.Host:
    igpu = dataclasses.replace(
        parts.intel_gpu(0x4680, (0x1028, 0x0AA8)), vfs=vfs, pf_driver=driver
    )
    functions = (parts.host_bridge('0000:00:00.0', 0x4660), igpu)
    return description.Host(
        functions=functions,
        pci_ids=pci_ids.text(functions),
        cpus=('0-19',),
        mdev=False,
        physical_bits=39,
        kernel='6.1.0-44-generic',
        parameters={'i915/max_vfs': f'{vfs.total}'},
    )
