"""Find the cards of a host in one walk over its sysfs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import not_offered
from nova_gpuvirt.cards import topology
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs as sysfs_

# VGA, 3D and other display controllers, and processing accelerators; the
# class is the upper 16 of 24 bits (class table of pci.ids). 0x120100 is the
# SNIA SDXI data mover, which is no GPU.
_GPU_CLASSES = frozenset({0x0300, 0x0302, 0x0380, 0x1200})
_SDXI = 0x120100
_BARS = 6
# Of one slot (PCI Local Bus Specification, 3.2.2.3.4).
_FUNCTIONS = 8
# A bridge of no PCI kind, of NVIDIA's: an NVSwitch.
_OTHER_BRIDGE = 0x0680


@dataclasses.dataclass(frozen=True, slots=True)
class Host:
    """What a walk found.

    `gpus` holds every card, also those that are not offered. `unreadable`
    holds, with the reason, the functions of which not even the class can be
    told. `fabrics` are the sets of cards that belong together.
    """

    gpus: tuple[model.Gpu, ...]
    unreadable: Mapping[model.Device, str]
    has_iommu: bool
    fabrics: tuple[topology.Fabric, ...] = ()


def discover(
    sysfs: sysfs_.Sysfs,
    names: pciids.PciIds,
    devices: Collection[model.Device] | None = None,
) -> Host:
    """Find the GPUs, with their functions and names, but not yet their uses.

    A file that is missing, unreadable or nonsense makes that one device
    unusable, with the reason, and nothing else.

    :param devices: cards and VFs; of PCI cards, only those that have one of
        these are looked at
    """
    classes: dict[model.PciAddress, int] = {}
    unreadable: dict[model.Device, str] = {}
    for address in (
        sysfs.addresses() if devices is None else _beside(sysfs, devices)
    ):
        try:
            classes[address] = _number(sysfs, address, 'class', 24)
        except exception.SysfsError as error:
            unreadable[address] = str(error)
    gpus = []
    for siblings in _physical_slots(sysfs, classes):
        gpu = next((a for a in siblings if _is_gpu(classes[a])), None)
        if gpu is not None:
            gpus.append(_gpu(sysfs, names, gpu, siblings, classes))
    gpus = _with_render_nodes(sysfs, gpus)
    return Host(tuple(gpus), unreadable, sysfs.has_iommu())


def nvswitches(sysfs: sysfs_.Sysfs) -> tuple[model.PciAddress, ...]:
    """Find the NVSwitches of a host; a function that can't be read is none."""
    found = []
    for address in sysfs.addresses():
        try:
            code = _number(sysfs, address, 'class', 24)
            if (
                code >> 8 == _OTHER_BRIDGE
                and _number(sysfs, address, 'vendor', 16) == model.NVIDIA
            ):
                found.append(address)
        except exception.SysfsError:
            continue
    return tuple(found)


def ids(sysfs: sysfs_.Sysfs, address: model.PciAddress) -> topology.Ids:
    """Read the vendor and the device of a function.

    :raises SysfsError: when they can't be read, or make no sense
    """
    return (
        _number(sysfs, address, 'vendor', 16),
        _number(sysfs, address, 'device', 16),
    )


def hive(sysfs: sysfs_.Sysfs, address: model.PciAddress) -> str | None:
    """Read the XGMI hive of a card that AMD's amdgpu has.

    Source: amdgpu_xgmi.c of the kernel. Of a card without one, and of one
    that another driver has, there is nothing to read.

    :raises SysfsError: when the file can't be read
    """
    text = sysfs.read_if_there(address, 'xgmi_hive_info/xgmi_hive_id')
    return None if text in (None, '', '0') else text


def _beside(
    sysfs: sysfs_.Sysfs, devices: Collection[model.Device]
) -> Iterator[model.PciAddress]:
    """List the functions in the slots of cards, or of VFs' cards."""
    slots = set()
    for device in devices:
        if isinstance(device, model.PciAddress):
            physfn = sysfs.link(device, 'physfn')
            card = model.PciAddress.parse(physfn) if physfn else device
            slots.add((card.domain, card.bus, card.slot))
    for slot in sorted(slots):
        for number in range(_FUNCTIONS):
            address = model.PciAddress(*slot, number)
            if sysfs.has(address, 'class'):
                yield address


def _with_render_nodes(
    sysfs: sysfs_.Sysfs, gpus: Sequence[model.Gpu]
) -> list[model.Gpu]:
    """Give each card its render node, and those without a card one apart."""
    nodes: dict[str, model.RenderNode] = {}
    for node, device in sorted(sysfs.render_nodes().items()):
        nodes.setdefault(device, node)
    found = [
        dataclasses.replace(gpu, render_node=nodes.pop(str(gpu.address), None))
        for gpu in gpus
    ]
    found.extend(
        model.Gpu(None, (), vendor='', model=device, render_node=node)
        for device, node in nodes.items()
        if not _is_pci(device)
    )
    return found


def _is_pci(device: str) -> bool:
    try:
        model.PciAddress.parse(device)
    except ValueError:
        return False
    return True


