"""What a flavor asks Placement for. Pure.

The properties are Nova's: ``resources[GROUP]:CLASS=AMOUNT``,
``trait[GROUP]:TRAIT=required|forbidden`` and ``group_policy``.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Mapping

import os_resource_classes as orc

_PROPERTY = re.compile(r'(resources|trait)([\w-]*):(\w+)')
_PREFIXES = {'required': '', 'forbidden': '!'}


def gpus(extra_specs: Mapping[str, str]) -> dict[str, int]:
    """Count the GPUs, and parts of GPUs, by resource class."""
    amounts: collections.Counter[str] = collections.Counter()
    for group in _groups(extra_specs, 'resources').values():
        for resource_class, amount in group.items():
            if _is_gpu(resource_class):
                amounts[resource_class] += int(amount)
    return dict(amounts)


def query(extra_specs: Mapping[str, str]) -> dict[str, str]:
    """Ask for allocation candidates for the GPUs alone.

    The keys are those of GET /allocation_candidates.
    """
    asked = {}
    traits = _groups(extra_specs, 'trait')
    for group, amounts in _groups(extra_specs, 'resources').items():
        wanted = [f'{rc}:{n}' for rc, n in amounts.items() if _is_gpu(rc)]
        if not wanted:
            continue
        asked[f'resources{group}'] = ','.join(wanted)
        if group in traits:
            asked[f'required{group}'] = ','.join(
                _PREFIXES[value] + trait
                for trait, value in traits[group].items()
            )
    if 'group_policy' in extra_specs:
        asked['group_policy'] = extra_specs['group_policy']
    return asked


def _groups(
    extra_specs: Mapping[str, str], what: str
) -> dict[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = {}
    for key, value in extra_specs.items():
        found = _PROPERTY.fullmatch(key)
        if found and found[1] == what:
            groups.setdefault(found[2], {})[found[3]] = value
    return groups


def _is_gpu(resource_class: str) -> bool:
    return resource_class in (orc.PGPU, orc.VGPU) or resource_class.startswith(
        orc.CUSTOM_NAMESPACE
    )
