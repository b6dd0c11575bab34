"""Whether an instance has claimed all that it is to have of a host."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping

from nova import objects
from nova.scheduler import utils as scheduler_utils

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.compute.claims import allocations
from nova_gpuvirt.compute.claims import holders
from nova_gpuvirt.compute.claims import ledger as ledger_

_Units = Counter[tuple[str, str]]


def check(
    ledger: ledger_.Ledger,
    instance: objects.Instance,
    mine: holders.Claims,
    allocated: allocations.Units | None,
) -> None:
    """Compare claims with what Placement has allocated of this host.

    Where that is nothing, or is not known, the flavor is the measure: nobody
    is called ACTIVE without the GPUs of its flavor.

    :param mine: what it has claimed of our providers
    :param allocated: what Placement has allocated to it, anywhere
    :raises ClaimRefused: when something is missing
    """
    have: _Units = Counter(
        (uuid, claim.resource_class)
        for uuid, claims in mine.items()
        for claim in claims
    )
    allocated = allocated or {}
    wanted = Counter(
        {key: n for key, n in allocated.items() if key[0] in ledger.reports}
    )
    if not wanted:
        # Other providers, Nova's own of PCI devices, may have it too.
        of_others = Counter(
            {k: n for k, n in allocated.items() if ledger.is_of_others(k[0])}
        )
        have = _by_class(have + of_others)
        wanted = _asked_of(ledger, instance.flavor.extra_specs)
    for (provider, rc), missing in sorted((wanted - have).items()):
        raise exception.ClaimRefused(
            f'instance {instance.uuid}',
            wanted=f'{wanted[provider, rc]} of {rc} from this host',
            found=f'{wanted[provider, rc] - missing} claimed',
            remedy=exception.ELSEWHERE,
        )


def _asked_of(
    ledger: ledger_.Ledger, extra_specs: Mapping[str, str]
) -> _Units:
    """Count what a flavor asks for of the classes that this host has.

    Before the first update that is every class of ours.
    """
    asked = _asked(
        tuple(
            (key, value)
            for key, value in extra_specs.items()
            if key.startswith('resources')
        )
    )
    classes: Iterable[str] = filter(model.is_gpu_class, asked)
    if ledger.ready:
        classes = ledger.classes.intersection(asked)
    return Counter({('', rc): asked[rc] for rc in classes})


@functools.lru_cache(maxsize=256)
def _asked(extra_specs: tuple[tuple[str, str], ...]) -> Mapping[str, int]:
    """Count what a flavor asks for, of each class that it names itself.

    :param extra_specs: only those of resources. Nova reads some of the others
        together with the vCPUs or the image, and raises without them
    """
    flavor = objects.Flavor(
        extra_specs=dict(extra_specs),
        **dict.fromkeys(
            ('vcpus', 'memory_mb', 'root_gb', 'ephemeral_gb', 'swap'), 0
        ),
    )
    request = scheduler_utils.ResourceRequest.from_request_spec(
        objects.RequestSpec(flavor=flavor, is_bfv=False)
    )
    found: Mapping[str, int] = request.merged_resources()
    return found


def _by_class(units: allocations.Units) -> _Units:
    """Add up what is of one class, whoever provides it."""
    result: _Units = Counter()
    for (_, rc), count in units.items():
        result['', rc] += count
    return result
