"""How many vGPUs of each profile a card has room for, beside those pending.

Each rule starts from the driver's own word (`Profile.available`), which
counts every vGPU that exists, and takes away those that are claimed and not
made yet. So a rule only has to be right about what the driver can't know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from nova_gpuvirt import model


def left(
    sharing: model.Sharing,
    profiles: Sequence[model.Profile],
    pending: Counter[str],
) -> dict[str, int]:
    """Count what is left of each profile.

    :param pending: how many vGPUs of each slug are claimed and not made yet
    :returns: by slug, how many more vGPUs of that profile alone would fit
    """
    return _RULES[sharing](profiles, pending)


def _equal_size(
    profiles: Sequence[model.Profile], pending: Counter[str]
) -> dict[str, int]:
    """Keep one size of framebuffer on the card.

    The vGPUs of one size share their number, whatever the series: on hosts
    with one RTXA6000-2Q of 24, -2B and -2Q both show 23, every other size 0.
    """
    sizes = {p.framebuffer_mib for p in profiles if pending[p.slug]}
    count = pending.total()
    return {
        p.slug: max(0, p.available - count)
        if not sizes or sizes == {p.framebuffer_mib}
        else 0
        for p in profiles
    }


def _aperture(
    profiles: Sequence[model.Profile], pending: Counter[str]
) -> dict[str, int]:
    """Divide several budgets, of which each vGPU takes a part.

    The budgets can't be read. What is left of one is at least what the
    driver would still make of any one profile; the rest stays unused rather
    than promised (drivers/gpu/drm/i915/gvt/vgpu.c).
    """
    budgets = [
        max(p.available * p.needs[i] for p in profiles)
        - sum(pending[p.slug] * p.needs[i] for p in profiles)
        for i in range(len(profiles[0].needs))
    ]
    return {
        p.slug: max(
            0, min(b // n for b, n in zip(budgets, p.needs, strict=True))
        )
        for p in profiles
    }


def _proportional(
    profiles: Sequence[model.Profile], pending: Counter[str]
) -> dict[str, int]:
    """Divide what nobody told us, in parts of what is left of the card.

    Whatever a vGPU takes, and of however many budgets, n of those of which
    `available` fit take at most n/available of each. So parts that add up to
    less than one always fit; where that is too strict, the driver's word is
    taken again as soon as the pending ones are made.
    """
    unused = Fraction(1)
    for profile in profiles:
        if pending[profile.slug]:
            unused -= Fraction(
                pending[profile.slug], max(profile.available, 1)
            )
    return {p.slug: max(0, int(unused * p.available)) for p in profiles}


_RULES = {
    model.Sharing.EQUAL_SIZE: _equal_size,
    model.Sharing.APERTURE: _aperture,
    model.Sharing.PROPORTIONAL: _proportional,
}
