"""What Nova keeps for us: in stats, flavors, images."""

from __future__ import annotations

from fuzz import addresses
from fuzz.target import check
from fuzz.target import of_text
from nova_gpuvirt import exception
from nova_gpuvirt import extra_specs
from nova_gpuvirt.compute.claims import reported

_REPORTS = (
    '{"155d900f-4e14-4e4c-a73d-069cbf4541e6":["0000:3b:00.0",'
    '"CUSTOM_GPU_ID_10DE_1EB8"],"255d900f-4e14-4e4c-a73d-069cbf4541e6":'
    '["renderD128",null]}',
)


def _reports(text: str) -> None:
    found = reported.load(text)
    check(reported.load(reported.dump(found)) == found, 'another when read')
    for each in found.values():
        check(
            each.identity is None or isinstance(each.identity, str),
            f'{each.identity!r} is no trait',
        )
    addresses.stand_in(text, [each.device for each in found.values()])


def _flavor(text: str) -> None:
    key, _, value = text.partition('=')
    specs = {
        'hw:gpuvirt_numa_policy': value,
        'hw:gpuvirt_display': value,
        key: value,
    }
    extra_specs.asks_gpus(specs)
    extra_specs.wants_display(specs, {'image_hw_gpuvirt_display': key})
    extra_specs.numa_policy(specs)


TARGETS = (
    of_text(
        'reports',
        _reports,
        ('compute.claims.reported.load',),
        _REPORTS,
    ),
    of_text(
        'flavor',
        _flavor,
        (
            'extra_specs.numa_policy',
            'extra_specs.wants_display',
            'extra_specs.asks_gpus',
        ),
        ('resources:VGPU=1', 'hw:x=required', 'hw:x=yes', 'a=preferred'),
        (exception.RequestImpossible,),
    ),
)
