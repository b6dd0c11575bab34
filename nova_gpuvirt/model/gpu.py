"""A card: its functions, and the shares that cut it into parts."""

from __future__ import annotations

import abc
import dataclasses
import enum
import fnmatch
import re
from collections import Counter
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence

import os_resource_classes as orc

from nova_gpuvirt.model import claim
from nova_gpuvirt.model import device as device_

# The upper 16 bits of the class of a PCI-to-PCI bridge. VFIO leaves bridges
# behind (kernel Documentation/driver-api/vfio.rst); others of the class 06,
# such as NVSwitches, are endpoints.
PCI_BRIDGE = 0x0604
# The vendors' ids in PCI, and what no vendor has.
AMD = 0x1002
INTEL = 0x8086
NVIDIA = 0x10DE
NO_VENDOR = 0xFFFF
# The beginnings of the resource classes of parts, and the class of sessions on
# a renderer.
VGPU_CLASS = 'CUSTOM_VGPU_'
GPU_CLASS = 'CUSTOM_GPU_'
SESSION_CLASS = 'CUSTOM_GPU_API_SESSION'


def is_gpu_class(resource_class: str) -> bool:
    """Tell whether a resource class is one of GPUs."""
    return resource_class in (orc.PGPU, orc.VGPU) or resource_class.startswith(
        (VGPU_CLASS, GPU_CLASS)
    )


class Display(enum.Enum):
    """How a vGPU can show its screen to the guest's console."""

    REGION = 'region'
    DMABUF = 'dma-buf'


