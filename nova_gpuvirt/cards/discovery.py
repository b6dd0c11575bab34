"""Find the cards of a host in one walk over its sysfs."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import allow_list
from nova_gpuvirt.cards import companions
from nova_gpuvirt.cards import not_offered
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.cards import topology
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs as sysfs_

# Of one slot (PCI Local Bus Specification, 3.2.2.3.4).
_FUNCTIONS = 8
# A bridge of no PCI kind, of NVIDIA's: an NVSwitch.
_OTHER_BRIDGE = 0x0680
# HGX B200 and B300, whose NVSwitches (NVLink 5) are no PCI functions; the
# functions of a ConnectX-7 beside them are NVIDIA's to use.
_ON_NVSWITCHES = frozenset({(model.NVIDIA, 0x2901), (model.NVIDIA, 0x3182)})


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


def of(
    machine: machine_.Machine,
    devices: Collection[model.Device] | None = None,
) -> Host:
    """Find the GPUs of a machine, as `discover` does."""
    return discover(
        machine.sysfs, machine.names, machine.accelerators, devices
    )


def discover(
    sysfs: sysfs_.Sysfs,
    names: pciids.PciIds,
    accelerators: Collection[model.Ids] = (),
    devices: Collection[model.Device] | None = None,
) -> Host:
    """Find the GPUs, with their functions and names, but not yet their uses.

    What is of a GPU's class and none is found too, and says so.

    A file that is missing, unreadable or nonsense makes that one device
    unusable, with the reason, and nothing else.

    :param accelerators: what the operator offers though it is no GPU
    :param devices: cards and VFs; of PCI cards, only those that have one of
        these are looked at
    """
    classes: dict[model.PciAddress, int] = {}
    unreadable: dict[model.Device, str] = {}
    for address in (
        sysfs.addresses() if devices is None else _beside(sysfs, devices)
    ):
        try:
            classes[address] = pci_function.number(sysfs, address, 'class', 24)
        except exception.SysfsError as error:
            unreadable[address] = str(error)
    gpus = []
    for siblings in _physical_slots(sysfs, classes):
        first = _first(sysfs, siblings, classes, accelerators)
        if first is not None:
            gpu = _gpu(sysfs, names, first, siblings, classes)
            gpus.append(_withheld(gpu, accelerators))
    gpus = _with_render_nodes(sysfs, gpus)
    return Host(tuple(gpus), unreadable, sysfs.has_iommu())


def has_nvswitches(sysfs: sysfs_.Sysfs, *, on_pci: bool = False) -> bool:
    """Tell whether NVSwitches join cards of a host.

    Where they are no functions, the cards tell. A function that can't be read
    is neither.

    :param on_pci: whether only those that are functions count
    """
    for address in sysfs.addresses():
        try:
            code = pci_function.number(sysfs, address, 'class', 24)
            if code >> 8 == _OTHER_BRIDGE:
                vendor = pci_function.number(sysfs, address, 'vendor', 16)
                if vendor == model.NVIDIA:
                    return True
            elif (
                not on_pci
                and allow_list.is_candidate(code)
                and pci_function.ids(sysfs, address) in _ON_NVSWITCHES
            ):
                return True
        except exception.SysfsError:
            continue
    return False


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


def _first(
    sysfs: sysfs_.Sysfs,
    siblings: Sequence[model.PciAddress],
    classes: Mapping[model.PciAddress, int],
    accelerators: Collection[model.Ids],
) -> model.PciAddress | None:
    """Find the function of a slot that makes it a card, if one does."""
    named = (a for a in siblings if _is_named(sysfs, a, accelerators))
    others = (a for a in siblings if allow_list.is_candidate(classes[a]))
    return next(named, None) or next(others, None)


def _is_named(
    sysfs: sysfs_.Sysfs,
    address: model.PciAddress,
    accelerators: Collection[model.Ids],
) -> bool:
    """Tell whether a function is one of the accelerators, of any class."""
    if not accelerators:
        return False
    try:
        return pci_function.ids(sysfs, address) in accelerators
    except exception.SysfsError:
        return False


def _withheld(
    gpu: model.Gpu, accelerators: Collection[model.Ids]
) -> model.Gpu:
    assert gpu.function is not None
    if gpu.refusal is not None:
        return gpu
    return dataclasses.replace(
        gpu, withheld=allow_list.why_nothing(gpu.function, accelerators)
    )


def _gpu(
    sysfs: sysfs_.Sysfs,
    names: pciids.PciIds,
    address: model.PciAddress,
    siblings: Sequence[model.PciAddress],
    classes: Mapping[model.PciAddress, int],
) -> model.Gpu:
    unreadable = None
    others: list[model.PciFunction] = []
    try:
        function = pci_function.read(sysfs, address, classes[address])
        others = [
            pci_function.read(sysfs, a, classes[a])
            for a in siblings
            if a != address and classes[a] >> 8 != model.PCI_BRIDGE
        ]
    except exception.SysfsError as error:
        function = pci_function.bare(address, classes[address])
        unreadable = str(error)
    vendor = names.vendor(function.vendor_id)
    name = names.device(function.vendor_id, function.device_id)
    return model.Gpu(
        function,
        companions.of(function, others),
        vendor=vendor,
        model=name.removeprefix(f'{vendor} '),
        refusal=unreadable or not_offered.at_all(sysfs, function),
        whole_withheld=companions.why_not_apart(function, others),
    )
