"""What a flavor or an image may ask for beside resources and traits.

Nova checks the extra specs of the namespace ``hw``; the entry point
``nova.api.extra_spec_validators`` makes ours known to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from nova.api.validation.extra_specs import base
from oslo_utils import strutils

_DISPLAY = 'gpuvirt_display'


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
        )
    ]
