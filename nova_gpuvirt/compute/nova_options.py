"""Withhold a card that Nova's own options also give to guests.

Nova has two of them: ``[pci]device_spec`` and ``[devices]enabled_mdev_types``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping

import os_resource_classes as orc
from nova import exception as nova_exception
from nova.pci import devspec
from nova.pci import whitelist
from oslo_config import cfg

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import mdev
from nova_gpuvirt.cards import companions
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.host import sysfs as sysfs_

_PCI = '[pci]device_spec'
_MDEV = '[devices]enabled_mdev_types'


@dataclasses.dataclass(frozen=True, slots=True)
class MdevType:
    """A type of mdev that Nova makes itself.

    `resource_class` is its ``mdev_class``. `parents` are the addresses that
    it is made on, all that have the type where there are none.
    """

    type_id: str
    resource_class: str
    parents: frozenset[str]


class NovaOptions:
    """What Nova's own options give to guests.

    They are parsed once, as by Nova.

    :param conf: Nova's configuration
    :raises nova.exception.PciConfigInvalidSpec: for what Nova can't parse
    """

    def __init__(self, conf: cfg.ConfigOpts, sysfs: sysfs_.Sysfs) -> None:
        self._sysfs = sysfs
        self._specs = tuple(whitelist.Whitelist(conf.pci.device_spec).specs)
        self._types = _types(conf)

    def withhold(self, gpu: model.Gpu) -> model.Gpu:
        """Refuse a card, or the VFs of it, that Nova may give away too."""
        if gpu.refusal is not None or not _is_ours(gpu):
            return gpu
        ids, unread = self._read(gpu) if self._specs else ({}, {})
        return without(gpu, self._specs, self._types, ids, unread)

    def _read(
        self, gpu: model.Gpu
    ) -> tuple[dict[model.PciAddress, model.Ids], dict[model.Device, str]]:
        """Read the ids of a card's functions and VFs, or why it can't be."""
        ids = {f.address: f.ids for f in gpu.functions}
        unread: dict[model.Device, str] = {}
        for vf in gpu.virtfns:
            try:
                ids[vf] = pci_function.ids(self._sysfs, vf)
            except exception.SysfsError as error:
                unread[vf] = str(error)
        return ids, unread

    def check(self, gpus: Iterable[model.Gpu]) -> None:
        """Make sure that Nova takes no allocation of ours for its own.

        It takes every one of a class that one of its types has, whatever
        provider it is of.

        :param gpus: the cards of this host, withheld ones too
        :raises InvalidOption: when a class of ours is also Nova's
        """
        for mdev_type in self._types:
            rc = mdev_type.resource_class
            ours = [str(g.address) for g in gpus if rc in _classes(g)]
            if ours:
                type_id = mdev_type.type_id
                raise exception.InvalidOption(
                    _MDEV,
                    wanted=f'no type whose mdev_class is {rc}, since '
                    'nova-gpuvirt offers ' + ', '.join(ours),
                    found=type_id,
                    remedy=f'take it out, {_another_class(type_id)}, or '
                    'name these cards in [gpuvirt]exclude',
                )


def _types(conf: cfg.ConfigOpts) -> tuple[MdevType, ...]:
    """Read the types; of those without addresses Nova takes the first."""
    types: list[MdevType] = []
    for type_id in conf.devices.enabled_mdev_types:
        group = conf[f'mdev_{type_id}']
        parents = frozenset(group.device_addresses)
        if parents or all(t.parents for t in types):
            types.append(MdevType(type_id, group.mdev_class, parents))
    return tuple(types)


def without(
    gpu: model.Gpu,
    specs: Collection[devspec.PciDeviceSpec],
    types: Iterable[MdevType],
    ids: Mapping[model.PciAddress, model.Ids],
    unread: Mapping[model.Device, str],
) -> model.Gpu:
    """Withhold of a card what Nova gives to guests, or may give.

    A VF that can't be read may be one that Nova gives: it is withheld alone,
    or with all that is made on the card's VFs where its driver chooses one.

    :param specs: the devices that Nova gives to guests
    :param types: the types of mdev that Nova makes
    :param ids: vendor and device of the card's functions and VFs
    :param unread: the VFs whose ids can't be read, with the reason
    """
    gpu, ids = _without_companions(gpu, specs, ids)
    why = _why_not_by_type(gpu, types) or _why_not_by_spec(gpu, specs, ids)
    if why is not None:
        # Nor is anything of it taken back: it may be the other master's.
        shares = tuple(
            dataclasses.replace(share, offered=False) for share in gpu.shares
        )
        return dataclasses.replace(gpu, refusal=why, shares=shares)
    unknown = {
        vf: f'whether {_PCI} gives it to guests too is not known: {reason}'
        for vf, reason in unread.items()
        if any(_may_match(s, gpu, vf) for s in specs)
    }
    if not unknown:
        return gpu
    return dataclasses.replace(
        gpu, shares=tuple(_without_vfs(s, unknown) for s in gpu.shares)
    )


def _without_companions(
    gpu: model.Gpu,
    specs: Collection[devspec.PciDeviceSpec],
    ids: Mapping[model.PciAddress, model.Ids],
) -> tuple[model.Gpu, Mapping[model.PciAddress, model.Ids]]:
    """Leave out companions that could stay with the host, and Nova gives.

    Before they went with their card, one guest had the card and another, by
    Nova's option, its audio: each keeps what it has, and no further guest
    gets the card whole.
    """
    given = {
        f.address: why
        for f in companions.apart(gpu)
        if f.address in ids
        and (why := _why_not_by_spec(gpu, specs, {f.address: ids[f.address]}))
    }
    if not given:
        return gpu, ids
    gpu = companions.without(gpu, given, next(iter(given.values())))
    return gpu, {a: i for a, i in ids.items() if a not in given}


def _without_vfs(
    share: model.Share, unknown: Mapping[model.Device, str]
) -> model.Share:
    if share.kind == mdev.Mdev.kind:
        # Which VF an mdev is made on is not known when it is claimed.
        return dataclasses.replace(
            share, refusal=share.refusal or next(iter(unknown.values()))
        )
    return dataclasses.replace(
        share,
        excluded=share.excluded.union(unknown),
        withheld={**unknown, **share.withheld},
    )


def _why_not_by_type(gpu: model.Gpu, types: Iterable[MdevType]) -> str | None:
    for mdev_type in types:
        type_id, rc = mdev_type.type_id, mdev_type.resource_class
        if rc in _classes(gpu):
            return (
                f'Nova would take its {rc} for {type_id} of {_MDEV}: '
                f'{_another_class(type_id)}, or name the card in '
                '[gpuvirt]exclude'
            )
        places = map(str, (gpu.address, *gpu.virtfns))
        if any(p.type_id == type_id for p in gpu.profiles) and (
            not mdev_type.parents or not mdev_type.parents.isdisjoint(places)
        ):
            return (
                f'{_MDEV} gives its {type_id} to guests too: take it out '
                'there, or name the card in [gpuvirt]exclude'
            )
    return None


def _another_class(type_id: str) -> str:
    """Tell how Nova's type gets a class of its own.

    What it makes on cards that it is not given by address it calls VGPU,
    whatever the class (`LibvirtDriver._get_resource_class_for_device`), and
    then gives a guest none of it.
    """
    return (
        f'set [mdev_{type_id}]mdev_class to another CUSTOM_ class and '
        'device_addresses with it'
    )


def _why_not_by_spec(
    gpu: model.Gpu,
    specs: Collection[devspec.PciDeviceSpec],
    ids: Mapping[model.PciAddress, model.Ids],
) -> str | None:
    excluded = {vf for share in gpu.shares for vf in share.excluded}
    for address, (vendor, device) in ids.items():
        if address in excluded:
            continue
        found = {'vendor_id': f'{vendor:04x}', 'product_id': f'{device:04x}'}
        if any(_matches(s, gpu, address, found) for s in specs):
            return (
                f'{_PCI} gives {address} to guests too: take it out there, '
                'or name it in [gpuvirt]exclude'
            )
    return None


def _may_match(
    spec: devspec.PciDeviceSpec, gpu: model.Gpu, vf: model.Device
) -> bool:
    """Tell whether Nova may give away a VF whose ids are not known."""
    ids = {'vendor_id': spec.vendor_id, 'product_id': spec.product_id}
    return _matches(spec, gpu, vf, ids)


def _matches(
    spec: devspec.PciDeviceSpec,
    gpu: model.Gpu,
    address: model.Device,
    ids: Mapping[str, str],
) -> bool:
    """Tell whether Nova gives a function of a card to guests.

    :param ids: in Nova's words
    """
    device = {'address': str(address), **ids}
    if address in gpu.virtfns:
        device['parent_addr'] = str(gpu.address)
    try:
        return bool(spec.match(device))
    except nova_exception.PciConfigInvalidSpec:
        # A domain of more than 16 bits: Nova leaves such a device alone.
        return False


def _is_ours(gpu: model.Gpu) -> bool:
    """Tell whether guests may have something of a card, now or later."""
    whole = gpu.whole_refusal is None and (gpu.offered or gpu.in_sets)
    return whole or any(
        s.offered and (s.profiles or s.vgpus) for s in gpu.shares
    )


def _classes(gpu: model.Gpu) -> set[str]:
    """List the resource classes that parts of a card can have."""
    offered = [p for p in gpu.profiles if p.offered]
    classes = {p.resource_class for p in offered}
    if any(p.is_vgpu for p in offered):
        classes.add(orc.VGPU)
    return classes
