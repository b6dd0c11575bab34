"""What a guest draws with, and what its console shows."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from lxml import etree
from nova.virt.libvirt import config as vconfig

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.guest import override
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.model import guest_device

# libvirt's own name for the first video device of a guest.
_VIDEO_ALIAS = 'video0'
# Address space for blob resources, as QEMU's virtio-gpu.rst has it: bytes.
_HOSTMEM = 8 << 30


class EglHeadless(vconfig.LibvirtConfigGuestDevice):
    """A display that draws with a render node and shows nothing itself."""

    def __init__(self, node: model.RenderNode) -> None:
        super().__init__(root_name='graphics')
        self.node = node

    def format_dom(self) -> Any:
        """Write it as libvirt's formatdomain.rst has it."""
        dev = super().format_dom()
        dev.set('type', 'egl-headless')
        etree.SubElement(dev, 'gl', rendernode=f'/dev/dri/{self.node}')
        return dev


class Screen(vconfig.LibvirtConfigGuestVideo):
    """What stands in place of Nova's emulated video: nothing.

    :ivar owner: what the guest's screen is instead
    """

    def __init__(self, owner: str) -> None:
        super().__init__()
        self.type = 'none'
        self.owner = owner


class AcceleratedVideo(Screen):
    """A virtio-gpu whose calls the host draws."""

    def format_dom(self) -> Any:
        """Write it as libvirt's formatdomain.rst has it."""
        dev = vconfig.LibvirtConfigGuestDevice.format_dom(self)
        video = etree.SubElement(
            dev, 'model', type='virtio', heads='1', primary='yes'
        )
        etree.SubElement(video, 'acceleration', accel3d='yes')
        return dev


class ShownMdev(vconfig.LibvirtConfigGuestHostdevMDEV):
    """An mdev whose screen the guest's console shows, from its start on."""

    def format_dom(self) -> Any:
        """Add to what Nova writes."""
        dev = super().format_dom()
        dev.set('display', 'on')
        dev.set('ramfb', 'on')
        return dev


class SharedMemory(vconfig.LibvirtConfigGuestMemoryBacking):
    """Memory that another process can map: memfd, shared."""

    def format_dom(self) -> Any:
        """Add the source where Nova has none, in the order of the schema."""
        root = super().format_dom()
        if not self.filesource and not self.hugepages:
            access = root.find('access')
            access.addprevious(etree.Element('source', type='memfd'))
        return root


def add_mdevs(
    config: vconfig.LibvirtConfigGuest,
    mdevs: Collection[guest_device.Mdev],
    *,
    display: bool,
) -> None:
    """Add mdevs, of which the console shows one at most.

    Nova has put those in already that it saw in the guest's earlier XML:
    hard reboot and rescue do so.

    :raises RequestImpossible: when a screen shall be shown and none has one
    :raises PrepareFailed: when this host can't show it
    """
    shown = _shown(config, mdevs) if display else None
    if shown is not None:
        give_screen(config, Screen(f'vGPU {shown}'))
    ours = {str(mdev.uuid) for mdev in mdevs}
    config.devices = [
        d
        for d in config.devices
        if not isinstance(d, vconfig.LibvirtConfigGuestHostdevMDEV)
        or d.uuid not in ours
    ]
    for mdev in mdevs:
        hostdev = (
            ShownMdev()
            if mdev.uuid == shown
            else vconfig.LibvirtConfigGuestHostdevMDEV()
        )
        hostdev.uuid = str(mdev.uuid)
        config.add_device(hostdev)


