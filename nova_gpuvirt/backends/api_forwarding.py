"""Sessions of a host's renderer: virtio-gpu with virgl or venus.

A guest's OpenGL or Vulkan calls are drawn by a render node of the host. How
many guests share a node is the operator's to say: nothing in the hardware
does.
"""

from __future__ import annotations

import dataclasses

import os_traits as traits

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import base
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import kernel
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.model import guest_device

# virgl forwards OpenGL up to 4.3 (QEMU docs/system/devices/virtio/
# virtio-gpu.rst); what the host's own driver can may be less.
_OPENGL = frozenset(
    name
    for name in traits.get_traits('HW_GPU_API_OPENGL_')
    if name <= traits.HW_GPU_API_OPENGL_V4_3
)
# NVIDIA's own driver is none that QEMU's documentation knows.
_UNSUPPORTED = frozenset({'nvidia'})
VENUS_SERVER = 'usr/libexec/virgl_render_server'
WITH_BLOBS = (6, 13)
"""The kernel of which QEMU's virtio-gpu has blob resources."""
_SLUG = 'api-session'


class ApiForwarding(base.Backend):
    """Let guests draw with a render node of the host."""

    kind = 'api'

    def __init__(self, machine: machine_.Machine) -> None:
        super().__init__(machine)
        self._renderer: hypervisor.Renderer | None = None

    def refresh(self, gpu: model.Gpu) -> None:
        """Ask libvirt, once, what QEMU can forward."""
        if self._renderer is None:
            self._renderer = self._machine.hypervisor.renderer()

    def discover(self, gpu: model.Gpu) -> model.Gpu:
        """Add the sessions of the card's render node."""
        node = gpu.render_node
        driver = gpu.function.driver if gpu.function else None
        can = self._renderer
        if node is None or can is None or driver in _UNSUPPORTED:
            return gpu
        venus = self._can_venus(can)
        count = self._machine.api_sessions(gpu)
        session = model.Profile(
            _SLUG,
            f'session of {node}',
            type_id='venus' if venus else 'virgl',
            available=count,
            max_instances=count,
            traits=_OPENGL | ({traits.HW_GPU_API_VULKAN} if venus else set()),
            is_vgpu=False,
            per_card=1,
        )
        share = model.Share(
            self.kind,
            size_rules.INDEPENDENT,
            gpu.address,
            (session,) if count else (),
            refusal=None
            if can.virgl
            else 'QEMU has no virtio-gpu or no egl-headless here: install '
            'its OpenGL modules (Debian: qemu-system-modules-opengl)',
        )
        return dataclasses.replace(gpu, shares=(*gpu.shares, share))

    def _can_venus(self, can: hypervisor.Renderer) -> bool:
        """Tell whether Vulkan can be forwarded too.

        QEMU's virtio-gpu.rst asks for Linux 6.13 for blob resources, and
        virglrenderer runs venus in a server of its own.
        """
        if not self._machine.api_vulkan:
            return False
        root = self._sysfs.root
        new = kernel.is_at_least(root, *WITH_BLOBS)
        return can.venus and new and root.exists(VENUS_SERVER)

    def prepare(self, gpu: model.Gpu, slot: model.Slot, instance: str) -> bool:
        """Make sure that the node is still there."""
        if gpu.share(self.kind) is None:
            raise exception.PrepareFailed(
                str(slot.device),
                wanted=f'a session of it for instance {instance}',
                found='no such render node, or QEMU can not use it',
                remedy="bind the card to its driver, and install QEMU's "
                'OpenGL modules',
            )
        return False

    def guest_devices(
        self, gpu: model.Gpu, slot: model.Slot, instance: str
    ) -> tuple[guest_device.Renderer, ...]:
        """Describe the virtio-gpu."""
        # The card counts: after a reboot its node may have another number.
        assert gpu.render_node is not None
        profile = gpu.profile(_SLUG)
        venus = profile is not None and profile.type_id == 'venus'
        return (guest_device.Renderer(gpu.render_node, venus),)
