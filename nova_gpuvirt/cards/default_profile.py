"""The profile that the class VGPU stands for on a card. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.cards import offers


def of(
    gpu: model.Gpu,
    claims: Collection[model.Claim],
    preferred: Sequence[str] = (),
) -> model.Profile | None:
    """Choose what the class VGPU stands for on a card.

    It is the first profile that the operator prefers; else the one that the
    card's vGPUs have already; else the largest of which two fit, or the
    largest. Of equals, it is the one that shows most to its guest.

    :param preferred: globs of profile slugs or names, the dearest first
    """
    for glob in preferred:
        for profile in _offered(gpu):
            if profile.matches(glob):
                return profile
    counts = Counter(
        {slug: n for slug, n in offers.present(gpu, claims).items() if n}
    )
    for slug, _ in counts.most_common():
        for profile in _offered(gpu):
            if profile.slug == slug:
                return profile
    return max(_offered(gpu), key=_rank, default=None)


def _offered(gpu: model.Gpu) -> tuple[model.Profile, ...]:
    """List what the class VGPU may stand for."""
    return tuple(p for p in gpu.profiles if p.offered and p.is_vgpu)


def _rank(profile: model.Profile) -> tuple[bool, int, int, int, str]:
    instances = profile.max_instances or profile.available
    width, height = profile.resolution or (0, 0)
    return (
        instances >= 2,
        -instances if profile.framebuffer_mib is None else 0,
        profile.framebuffer_mib or 0,
        (profile.heads or 0) * width * height,
        profile.slug,
    )