def _shown(
    config: vconfig.LibvirtConfigGuest, mdevs: Collection[guest_device.Mdev]
) -> uuid.UUID:
    """Choose the mdev that the console shows, and let it draw."""
    mdev = next((m for m in mdevs if m.display is not None), None)
    if mdev is None:
        raise exception.RequestImpossible(
            ', '.join(str(m.uuid) for m in mdevs) or 'guest',
            wanted='a vGPU whose screen its console can show',
            found='vGPUs without one' if mdevs else 'no vGPU that is an mdev',
            remedy='leave gpuvirt_display out of flavor and image, or use '
            'a profile with a display',
        )
    if not _of_type(config, vconfig.LibvirtConfigGuestGraphics):
        raise exception.RequestImpossible(
            str(mdev.uuid),
            wanted='a console that shows its screen',
            found='a guest without VNC and SPICE',
            remedy='enable one of them in nova.conf of this host, or leave '
            'gpuvirt_display out of flavor and image',
        )
    if mdev.display is model.Display.DMABUF:
        # VNC can't show a dma-buf: this draws it first.
        if mdev.render_node is None:
            raise exception.PrepareFailed(
                str(mdev.uuid),
                wanted='a render node of its card, to draw its screen',
                found='none',
                remedy="see that the card's driver has one below /dev/dri, "
                'or leave gpuvirt_display out of flavor and image',
            )
        config.add_device(EglHeadless(mdev.render_node))
    return mdev.uuid


def add_renderers(
    config: vconfig.LibvirtConfigGuest,
    renderers: Collection[guest_device.Renderer],
    libvirt_version: int,
    properties: override.Properties,
) -> None:
    """Let a guest draw with the host, beside its normal console.

    :param properties: takes those of QEMU that venus needs
    :raises RequestImpossible: for more than one
    :raises PrepareFailed: for too old a libvirt
    """
    if not renderers:
        return
    if len(renderers) > 1:
        raise exception.RequestImpossible(
            ', '.join(str(r.node) for r in renderers),
            wanted='one session for a guest',
            found=f'{len(renderers)} sessions',
            remedy='ask for one CUSTOM_GPU_API_SESSION',
        )
    (renderer,) = renderers
    give_screen(config, AcceleratedVideo(f'session of {renderer.node}'))
    config.add_device(EglHeadless(renderer.node))
    if renderer.venus:
        _forward_vulkan(config, renderer, libvirt_version, properties)


def _forward_vulkan(
    config: vconfig.LibvirtConfigGuest,
    renderer: guest_device.Renderer,
    libvirt_version: int,
    properties: override.Properties,
) -> None:
    """Turn venus on, and let its server map the guest's memory."""
    if libvirt_version < hypervisor.LIBVIRT_WITH_OVERRIDE:
        raise exception.PrepareFailed(
            str(renderer.node),
            wanted='to forward Vulkan to it (venus)',
            found=f'libvirt {libvirt_version}, which can not turn it on',
            remedy='use libvirt 8.2.0 or newer',
        )
    properties[_VIDEO_ALIAS] = {
        'blob': True,
        'hostmem': _HOSTMEM,
        'venus': True,
    }
    backing = SharedMemory()
    if config.membacking is not None:
        backing.__dict__.update(vars(config.membacking))
    backing.sharedaccess = True
    config.membacking = backing


def give_screen(config: vconfig.LibvirtConfigGuest, screen: Screen) -> None:
    """Put something in place of Nova's emulated video.

    A guest has one screen: of several, its console shows the one that QEMU
    made first.

    :raises RequestImpossible: when something else has taken the place
    """
    for other in _of_type(config, Screen):
        raise exception.RequestImpossible(
            screen.owner,
            wanted='to be the one screen of a guest',
            found=f'that another {other.owner.partition(" ")[0]} is',
            remedy='ask for one of them: leave gpuvirt_display out of flavor '
            'and image, or the session out of the flavor',
        )
    config.devices = [
        d
        for d in config.devices
        if not isinstance(d, vconfig.LibvirtConfigGuestVideo)
    ]
    config.add_device(screen)


def _of_type(config: vconfig.LibvirtConfigGuest, kind: type) -> list[Any]:
    return [d for d in config.devices if isinstance(d, kind)]
