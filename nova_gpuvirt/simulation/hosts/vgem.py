"""A host without a GPU, whose kernel's vgem has a render node.

It stands for virtual machines in which API forwarding is tried: what is
drawn is drawn by the processor. Kernel, QEMU and virglrenderer are new enough
for Vulkan (QEMU docs/system/devices/virtio/virtio-gpu.rst).
"""

from __future__ import annotations

from nova_gpuvirt.simulation import description
from nova_gpuvirt.simulation.hosts import parts
from nova_gpuvirt.simulation.hosts import pci_ids


def host() -> description.Host:
    """Describe a virtual host, whose only render node is vgem's."""
    functions = (parts.host_bridge('0000:00:00.0', 0x3EC2),)
    return description.Host(
        functions=functions,
        pci_ids=pci_ids.text(functions),
        cpus=('0-3',),
        iommu=False,
        platform_drm={'vgem': ('card0', 'renderD128')},
        kernel='6.14.0-24-generic',
        libvirt=11_000_000,
        qemu=9_002_001,
        files=('usr/libexec/virgl_render_server',),
    )
