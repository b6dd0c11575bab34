"""What a guest gets: neutral descriptions of what goes into its XML."""

from __future__ import annotations

import dataclasses
import uuid

from nova_gpuvirt import model


@dataclasses.dataclass(frozen=True, slots=True)
class Pci:
    """A host's PCI function.

    Functions with the same `slot` go into one slot of the guest, each as the
    `function` that is given; with no `slot`, libvirt chooses the place.
    `managed` is whether libvirt moves it to VFIO and back. `bars` are the
    sizes of its BARs in bytes. `variant` names the VFIO driver that it is
    given to, None for the usual one. `igd` marks Intel's integrated GPU,
    which has its own place in a guest. `card` names the whole card that it is
    a function of, None for a part of one, and `numa_node` is the card's.
    """

    host: model.PciAddress
    managed: bool
    slot: str | None = None
    function: int = 0
    bars: tuple[int, ...] = ()
    variant: str | None = None
    igd: bool = False
    card: str | None = None
    numa_node: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Mdev:
    """A mediated device.

    `display` is how it can show its screen, None where it can't;
    `render_node` is the host's node that draws a dma-buf.
    """

    uuid: uuid.UUID
    display: model.Display | None = None
    render_node: model.RenderNode | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Renderer:
    """A virtio-gpu whose calls are drawn by a render node of the host.

    `venus` is whether Vulkan is forwarded beside OpenGL.
    """

    node: model.RenderNode
    venus: bool = False


GuestDevice = Pci | Mdev | Renderer
