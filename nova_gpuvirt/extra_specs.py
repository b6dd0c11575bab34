"""What a flavor or an image may ask for beside resources and traits.

Nova checks the extra specs of the namespace ``hw``; the entry point
``nova.api.extra_spec_validators`` makes ours known to it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from nova.api.validation.extra_specs import base
from oslo_utils import strutils

from nova_gpuvirt import exception
from nova_gpuvirt import model

_DISPLAY = 'gpuvirt_display'
_NUMA_POLICY = 'hw:gpuvirt_numa_policy'


class NumaPolicy(enum.Enum):
    """Whether a guest with NUMA cells has to be on its GPUs' nodes."""

    REQUIRED = 'required'
    PREFERRED = 'preferred'
    NONE = 'none'


NO_TOPOLOGY = (
    f'no NUMA cells of the guest, which {_NUMA_POLICY}=required needs: set '
    'hw:numa_nodes or hw:cpu_policy too'
)
"""Why a guest without any can't be near its GPUs."""


def numa_policy(extra_specs: Mapping[str, str]) -> NumaPolicy:
    """Read what a flavor wants; `NumaPolicy.PREFERRED` if it does not say.

    Nova keeps the properties of an image that it does not know from the
    scheduler, so an image has no say.

    :raises RequestImpossible: when it is none of these; Nova's API lets
        requests of old versions set anything
    """
    word = extra_specs.get(_NUMA_POLICY, NumaPolicy.PREFERRED.value)
    try:
        return NumaPolicy(word)
    except ValueError:
        raise exception.RequestImpossible(
            _NUMA_POLICY,
            wanted=', '.join(policy.value for policy in NumaPolicy),
            found=repr(word),
            remedy='set it anew in the flavor',
        ) from None


def wants_display(
    extra_specs: Mapping[str, str], system_metadata: Mapping[str, str]
) -> bool:
    """Tell whether a guest's console shall show the screen of its vGPU.

    :param extra_specs: the flavor's, where ``hw:gpuvirt_display`` may stand
    :param system_metadata: the instance's, where Nova keeps the image's
        properties: ``hw_gpuvirt_display`` may be one
    """
    words = (
        extra_specs.get(f'hw:{_DISPLAY}'),
        system_metadata.get(f'image_hw_{_DISPLAY}'),
    )
    return any(strutils.bool_from_string(word) for word in words if word)


def asks_gpus(extra_specs: Mapping[str, str]) -> bool:
    """Tell whether a flavor asks for GPUs."""
    return any(
        model.is_gpu_class(key.partition(':')[2])
        for key in extra_specs
        if key.startswith('resources')
    )


def register() -> list[base.ExtraSpecValidator]:
    """List our extra specs for Nova's API."""
    return [
        base.ExtraSpecValidator(
            name=f'hw:{_DISPLAY}',
            description=(
                'Whether the console of the guest shows the screen of its '
                'vGPU. Refused where the vGPU can not show one.'
            ),
            value={'type': bool, 'description': 'Whether it does.'},
        ),
        base.ExtraSpecValidator(
            name=_NUMA_POLICY,
            description=(
                "Whether the guest's NUMA cells have to be on the nodes of "
                'the host where its GPUs are.'
            ),
            value={
                'type': str,
                'description': 'They have to, they shall if they can, or not.',
                'enum': [policy.value for policy in NumaPolicy],
            },
        ),
    ]
