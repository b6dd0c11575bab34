"""The data of nova-gpuvirt: what stands in a host, and what is claimed of it.

Everything here is a frozen value with no I/O. What has a text form
(`PciAddress`, `RenderNode`, `CardSet`, `FabricName`, `Slot`) prints and
parses without loss.
"""

from __future__ import annotations

import abc
import dataclasses
import enum
import fnmatch
import functools
import re
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

# The upper 16 bits of the class of a PCI-to-PCI bridge. VFIO leaves bridges
# behind (kernel Documentation/driver-api/vfio.rst); others of the class 06,
# such as NVSwitches, are endpoints.
PCI_BRIDGE = 0x0604
# The vendor's id in PCI.
NVIDIA = 0x10DE
# The beginnings of resource classes, and the class of sessions on a renderer.
SET_CLASS = 'CUSTOM_GPU_SET_'
VGPU_CLASS = 'CUSTOM_VGPU_'
GPU_CLASS = 'CUSTOM_GPU_'
SESSION_CLASS = 'CUSTOM_GPU_API_SESSION'


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class PciAddress:
    """The address of one PCI function, as ``0000:3b:00.0``."""

    domain: int
    bus: int
    slot: int
    function: int

    _FORMAT = re.compile(
        r'([0-9a-f]{4,8}):([0-9a-f]{2}):([01][0-9a-f])\.([0-7])', re.I
    )

    @classmethod
    def parse(cls, text: str) -> PciAddress:
        """Parse ``DDDD:BB:SS.F``, in hexadecimal digits of either case.

        The domain may have up to eight digits: nvidia-smi prints eight, and
        the kernel prints as many as it needs but at least four.

        :raises ValueError: when the text is no such address
        """
        match = cls._FORMAT.fullmatch(text.strip())
        if match is None:
            raise ValueError(
                f'{text!r} is no PCI address such as 0000:3b:00.0'
            )
        return cls(*(int(part, 16) for part in match.groups()))

    def __str__(self) -> str:
        return (
            f'{self.domain:04x}:{self.bus:02x}:{self.slot:02x}.{self.function}'
        )

    @property
    def nodedev(self) -> str:
        """The name that libvirt gives the function's node device."""
        return 'pci_' + str(self).replace(':', '_').replace('.', '_')


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class RenderNode:
    """A DRM render node of the host, as ``renderD128``."""

    minor: int

    @classmethod
    def parse(cls, text: str) -> RenderNode:
        """Parse the node's name.

        :raises ValueError: when the text is no such name
        """
        match = re.fullmatch(r'renderD(\d{1,7})', text)
        if match is None:
            raise ValueError(f'{text!r} is no render node such as renderD128')
        return cls(int(match[1]))

    def __str__(self) -> str:
        return f'renderD{self.minor}'


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class CardSet:
    """Cards that go to one guest together, in order of address.

    Its text is ``0000:17:00.0+0000:2a:00.0``.
    """

    cards: tuple[PciAddress, ...]

    def __post_init__(self) -> None:
        if len(self.cards) < 2 or self.cards != tuple(sorted(set(self.cards))):
            raise ValueError('a set has several cards, in order of address')

    @classmethod
    def of(cls, cards: Iterable[PciAddress]) -> CardSet:
        """Make a set of cards in any order."""
        return cls(tuple(sorted(cards)))

    @classmethod
    def parse(cls, text: str) -> CardSet:
        """Parse addresses with a plus between them.

        :raises ValueError: when the text is no such set
        """
        return cls(tuple(PciAddress.parse(part) for part in text.split('+')))

    def __str__(self) -> str:
        return '+'.join(map(str, self.cards))

    @property
    def resource_class(self) -> str:
        """The class of sets of this size, ``CUSTOM_GPU_SET_8``."""
        return f'{SET_CLASS}{len(self.cards)}'

    def overlaps(self, cards: Iterable[Device]) -> bool:
        """Tell whether any of the cards is in the set."""
        return not set(self.cards).isdisjoint(cards)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class FabricName:
    """What names the provider of a host's sets, as ``fabric0``.

    A host has one for each model of card that it has sets of.
    """

    number: int

    @classmethod
    def parse(cls, text: str) -> FabricName:
        """Parse the name.

        :raises ValueError: when the text is no such name
        """
        match = re.fullmatch(r'fabric(0|[1-9]\d{0,3})', text)
        if match is None:
            raise ValueError(f'{text!r} is no fabric such as fabric0')
        return cls(int(match[1]))

    def __str__(self) -> str:
        return f'fabric{self.number}'


Device = PciAddress | RenderNode | CardSet | FabricName


def parse_device(text: str) -> Device:
    """Parse the name of what has a provider or stands in a slot.

    :raises ValueError: when the text is none of these
    """
    if text.startswith('renderD'):
        return RenderNode.parse(text)
    if text.startswith('fabric'):
        return FabricName.parse(text)
    if '+' in text:
        return CardSet.parse(text)
    return PciAddress.parse(text)


