"""The data of nova-gpuvirt: what stands in a host, and what is claimed of it.

Everything here is a frozen value with no I/O. What has a text form
(`PciAddress`, `Slot`) prints and parses without loss.
"""

from __future__ import annotations

import dataclasses
import enum
import fnmatch
import re
import uuid

# The upper 16 bits of the class of a PCI-to-PCI bridge. VFIO leaves bridges
# behind (kernel Documentation/driver-api/vfio.rst); others of the class 06,
# such as NVSwitches, are endpoints.
PCI_BRIDGE = 0x0604


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


class Kind(enum.Enum):
    """How a guest gets a GPU; its value begins the identifiers of slots."""

    PASSTHROUGH = 'passthrough'
    MDEV = 'mdev'


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """One thing that one instance can hold; its text is Nova's identifier.

    ``passthrough:0000:3b:00.0`` is a whole card,
    ``mdev:0000:3b:00.0/3@nvidia-t4-2q`` the card's fourth vGPU, of a profile.
    """

    kind: Kind
    address: PciAddress
    index: int | None = None
    profile: str | None = None

    _VGPU = re.compile(r'(?P<address>[^/]+)/(?P<index>\d+)@(?P<profile>.+)')

    def __post_init__(self) -> None:
        whole = self.kind is Kind.PASSTHROUGH
        if whole != (self.index is None) or whole != (self.profile is None):
            raise ValueError('a vGPU has an index and a profile, a card none')

    @classmethod
    def parse(cls, text: str) -> Slot:
        """Parse an identifier.

        :raises ValueError: when the text is no identifier of this version
        """
        prefix, _, rest = text.partition(':')
        kind = Kind(prefix)
        if kind is Kind.PASSTHROUGH:
            return cls(kind, PciAddress.parse(rest))
        match = cls._VGPU.fullmatch(rest)
        if match is None:
            raise ValueError(f'{text!r} is no identifier of a vGPU')
        return cls(
            kind,
            PciAddress.parse(match['address']),
            int(match['index']),
            match['profile'],
        )

    def __str__(self) -> str:
        if self.kind is Kind.PASSTHROUGH:
            return f'{self.kind.value}:{self.address}'
        return f'{self.kind.value}:{self.address}/{self.index}@{self.profile}'


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """One unit of a resource class that an instance holds."""

    resource_class: str
    identifier: str

    @property
    def slot(self) -> Slot | None:
        """The slot, or None for an identifier that this version can't read."""
        try:
            return Slot.parse(self.identifier)
        except ValueError:
            return None


class Sharing(enum.Enum):
    """What the vGPUs of one card take from each other."""

    EQUAL_SIZE = 'equal-size'
    APERTURE = 'aperture'
    PROPORTIONAL = 'proportional'


@dataclasses.dataclass(frozen=True, slots=True)
class Profile:
    """A type of vGPU that a card can be cut into, in its driver's words.

    `available` is how many more the driver would make now. `max_instances`
    is how many an empty card has room for, where the driver tells it.
    `offered` is whether the operator lets guests have it.
    `needs` is, for `Sharing.APERTURE`, what one vGPU takes of each budget:
    low graphics memory (MiB), high graphics memory (MiB), fences.
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
    offered: bool = True

    @property
    def resource_class(self) -> str:
        """The profile's own resource class, ``CUSTOM_VGPU_NVIDIA_T4_2Q``."""
        return 'CUSTOM_VGPU_' + re.sub(r'[^A-Z0-9]+', '_', self.slug.upper())

    def matches(self, glob: str) -> bool:
        """Tell whether a glob fits the slug or the driver's name."""
        return any(
            fnmatch.fnmatchcase(word.lower(), glob.lower())
            for word in (self.slug, self.name)
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Vgpu:
    """A vGPU that exists on a card, whoever made it."""

    uuid: uuid.UUID
    type_id: str


@dataclasses.dataclass(frozen=True, slots=True)
class PciFunction:
    """One PCI function as sysfs shows it.

    `class_code` has 24 bits. `bars` are the sizes in bytes of the six
    standard BARs, 0 where there is none. `numa_node` and `iommu_group` are
    None where the host has none. `physfn` is a VF's PF.
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


@dataclasses.dataclass(frozen=True, slots=True)
class Gpu:
    """One physical GPU: its functions, and what can be had of it.

    `companions` are the other functions that go with it to a guest (audio,
    USB). `refusal` says why nothing of it is offered, `whole_refusal` why it
    can't be given whole; None where it can. `offered` is whether the operator
    lets guests have it whole. `vgpus_per_guest` is how many vGPUs of this
    card one guest may have, None for as many as fit.
    """

    function: PciFunction
    companions: tuple[PciFunction, ...]
    vendor: str
    model: str
    refusal: str | None = None
    whole_refusal: str | None = None
    offered: bool = True
    profiles: tuple[Profile, ...] = ()
    vgpus: tuple[Vgpu, ...] = ()
    sharing: Sharing = Sharing.PROPORTIONAL
    vgpus_per_guest: int | None = None

    @property
    def address(self) -> PciAddress:
        """The address that names the card everywhere."""
        return self.function.address

    def profile(self, slug: str) -> Profile | None:
        """Find the profile of that slug."""
        return next((p for p in self.profiles if p.slug == slug), None)


@dataclasses.dataclass(frozen=True, slots=True)
class GuestPci:
    """A host's PCI function that a guest gets.

    Functions with the same `slot` go into one slot of the guest, each as the
    `function` that is given; with no `slot`, libvirt chooses the place.
    """

    host: PciAddress
    managed: bool
    slot: str | None = None
    function: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class GuestMdev:
    """A mediated device that a guest gets."""

    uuid: uuid.UUID


GuestDevice = GuestPci | GuestMdev
