"""The description of a host, from which its sysfs is written.

Numbers are as the hardware has them, addresses are ``DDDD:BB:DD.F`` in lower
case. What the kernel finds out by itself (names of links, IOMMU groups of
single functions, where BARs lie) need not be said.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

from nova_gpuvirt.simulation.drivers import mdev
from nova_gpuvirt.simulation.drivers import pf_driver

_ADDRESS = re.compile(r'([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])')

Command = Callable[
    [Callable[[str], pf_driver.Running | None], Sequence[str], bool], str
]
"""A vendor's command: it is given the host's drivers by the address of their
PF, its arguments, and whether root asks, and returns what it prints.

:raises subprocess.CalledProcessError: when it fails
"""


class Service(Protocol):
    """What starts anew with the host."""

    def start(self, runs: Callable[[str], bool]) -> None:
        """Start.

        :param runs: tells whether a daemon of that name runs
        """


VGA = 0x030000
DISPLAY_3D = 0x030200
DISPLAY = 0x038000
BRIDGE = 0x060400


class BarKind(enum.IntEnum):
    """What a BAR is, by the flags that ``resource`` has for it.

    The bits are those of the kernel's include/linux/ioport.h; the values are
    as a real kernel printed them.
    """

    IO = 0x40101
    MEMORY = 0x40200
    PREFETCHABLE = 0x42208
    MEMORY_64 = 0x140204
    PREFETCHABLE_64 = 0x14220C
    ROM = 0x46200
    SHADOW_ROM = 0x212


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """One BAR.

    :param index: 0 to 5, and 6 for the expansion ROM
    :param size: bytes; of a VF's BAR the size for one VF
    :param start: where it lies; None lets the host's firmware choose
    """

    index: int
    size: int
    kind: BarKind = BarKind.MEMORY
    start: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """The PCI Express link, in the texts of ``current_link_speed`` etc."""

    speed: str = '8.0 GT/s PCIe'
    width: int = 16
    max_speed: str = '8.0 GT/s PCIe'
    max_width: int = 16


@dataclasses.dataclass(frozen=True, slots=True)
class VirtualFunctions:
    """The SR-IOV capability of a PF.

    :param total: ``sriov_totalvfs``
    :param device: the device id that the capability gives to the VFs
    :param driver: what claims a VF, None for nothing
    :param class_code: the VFs' class, None for the PF's
    :param enabled: how many the host enables when it starts
    :param configurable: whether the PF's driver obeys ``sriov_numvfs``
    :param vfio: whether the VFs' own driver offers them through VFIO itself
    :param mdev: how a VF makes mdevs while its own driver has it
    """

    total: int
    device: int
    offset: int = 1
    stride: int = 1
    driver: str | None = None
    class_code: int | None = None
    bars: tuple[Bar, ...] = ()
    enabled: int = 0
    configurable: bool = True
    vfio: bool = False
    mdev: mdev.Behaviour | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Function:
    """One PCI function.

    :param driver: what claims the function when the host starts, None for
        nothing. ``vfio-pci`` means that the host was prepared so
        (``vfio-pci.ids=`` on the kernel's command line).
    :param behind: the bridge above it, None on a root bus
    :param iommu_group: the group, None for one of its own
    :param reset_method: the file's text, None for a function that can't be
        reset alone
    :param aer: whether it counts errors (``aer_dev_*``)
    :param drm: the nodes that its own driver makes (``card0``)
    :param mdev: how it makes mdevs while its own driver has it
    :param pf_driver: what its own driver shows beside the kernel's files
    :param vfio: whether its own driver offers it through VFIO itself
    :param physfn: of a VF, its PF
    :param off_the_bus: whether it answers with nothing but ones, since after
        the kernel read its ids
    :param hive: the XGMI hive that its own driver, amdgpu, tells
    """

    address: str
    vendor: int
    device: int
    subsystem: tuple[int, int]
    class_code: int
    driver: str | None = None
    revision: int = 0
    behind: str | None = None
    numa_node: int = -1
    bars: tuple[Bar, ...] = ()
    link: Link | None = None
    iommu_group: int | None = None
    boot_vga: bool = False
    reset_method: str | None = None
    aer: bool = False
    drm: tuple[str, ...] = ()
    vfs: VirtualFunctions | None = None
    mdev: mdev.Behaviour | None = None
    pf_driver: pf_driver.PfDriver | None = None
    vfio: bool = False
    physfn: str | None = None
    off_the_bus: bool = False
    hive: int | None = None

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.address):
            raise ValueError(f'{self.address!r} is no PCI address')

    @property
    def bus(self) -> str:
        """Give the bus, ``DDDD:BB``."""
        return self.address[:7]

    @property
    def is_bridge(self) -> bool:
        """Tell whether it is a PCI bridge, a root port for example."""
        return self.class_code >> 8 == BRIDGE >> 8

    @property
    def is_vga(self) -> bool:
        """Tell whether it has ``boot_vga`` (the kernel's pci_is_vga)."""
        return self.class_code >> 8 == VGA >> 8

    def vf(self, number: int, bars: tuple[Bar, ...]) -> Function:
        """Describe a VF of this PF, counted from 0."""
        vfs = self.vfs
        assert vfs is not None, self.address
        return Function(
            address=_shifted(self.address, vfs.offset + number * vfs.stride),
            vendor=self.vendor,
            device=vfs.device,
            subsystem=self.subsystem,
            class_code=vfs.class_code or self.class_code,
            driver=vfs.driver,
            revision=self.revision,
            behind=self.behind,
            numa_node=self.numa_node,
            bars=bars,
            link=self.link,
            reset_method='flr',
            mdev=vfs.mdev,
            vfio=vfs.vfio,
            physfn=self.address,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Host:
    """A host: its PCI functions and what the kernel knows beside them.

    :param pci_ids: the text of its pci.ids
    :param cpus: the CPUs of each NUMA node, as lists (``0-15,32-47``)
    :param iommu: whether the kernel uses an IOMMU
    :param mdev: whether the mdev module is loaded
    :param drivers: PCI drivers that are loaded without a function
    :param platform_drm: nodes of devices that are not on PCI, by their names
    :param physical_bits: how wide the processor's addresses are
    :param kernel: its release, and `name` the host's own
    :param libvirt: its version as libvirt counts, and `qemu` QEMU's
    :param processes: the daemons that run, by name
    :param parameters: of modules, by ``module/name``
    :param opengl: whether QEMU can draw for guests
    :param ari: whether its ports forward to more than eight functions
    :param above_4g: whether its firmware puts BARs above 4 GiB
    :param words: the IOMMU's on the kernel's command line; None for what
        `iommu` takes
    :param huge_pages: how many of 2 MiB each NUMA node has reserved
    :param files: other files that are there, relative to the root
    :param texts: files with a text, in place of those of `userland` as well
    :param commands: what can be run on it, by name
    :param services: what starts anew with it, by its daemon
    """

    functions: tuple[Function, ...]
    pci_ids: str = ''
    cpus: tuple[str, ...] = ('0-7',)
    iommu: bool = True
    mdev: bool = True
    drivers: tuple[str, ...] = ('vfio-pci',)
    platform_drm: Mapping[str, tuple[str, ...]] = dataclasses.field(
        default_factory=dict
    )
    physical_bits: int = 46
    kernel: str = '6.8.0-31-generic'
    name: str = 'gpu-host-1'
    libvirt: int = 10_000_000
    qemu: int = 8_002_002
    processes: tuple[str, ...] = ()
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    opengl: bool = True
    ari: bool = True
    above_4g: bool = True
    words: str | None = None
    huge_pages: tuple[int, ...] = ()
    files: tuple[str, ...] = ()
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    commands: Mapping[str, Command] = dataclasses.field(default_factory=dict)
    services: Mapping[str, Service] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        by_address = {f.address: f for f in self.functions}
        if len(by_address) != len(self.functions):
            raise ValueError('two functions have one address')
        for function in self.functions:
            if function.mdev and not self.mdev:
                raise ValueError(f'{function.address}: no mdev module')
            above = function.behind
            if above and not (
                above in by_address and by_address[above].is_bridge
            ):
                raise ValueError(f'{function.address}: {above} is no bridge')

    def named(self, address: str) -> Function:
        """Give the function of that address.

        :raises StopIteration: without one
        """
        return next(f for f in self.functions if f.address == address)

    def with_instead(self, address: str, new: Function) -> Host:
        """Describe the host with another function in the place of one.

        :raises ValueError: when it has another place
        """
        old = self.named(address)
        if (new.address, new.behind) != (old.address, old.behind):
            raise ValueError(f'{new.address} is not where {old.address} was')
        return dataclasses.replace(
            self,
            functions=tuple(new if f is old else f for f in self.functions),
        )

    def behind(self, bridge: str | None) -> tuple[Function, ...]:
        """Give the functions right behind a bridge, or on the root buses."""
        found = (f for f in self.functions if f.behind == bridge)
        return tuple(sorted(found, key=lambda f: f.address))

    def walk(self, bridge: str | None = None) -> Iterator[Function]:
        """Give all functions below a bridge, each after its bridge."""
        for function in self.behind(bridge):
            yield function
            if function.is_bridge:
                yield from self.walk(function.address)


def _shifted(address: str, routing_ids: int) -> str:
    match = _ADDRESS.fullmatch(address)
    assert match is not None, address
    domain, bus, slot, number = (int(part, 16) for part in match.groups())
    routing = (bus << 8 | slot << 3 | number) + routing_ids
    return (
        f'{domain:04x}:{routing >> 8:02x}:'
        f'{routing >> 3 & 0x1F:02x}.{routing & 7}'
    )