# The kinds of a slot that is a whole card, or several; every other kind is a
# part of one.
WHOLE = 'passthrough'
SET = 'set'


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """One thing that one instance can hold; its text is Nova's identifier.

    ``passthrough:0000:3b:00.0`` is a whole card,
    ``mdev:0000:3b:00.0/3@nvidia-t4-2q`` the card's fourth vGPU, of a profile,
    ``sriov:0000:0c:02.1@amd-instinct-mi300x-cpx-1of8`` a virtual function,
    ``set:0000:17:00.0+0000:2a:00.0`` two cards that belong together. `kind`
    is that of the backend which serves it.
    """

    kind: str
    device: Device
    index: int | None = None
    profile: str | None = None

    _FORMAT = re.compile(
        r'(?P<kind>[a-z][a-z-]*):(?P<device>[^/@]+)'
        r'(?:/(?P<index>\d+))?(?:@(?P<profile>.+))?'
    )

    def __post_init__(self) -> None:
        if self.takes_all != (self.profile is None):
            raise ValueError('a part has a profile, and a whole card none')
        if (self.kind == SET) != isinstance(self.device, CardSet):
            raise ValueError('a set has several cards, and nothing else has')

    @classmethod
    def parse(cls, text: str) -> Slot:
        """Parse an identifier.

        :raises ValueError: when the text is no identifier of this version
        """
        match = cls._FORMAT.fullmatch(text)
        if match is None:
            raise ValueError(f'{text!r} is no identifier of a slot')
        return cls(
            match['kind'],
            parse_device(match['device']),
            None if match['index'] is None else int(match['index']),
            match['profile'],
        )

    @property
    def place(self) -> tuple[str, Device, int | None, str | None]:
        """What one instance alone can have: a VF, whatever it becomes."""
        profile = None if self.index is None else self.profile
        return self.kind, self.device, self.index, profile

    @property
    def takes_all(self) -> bool:
        """Tell whether it leaves nothing of its card, or of its cards."""
        return self.kind in (WHOLE, SET)

    @property
    def wholes(self) -> tuple[Slot, ...]:
        """The slots of the whole cards that it takes; of a part none."""
        if isinstance(self.device, CardSet):
            return tuple(Slot(WHOLE, card) for card in self.device.cards)
        return (self,) if self.kind == WHOLE else ()

    @property
    def parts(self) -> tuple[Slot, ...]:
        """The slots that each are of one card: of a set several."""
        return self.wholes or (self,)

    def __str__(self) -> str:
        index = '' if self.index is None else f'/{self.index}'
        profile = '' if self.profile is None else f'@{self.profile}'
        return f'{self.kind}:{self.device}{index}{profile}'


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """One unit of a resource class that an instance holds."""

    resource_class: str
    identifier: str

    @property
    def slot(self) -> Slot | None:
        """The slot, or None for an identifier that this version can't read."""
        return _slot(self.identifier)


# More than the claims that a host has, and what can be claimed beside them.
@functools.lru_cache(maxsize=8192)
def _slot(identifier: str) -> Slot | None:
    try:
        return Slot.parse(identifier)
    except ValueError:
        return None


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
    `is_vgpu` is False for what the class VGPU can't stand for.
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
    places: tuple[PciAddress, ...] | None = None
    traits: frozenset[str] = frozenset()
    is_vgpu: bool = True
    offered: bool = True

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
    slot: Slot | None = None


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
    is a VF. `vgpus` are the parts that exist. `per_guest` is how many parts
    of one card a guest may have, None for as many as fit. `refusal` says why
    none can be had now, None where they can. `withheld` says it of single
    VFs, when others can be had. `offered` is whether the operator lets guests
    have parts of the card in this way, and `excluded` are the VFs that they
    don't get.
    """

    kind: str
    rule: Rule
    device: Device | None = None
    profiles: tuple[Profile, ...] = ()
    vgpus: tuple[Vgpu, ...] = ()
    per_guest: int | None = None
    refusal: str | None = None
    withheld: Mapping[Device, str] = dataclasses.field(default_factory=dict)
    offered: bool = True
    excluded: frozenset[Device] = frozenset()

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

    address: PciAddress
    class_code: int
    vendor_id: int
    device_id: int
    subsystem: tuple[int, int]
    driver: str | None
    numa_node: int | None
    iommu_group: int | None
    bars: tuple[int, ...]
    boot_vga: bool
    physfn: PciAddress | None
    sriov_totalvfs: int
    virtfns: tuple[PciAddress, ...]
    above: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Gpu:
    """One physical GPU: its functions, and what can be had of it.

    `function` is None for a renderer that is no PCI card; it has a
    `render_node`. `companions` are the other functions that go with a card
    to a guest (audio, USB). `refusal` says why nothing of it is offered,
    `whole_refusal` why it can't be given whole; None where it can. `offered`
    is whether the operator lets guests have it whole, `in_sets` whether they
    get it together with others. `shares` are the ways to cut it into parts.
    `traits` are what its driver says of the card.
    """

    function: PciFunction | None
    companions: tuple[PciFunction, ...]
    vendor: str
    model: str
    render_node: RenderNode | None = None
    refusal: str | None = None
    whole_refusal: str | None = None
    offered: bool = True
    in_sets: bool = True
    shares: tuple[Share, ...] = ()
    traits: frozenset[str] = frozenset()

    @property
    def address(self) -> Device:
        """The address that names the card everywhere."""
        if self.function is not None:
            return self.function.address
        assert self.render_node is not None
        return self.render_node

    @property
    def can_go_whole(self) -> bool:
        """Tell whether the card could be given whole, if nobody had it."""
        return self.refusal is None and self.whole_refusal is None

    @property
    def virtfns(self) -> tuple[PciAddress, ...]:
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

    def holds(self, device: Device) -> bool:
        """Tell whether a slot of that device is one of this card."""
        return device in (self.address, *self.virtfns)
