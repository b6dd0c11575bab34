"""How Nova asks Placement for a flavor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova import objects
from nova.scheduler import utils

from nova_gpuvirt.explain import wanted


def wanted_by(flavor: Mapping[str, Any]) -> wanted.Wanted:
    """Ask as nova-scheduler does, for a server with a disk on its host.

    :param flavor: the flavor as the API shows it, with ``extra_specs``
    """
    objects.register_all()
    spec = objects.RequestSpec(
        flavor=objects.Flavor(
            name=flavor['name'],
            vcpus=flavor['vcpus'],
            memory_mb=flavor['ram'],
            root_gb=flavor['disk'],
            ephemeral_gb=flavor['OS-FLV-EXT-DATA:ephemeral'],
            swap=flavor['swap'] or 0,
            extra_specs=flavor['extra_specs'],
        ),
        image=None,
        requested_resources=[],
        is_bfv=False,
        request_level_params=objects.RequestLevelParams(),
    )
    request = utils.ResourceRequest.from_request_spec(spec)
    return wanted.read(request.to_querystring())
