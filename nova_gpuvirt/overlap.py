"""Refuse a card that Nova's own options also give to guests."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator

import os_resource_classes as orc
from nova.pci import whitelist
from oslo_config import cfg

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt import sysfs as sysfs_

_REMEDY = 'take it out there, or name the card in [gpuvirt]exclude'


def check(
    conf: cfg.ConfigOpts,
    sysfs: sysfs_.Sysfs,
    gpus: Collection[model.Gpu],
) -> None:
    """Make sure that each of our cards has one master.

    :param conf: Nova's configuration
    :param gpus: the cards of this host that we offer
    :raises InvalidOption: when a card of ours has another one
    """
    _check_device_spec(conf, sysfs, gpus)
    if gpus:
        for type_id in conf.devices.enabled_mdev_types:
            _check_mdev_type(conf, type_id, gpus)


def _check_device_spec(
    conf: cfg.ConfigOpts,
    sysfs: sysfs_.Sysfs,
    gpus: Collection[model.Gpu],
) -> None:
    specs = whitelist.Whitelist(conf.pci.device_spec)
    if not specs.specs:
        return
    for gpu in gpus:
        for device in _as_nova_has_them(sysfs, gpu):
            if specs.device_assignable(device):
                raise exception.InvalidOption(
                    '[pci]device_spec',
                    wanted='no device that nova-gpuvirt offers',
                    found=f'{device["address"]} ({gpu.model})',
                    remedy=_REMEDY,
                )


def _as_nova_has_them(
    sysfs: sysfs_.Sysfs, gpu: model.Gpu
) -> Iterator[dict[str, str]]:
    """Describe a card's functions and its VFs in the words of Nova."""
    for function in gpu.functions:
        yield {
            'address': str(function.address),
            'vendor_id': f'{function.vendor_id:04x}',
            'product_id': f'{function.device_id:04x}',
        }
    for vf in gpu.virtfns:
        yield {
            'address': str(vf),
            'parent_addr': str(gpu.address),
            'vendor_id': sysfs.read(vf, 'vendor').removeprefix('0x'),
            'product_id': sysfs.read(vf, 'device').removeprefix('0x'),
        }


def _check_mdev_type(
    conf: cfg.ConfigOpts, type_id: str, gpus: Collection[model.Gpu]
) -> None:
    group = conf[f'mdev_{type_id}']
    ours = [
        str(gpu.address)
        for gpu in gpus
        if any(p.offered and p.is_vgpu for p in gpu.profiles)
    ]
    if ours and group.mdev_class == orc.VGPU:
        # Nova would take every VGPU of ours for one of its own.
        raise exception.InvalidOption(
            '[devices]enabled_mdev_types',
            wanted='no type whose mdev_class is VGPU, since nova-gpuvirt '
            'offers ' + ', '.join(ours),
            found=type_id,
            remedy=f'take it out, set [mdev_{type_id}]mdev_class to a CUSTOM_ '
            'class, or name these cards in [gpuvirt]exclude',
        )
    for gpu in gpus:
        supported = any(p.type_id == type_id for p in gpu.profiles)
        named = not group.device_addresses or any(
            str(address) in group.device_addresses
            for address in (gpu.address, *gpu.virtfns)
        )
        if supported and named:
            raise exception.InvalidOption(
                '[devices]enabled_mdev_types',
                wanted='no type of a card that nova-gpuvirt offers',
                found=f'{type_id} of {gpu.address} ({gpu.model})',
                remedy=_REMEDY,
            )
