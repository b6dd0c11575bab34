"""The sizes of profiles, in the words of people."""

from __future__ import annotations

from collections.abc import Iterable

from nova_gpuvirt import model

_GIB = 1024


def size(profile: model.Profile) -> str:
    """Tell a profile's memory, nothing where it is not known."""
    return _memory(profile.framebuffer_mib) if profile.framebuffer_mib else ''


def span(profiles: Iterable[model.Profile]) -> str:
    """Tell the smallest and the largest, nothing where none is known."""
    known = {p.framebuffer_mib for p in profiles if p.framebuffer_mib}
    if not known:
        return ''
    least, most = _memory(min(known)), _memory(max(known))
    if least == most:
        return most
    number, _, unit = least.partition(' ')
    return f'{number if most.endswith(unit) else least}-{most}'


def _memory(mib: int) -> str:
    if mib % (_GIB // 2):
        return f'{mib} MiB'
    return f'{mib / _GIB:g} GiB'
