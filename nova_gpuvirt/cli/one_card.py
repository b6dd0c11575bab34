"""One card whole: all that is known of it, and all that it offers. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import census
from nova_gpuvirt.cards import default_profile
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import offers
from nova_gpuvirt.cli import cells
from nova_gpuvirt.cli import overview
from nova_gpuvirt.cli import sizes
from nova_gpuvirt.placement import traits

PROFILE_COLUMNS = ('Class', 'Size', 'Fit', 'Left')
"""Of each profile: how many an empty card has room for, and what is left."""

DETAILS = 'Profile details'
"""What a list of profiles has beside classes and numbers; not flat."""

# What people read in the table of profiles and below it.
_BELOW = ('Profiles', DETAILS, 'Not whole because', 'Not offered because')
_NONE = 'none'


def find(host: discovery.Host, name: str) -> model.Gpu:
    """Find the card that an address or a render node belongs to.

    :param name: the address of a card, a VF or a companion, or the node

    :raises InvalidOption: when there is none
    """
    device = model.parse_device(name)
    for gpu in host.gpus:
        others = (gpu.render_node, *(f.address for f in gpu.companions))
        if gpu.holds(device) or device in others:
            return gpu
    if device in host.unreadable:
        raise exception.InvalidOption(
            'ADDRESS',
            wanted='a card that can be read',
            found=host.unreadable[device],
            remedy='look for it in the kernel log',
        )
    cards = ', '.join(str(gpu.address) for gpu in host.gpus)
    raise exception.InvalidOption(
        'ADDRESS',
        wanted='a GPU of this host',
        found=str(device),
        remedy=f'there are {cards or _NONE}',
    )


def fields(host: discovery.Host, gpu: model.Gpu) -> dict[str, Any]:
    """Tell what is known of a card, as `overview.rows` and more."""
    sets = census.sets_of(host).get(gpu.address, ())
    row = overview.row(host, gpu, sets)
    del row[overview.PARTS]
    function = gpu.function
    row['Companions'] = cells.Cell(
        cells.value_of(row['Companions']),
        '\n'.join(
            f'{f.address}, which {f.driver} has'
            if f.driver
            else str(f.address)
            for f in gpu.companions
        ),
    )
    row['Sets'] = cells.Cell(
        cells.value_of(row['Sets']),
        '\n'.join(
            f'{len(s.cards)}: {" ".join(map(str, s.cards))}'
            for s in sorted(sets, key=lambda s: (len(s.cards), s))
        ),
    )
    node = gpu.render_node
    above = function.above if function else ()
    default = default_profile.of(gpu, ())
    kinds = census.kinds(gpu, in_sets=bool(sets))
    named = sorted(traits.of_provider(gpu, default)) if kinds else []
    return {
        'Address': row.pop('Address'),
        'GPU': row.pop('GPU'),
        'IDs': cells.Maybe(function and function.ids_text),
        **{name: _or_none(row.pop(name)) for name in ('Driver', 'NUMA')},
        'IOMMU': _or_none(row.pop('IOMMU')),
        'Render node': cells.Maybe(node and str(node)),
        'Behind': cells.Cell(list(above), ' '.join(above)),
        'Companions': _or_none(row.pop('Companions')),
        'VFs': row.pop('VFs'),
        'VF addresses': cells.Cell(
            [str(vf) for vf in gpu.virtfns], _span(gpu.virtfns)
        ),
        'vGPUs': cells.Cell(
            [
                {'Device': v.device, 'Profile': v.profile or ''}
                for v in gpu.vgpus
            ],
            '\n'.join(f'{v.device} {v.profile or ""}' for v in gpu.vgpus),
        ),
        'Kinds': cells.Cell(list(kinds), ', '.join(kinds)),
        **row,
        'Traits': cells.Cell(named, ' '.join(named)),
        DETAILS: cells.Cell(list(_details(gpu)), ''),
    }


def in_short(known: dict[str, Any]) -> dict[str, Any]:
    """Choose what people read in the table of a card's fields."""
    return {
        name: cell
        for name, cell in known.items()
        if name not in _BELOW and cells.text_of(cell)
    }


def profiles(gpu: model.Gpu) -> list[tuple[Any, ...]]:
    """Lay the profiles of a card out, the largest first."""
    return [
        (
            profile['Class'],
            sizes.size(found),
            cells.Maybe(profile['Fit']),
            profile['Left'],
        )
        for profile, found in sorted(
            zip(_details(gpu), _offered(gpu), strict=True),
            key=lambda pair: -(pair[1].framebuffer_mib or 0),
        )
    ]


def below(host: discovery.Host, gpu: model.Gpu, width: int) -> str:
    """Tell why a card is not offered whole, in parts, in sets, or at all."""
    by_title: dict[str, list[str]] = {}
    sets = census.sets_of(host).get(gpu.address, ())
    for title, reason in overview.why_not(host, gpu, sets):
        by_title.setdefault(title, []).append(reason)
    return '\n'.join(
        overview.told(title, found, width) for title, found in by_title.items()
    )


def _details(gpu: model.Gpu) -> Iterator[dict[str, Any]]:
    left = {o.resource_class: o.count for o in offers.offers(gpu, (), None)}
    for profile in _offered(gpu):
        yield {
            'Class': profile.resource_class,
            'Profile': profile.slug,
            'Name': profile.name,
            'MiB': profile.framebuffer_mib,
            'Fit': profile.max_instances,
            'Left': left.get(profile.resource_class, 0),
        }


def _offered(gpu: model.Gpu) -> list[model.Profile]:
    return [p for share in gpu.shares for p in offers.parts_of(share)]


def _or_none(cell: Any) -> cells.Cell:
    """Say of what is missing that it is."""
    return cells.Cell(cells.value_of(cell), cells.text_of(cell) or _NONE)


def _span(addresses: Sequence[model.PciAddress]) -> str:
    if len(addresses) < 2:
        return ''.join(map(str, addresses))
    return f'{addresses[0]} to {addresses[-1]}'