@dataclasses.dataclass(frozen=True, slots=True)
class Profile:
    """A part of a card that can be had, in its driver's words.

    `available` is how many more the driver would make now. `max_instances`
    is how many an empty card has room for, where the driver tells it.
    `places` are the VFs that each are one of this profile, or can become
    one; None where the driver finds the place. `offered` is whether the
    operator lets guests have it. `needs` is what one vGPU of GVT-g takes of
    each budget: low graphics memory (MiB), high graphics memory (MiB),
    fences. `traits` are those that stand for what a guest gets.
    `is_vgpu` is False for what the class VGPU can't stand for. `per_card` is
    how many parts of one card a guest may have that has one of these, and
    `per_guest` how many vGPUs of all cards; None for as many as fit. `series`
    is the letter of NVIDIA's vGPUs, of which a guest may have one alone.
    """

    slug: str
    name: str
    type_id: str
    available: int
    max_instances: int | None = None
    framebuffer_mib: int | None = None
    heads: int | None = None
    resolution: tuple[int, int] | None = None
    frame_rate_limit: int | None = None
    needs: tuple[int, ...] = ()
    display: Display | None = None
    places: tuple[device_.PciAddress, ...] | None = None
    traits: frozenset[str] = frozenset()
    is_vgpu: bool = True
    offered: bool = True
    per_card: int | None = None
    per_guest: int | None = None
    series: str = ''

    @property
    def resource_class(self) -> str:
        """The profile's own resource class, ``CUSTOM_VGPU_NVIDIA_T4_2Q``."""
        prefix = VGPU_CLASS if self.is_vgpu else GPU_CLASS
        return prefix + re.sub(r'[^A-Z0-9]+', '_', self.slug.upper())

    def matches(self, glob: str) -> bool:
        """Tell whether a glob fits the slug or the driver's name."""
        return any(
            fnmatch.fnmatchcase(word.lower(), glob.lower())
            for word in (self.slug, self.name)
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Vgpu:
    """A vGPU that exists on a card, whoever made it.

    `device` is the UUID of an mdev or the address of a VF. `profile` is its
    profile's slug, and `slot` the slot that it stands for; None where they
    can't be told.
    """

    device: str
    profile: str | None
    slot: claim.Slot | None = None


class Rule(abc.ABC):
    """What the parts of one card take from each other."""

    @abc.abstractmethod
    def left(
        self, profiles: Sequence[Profile], pending: Counter[str]
    ) -> dict[str, int]:
        """Count what is left of each profile.

        It starts from the driver's own word (`Profile.available`), which
        counts every vGPU that exists, and takes away those that are claimed
        and not made yet.

        :param pending: how many vGPUs of each slug are claimed and not made;
            a slug that no profile has stands for something unknown
        :returns: by slug, how many more of that profile alone would fit
        """

    def clash(self, profiles: Collection[Profile]) -> str | None:
        """Tell why vGPUs of these profiles can't share a card, if so."""
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """One way to cut a card into parts.

    `device` is what the indexes of its slots count on, None where each slot
    is a VF. `vgpus` are the parts that exist. `refusal` says why
    none can be had now, None where they can. `withheld` says it of single
    VFs, when others can be had. `doubt` says why more may fit than are
    counted. `offered` is whether the operator lets guests
    have parts of the card in this way, and `excluded` are the VFs that they
    don't get.
    """

    kind: str
    rule: Rule
    device: device_.Device | None = None
    profiles: tuple[Profile, ...] = ()
    vgpus: tuple[Vgpu, ...] = ()
    refusal: str | None = None
    withheld: Mapping[device_.Device, str] = dataclasses.field(
        default_factory=dict
    )
    doubt: str | None = None
    offered: bool = True
    excluded: frozenset[device_.Device] = frozenset()

    def profile(self, slug: str | None) -> Profile | None:
        """Find the profile of that slug."""
        return next((p for p in self.profiles if p.slug == slug), None)


@dataclasses.dataclass(frozen=True, slots=True)
class PciFunction:
    """One PCI function as sysfs shows it.

    `class_code` has 24 bits. `bars` are the sizes in bytes of the six
    standard BARs, 0 where there is none. `numa_node` and `iommu_group` are
    None where the host has none. `physfn` is a VF's PF. `above` is the way to
    it from its root bus, ``pci0000:00``, over the addresses of bridges.
    """

    address: device_.PciAddress
    class_code: int
    vendor_id: int
    device_id: int
    subsystem: tuple[int, int]
    driver: str | None
    numa_node: int | None
    iommu_group: int | None
    bars: tuple[int, ...]
    boot_vga: bool
    physfn: device_.PciAddress | None
    sriov_totalvfs: int
    virtfns: tuple[device_.PciAddress, ...]
    above: tuple[str, ...] = ()

    @property
    def ids(self) -> device_.Ids:
        """Its vendor's and its own number."""
        return self.vendor_id, self.device_id

    @property
    def ids_text(self) -> str:
        """The two, as ``lspci -n`` prints them: 10de:1eb8."""
        return f'{self.vendor_id:04x}:{self.device_id:04x}'


@dataclasses.dataclass(frozen=True, slots=True)
class Gpu:
    """A card, one physical GPU: its functions, and what can be had of it.

    `function` is None for a renderer that is no PCI card; it has a
    `render_node`. `companions` are the other functions that go with a card
    to a guest (audio, USB). `refusal` says why nothing of it is offered,
    `whole_refusal` why it can't be given whole, `alone_refusal` why it can't
    without others; None where it can. `withheld` says why no further guest
    gets anything of it, and `whole_withheld` why none gets it whole: those
    that have it keep it. `quarantined` is whether the card is in quarantine,
    which `withheld` says then. `dirty` are the slots in which an instance may
    have left something: nobody else gets them until they are clean. `offered`
    is whether the operator lets guests have it whole, `in_sets` whether they
    get it together with others. `shares` are the ways to cut it into parts.
    `traits` are what its driver says of the card.
    """

    function: PciFunction | None
    companions: tuple[PciFunction, ...]
    vendor: str
    model: str
    render_node: device_.RenderNode | None = None
    refusal: str | None = None
    whole_refusal: str | None = None
    alone_refusal: str | None = None
    withheld: str | None = None
    whole_withheld: str | None = None
    quarantined: bool = False
    dirty: frozenset[claim.Slot] = frozenset()
    offered: bool = True
    in_sets: bool = True
    shares: tuple[Share, ...] = ()
    traits: frozenset[str] = frozenset()

    @property
    def address(self) -> device_.Device:
        """The address that names the card everywhere."""
        if self.function is not None:
            return self.function.address
        assert self.render_node is not None
        return self.render_node

    @property
    def name(self) -> str:
        """What people call the card; either half may lack."""
        return f'{self.vendor} {self.model}'.strip()

    @property
    def is_nvidia(self) -> bool:
        """Tell whether the card is NVIDIA's, by its id: names may lack."""
        return self.function is not None and (
            self.function.vendor_id == NVIDIA
        )

    @property
    def can_go_whole(self) -> bool:
        """Tell whether the card could be given whole, if nobody had it."""
        return (
            self.refusal is None
            and self.withheld is None
            and self.why_not_whole is None
        )

    @property
    def why_not_whole(self) -> str | None:
        """Tell why no further guest gets the card whole, if so."""
        return self.whole_refusal or self.whole_withheld

    @property
    def goes_alone(self) -> bool:
        """Tell whether guests may have the card whole, and without others."""
        return (
            self.why_not_whole is None
            and self.alone_refusal is None
            and self.offered
        )

    @property
    def virtfns(self) -> tuple[device_.PciAddress, ...]:
        """The card's VFs, in order of their number."""
        return self.function.virtfns if self.function else ()

    @property
    def functions(self) -> tuple[PciFunction, ...]:
        """The card and its companions, in order of address."""
        if self.function is None:
            return ()
        functions = (self.function, *self.companions)
        return tuple(sorted(functions, key=lambda f: f.address))

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """The profiles of all parts."""
        return tuple(p for share in self.shares for p in share.profiles)

    @property
    def vgpus(self) -> tuple[Vgpu, ...]:
        """The parts that exist."""
        return tuple(v for share in self.shares for v in share.vgpus)

    def share(self, kind: str) -> Share | None:
        """Find the share of that kind."""
        return next((s for s in self.shares if s.kind == kind), None)

    def profile(self, slug: str) -> Profile | None:
        """Find the profile of that slug."""
        return next((p for p in self.profiles if p.slug == slug), None)

    def holds(self, device: device_.Device) -> bool:
        """Tell whether a slot of that device is one of this card."""
        return device in (self.address, *self.virtfns)