def _physical_slots(
    sysfs: sysfs_.Sysfs, classes: Mapping[model.PciAddress, int]
) -> list[list[model.PciAddress]]:
    """Gather the physical functions by slot; VFs belong to their PF."""
    slots: dict[tuple[int, int, int], list[model.PciAddress]] = {}
    for address in classes:
        if sysfs.link(address, 'physfn') is None:
            slots.setdefault(
                (address.domain, address.bus, address.slot), []
            ).append(address)
    return list(slots.values())


def _is_gpu(class_code: int) -> bool:
    return class_code >> 8 in _GPU_CLASSES and class_code != _SDXI


def _gpu(
    sysfs: sysfs_.Sysfs,
    names: pciids.PciIds,
    address: model.PciAddress,
    siblings: Sequence[model.PciAddress],
    classes: Mapping[model.PciAddress, int],
) -> model.Gpu:
    unreadable = None
    companions = []
    try:
        function = _function(sysfs, address, classes[address])
        companions = [
            _function(sysfs, a, classes[a])
            for a in siblings
            if a != address and classes[a] >> 8 != model.PCI_BRIDGE
        ]
    except exception.SysfsError as error:
        function = _bare_function(address, classes[address])
        unreadable = str(error)
    vendor = names.vendor(function.vendor_id)
    name = names.device(function.vendor_id, function.device_id)
    return model.Gpu(
        function,
        tuple(f for f in companions if f.iommu_group == function.iommu_group),
        vendor=vendor,
        model=name.removeprefix(f'{vendor} '),
        refusal=unreadable or not_offered.at_all(sysfs, function),
    )


def _function(
    sysfs: sysfs_.Sysfs, address: model.PciAddress, class_code: int
) -> model.PciFunction:
    numa_node = _optional(sysfs, address, 'numa_node', -1)
    group = sysfs.link(address, 'iommu_group')
    physfn = sysfs.link(address, 'physfn')
    return model.PciFunction(
        address,
        class_code=class_code,
        vendor_id=_number(sysfs, address, 'vendor', 16),
        device_id=_number(sysfs, address, 'device', 16),
        subsystem=(
            _number(sysfs, address, 'subsystem_vendor', 16),
            _number(sysfs, address, 'subsystem_device', 16),
        ),
        driver=sysfs.link(address, 'driver'),
        numa_node=None if numa_node < 0 else numa_node,
        iommu_group=None if group is None else int(group),
        bars=bars(sysfs, address),
        boot_vga=sysfs.read_if_there(address, 'boot_vga') == '1',
        physfn=None if physfn is None else model.PciAddress.parse(physfn),
        sriov_totalvfs=_optional(sysfs, address, 'sriov_totalvfs', 0),
        virtfns=sysfs.virtfns(address),
        above=sysfs.above(address),
    )


def _bare_function(
    address: model.PciAddress, class_code: int
) -> model.PciFunction:
    """Stand in for a function of which only the class could be read."""
    return model.PciFunction(
        address,
        class_code=class_code,
        vendor_id=model.NO_VENDOR,
        device_id=0xFFFF,
        subsystem=(0xFFFF, 0xFFFF),
        driver=None,
        numa_node=None,
        iommu_group=None,
        bars=(),
        boot_vga=False,
        physfn=None,
        sriov_totalvfs=0,
        virtfns=(),
    )


def _optional(
    sysfs: sysfs_.Sysfs,
    address: model.PciAddress,
    attribute: str,
    default: int,
) -> int:
    """Read a decimal number that not every kernel or function has."""
    text = sysfs.read_if_there(address, attribute)
    if text is None:
        return default
    if not re.fullmatch(r'-?\d+', text):
        raise _nonsense(address, attribute, 'a decimal number', text)
    return int(text)


def _number(
    sysfs: sysfs_.Sysfs, address: model.PciAddress, attribute: str, bits: int
) -> int:
    """Read a hexadecimal number of so many bits.

    All ones is no class and no vendor. (A card that falls off the bus later
    is not seen here: the kernel keeps what it read first.)
    """
    text = sysfs.read(address, attribute)
    if re.fullmatch(r'0x[0-9a-f]+', text):
        number = int(text, 16)
        all_ones = (1 << bits) - 1
        if number < all_ones or attribute.startswith('subsystem'):
            return number & all_ones
    kind = f'a hexadecimal number of {bits} bits that are not all ones'
    raise _nonsense(address, attribute, kind, text)


def bars(sysfs: sysfs_.Sysfs, address: model.PciAddress) -> tuple[int, ...]:
    """Read the sizes of the standard BARs: ``0xSTART 0xEND 0xFLAGS`` each.

    :raises SysfsError: when the file makes no sense
    """
    text = sysfs.read(address, 'resource')
    sizes = []
    for line in text.splitlines()[:_BARS]:
        match = re.fullmatch(r'0x([0-9a-f]+) 0x([0-9a-f]+) 0x[0-9a-f]+', line)
        if match is None:
            raise _nonsense(address, 'resource', 'start, end and flags', line)
        start, end = (int(part, 16) for part in match.groups())
        sizes.append(end - start + 1 if end else 0)
    return tuple(sizes)


def _nonsense(
    address: model.PciAddress, attribute: str, wanted: str, found: str
) -> exception.SysfsError:
    return exception.SysfsError(
        str(address),
        wanted=f'{wanted} as its {attribute}',
        found=repr(found),
        remedy='the card may have fallen off the bus: look for it in the '
        'kernel log, and reset or replace it',
    )
