"""Whether each card has one master: nova-gpuvirt, and not Nova's options.

nova-compute looks with Nova's own code (`compute.nova_options`), and withholds
a card with two masters. Here it is told before, and without Nova.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

import os_resource_classes as orc
from oslo_config import cfg

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.checks import device_spec
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import nova_conf
from nova_gpuvirt.checks import subject as subject_

_PCI = '[pci]device_spec'
_MDEV = '[devices]enabled_mdev_types'
_EITHER = 'take it out there, or name the card in [gpuvirt]exclude'


@finding.or_passed('no option of Nova gives a card of ours too')
def are_single(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that Nova's own options give no card of ours to guests."""
    specs: list[device_spec.Spec] = []
    for text in subject.nova_conf.values.pci.device_spec:
        try:
            specs += device_spec.parse(text)
        except ValueError as error:
            yield finding.failure(
                f'{_PCI} can not be read: {error}',
                'put it right: nova-compute does not start with it',
            )
    for gpu, function in subject.pci_gpus:
        why = _by_spec(subject, gpu, specs) or _by_type(
            subject.nova_conf, gpu, function
        )
        if why is not None:
            yield finding.failure(
                f'it has two masters, so it is not offered: {why}',
                _EITHER,
                gpu.address,
            )


def _by_spec(
    subject: subject_.Subject, gpu: model.Gpu, specs: list[device_spec.Spec]
) -> str | None:
    if not specs:
        return None
    for function in gpu.functions:
        if any(s.matches(function.address, function.ids) for s in specs):
            return f'{_PCI} gives {function.address} too'
    for vf in gpu.virtfns:
        try:
            ids = pci_function.ids(subject.machine.sysfs, vf)
        except exception.SysfsError:
            continue
        parent = gpu.address
        assert isinstance(parent, model.PciAddress)
        if any(s.matches(vf, ids, parent) for s in specs):
            return f'{_PCI} gives {vf} too'
    return None


def _by_type(
    conf: nova_conf.NovaConf, gpu: model.Gpu, function: model.PciFunction
) -> str | None:
    places = {str(function.address), *map(str, function.virtfns)}
    for type_id, parents, _ in _types(conf):
        if any(p.type_id == type_id for p in gpu.profiles) and (
            not parents or not places.isdisjoint(parents)
        ):
            return f'{_MDEV} gives its {type_id} too'
    return None


@finding.or_passed("no mdev type of Nova's has a class of ours")
def have_classes_apart(
    subject: subject_.Subject,
) -> Iterator[finding.Finding]:
    """Check that Nova's mdev types have no resource class of ours."""
    ours = {
        rc
        for gpu in subject.gpus
        for p in gpu.profiles
        if p.offered
        for rc in (p.resource_class, *([orc.VGPU] if p.is_vgpu else []))
    }
    for type_id, _, rc in _types(subject.nova_conf):
        if rc in ours:
            yield finding.failure(
                f'{type_id} of {_MDEV} has the class {rc}, which nova-gpuvirt '
                'offers: nova-compute does not start',
                f'take it out, or set [mdev_{type_id}]mdev_class to another '
                'CUSTOM_ class and device_addresses with it',
            )


def _types(
    conf: nova_conf.NovaConf,
) -> Iterator[tuple[str, Sequence[str], str]]:
    """List the types that Nova makes, each with its addresses and its class.

    Of those without addresses Nova takes the first.
    """
    values = conf.values
    has_one_for_all = False
    for type_id in values.devices.enabled_mdev_types:
        group = f'mdev_{type_id}'
        values.register_opts(
            (
                cfg.ListOpt(
                    'device_addresses',
                    default=[],
                    deprecated_group=f'vgpu_{type_id}',
                ),
                cfg.StrOpt('mdev_class', default=orc.VGPU),
            ),
            group=group,
        )
        parents = values[group].device_addresses
        if parents or not has_one_for_all:
            yield type_id, parents, values[group].mdev_class
        has_one_for_all = has_one_for_all or not parents
