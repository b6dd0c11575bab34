"""What of a wish no step brings about, and why. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nova_gpuvirt.layout import state as state_
from nova_gpuvirt.layout import steps
from nova_gpuvirt.layout import wish as wish_

_NVIDIA_DRIVER = 'nvidia'
_AMD_DRIVER = 'gim'
_INTEL_DRIVERS = ('i915', 'xe')
# Of those, beside VFIO's, that may have a GPU: they lack `sriov_configure`.
_WITHOUT_VFS = ('amdgpu', 'nouveau', 'pci-stub', 'radeon')


def of(state: state_.State, wish: wish_.Wish) -> dict[str, str]:
    """Say what can't be, by what of the wish it is."""
    return dict(_items(state, wish))


def _items(state: state_.State, wish: wish_.Wish) -> Iterator[tuple[str, str]]:
    for name, why in state.unknown.items():
        if getattr(wish, name):
            yield name, f'{name}: what it is now is not known: {why}'
    found = {
        'mig': _why_not_mig(state, wish),
        'mixed_sizes': _why_not_mixed(state, wish),
        'partition': _why_not_partitioned(
            state, wish, state.partition, wish.partition
        ),
        'memory_mode': _why_not_partitioned(
            state, wish, state.memory_mode, wish.memory_mode
        ),
        'vf_memory': _why_not_vf_memory(state, wish),
        'vfs': _why_not_vfs(state, wish),
    }
    for name, why_not in found.items():
        if why_not is not None and name not in state.unknown:
            yield name, f'{name}: {why_not}'


def _why_not_mig(state: state_.State, wish: wish_.Wish) -> str | None:
    if not wish.mig:
        return None
    if state.mig is not None:
        return _why_not_instances(state, wish)
    if state.driver != _NVIDIA_DRIVER:
        return f"wanted MIG mode, found {_had(state)}, not NVIDIA's driver"
    return 'wanted MIG mode, found a card or a driver without it'


def _why_not_instances(state: state_.State, wish: wish_.Wish) -> str | None:
    """Say which GPU instances a card can't have, as far as it tells."""
    if not state.gi_profiles:
        return None
    known = {
        text: profile
        for profile in state.gi_profiles
        for text in (profile.name, str(profile.number))
    }
    wanted = [text.partition(':')[0] for text in wish.gpu_instances]
    for text in wanted:
        if text not in known:
            has = ', '.join(
                f'{p.name} ({p.number})' for p in state.gi_profiles
            )
            return f'wanted {text}, found that the card has {has}'
    for profile, count in Counter(known[text] for text in wanted).items():
        if count > profile.most:
            return (
                f'wanted {count} of {profile.name}, found that it can have '
                f'{profile.most}'
            )
    return None


def _why_not_mixed(state: state_.State, wish: wish_.Wish) -> str | None:
    mig = state.mig if wish.mig is None else wish.mig
    if wish.mixed_sizes and state.mixed_sizes is None and not mig:
        wanted = 'wanted vGPUs of several sizes'
        if state.driver != _NVIDIA_DRIVER:
            return f"{wanted}, found {_had(state)}, not NVIDIA's driver"
        return f'{wanted}, found a card or a driver that does not mix them'
    if (
        wish.mixed_sizes
        and state.gpu_instances
        and not _has_other_instances(state, wish)
        and not state.that_mix
    ):
        return (
            'wanted vGPUs of several sizes, found that each of its GPU '
            'instances holds one vGPU'
        )
    return None


def _has_other_instances(state: state_.State, wish: wish_.Wish) -> bool:
    """Tell whether other GPU instances are made."""
    return bool(wish.mig) and not steps.MakeGpuInstances(
        wish.gpu_instances
    ).is_done(state)


def _why_not_partitioned(
    state: state_.State,
    wish: wish_.Wish,
    found: str | None,
    wanted: str | None,
) -> str | None:
    """Tell why a mode of AMD's can't be.

    gim has made the VFs, and refuses a mode that goes with another number.
    """
    if wanted in (None, found):
        return None
    if state.driver != _AMD_DRIVER:
        return f"wanted {wanted}, found {_had(state)}, not AMD's gim"
    if found is None:
        return f"wanted {wanted}, found that AMD's gim does not partition it"
    if _why_not_vfs(state, wish) is not None:
        return f'wanted {wanted} with vfs: {wish.vfs}, found {state.vfs} VFs'
    return None


def _why_not_vf_memory(state: state_.State, wish: wish_.Wish) -> str | None:
    if wish.vf_memory is not None and state.driver not in _INTEL_DRIVERS:
        return f"wanted a quota, found {_had(state)}, not Intel's driver"
    return None


def _why_not_vfs(state: state_.State, wish: wish_.Wish) -> str | None:
    if wish.vfs == wish_.ALL and not state.total_vfs:
        return 'wanted all, found a card or a driver that makes none'
    wanted = wish.vf_count(state.total_vfs)
    if wanted is None or wanted == state.vfs:
        return None
    if state.driver == _AMD_DRIVER and not wanted:
        return (
            f'wanted none, found {state.vfs}: gim has VFs as long as it is '
            'loaded, so keep it from the host (blacklist gim in '
            '/etc/modprobe.d), and let vfio-pci have the card'
        )
    if state.driver == _AMD_DRIVER:
        return (
            f'wanted {wanted}, found {state.vfs}: gim makes them when it is '
            'loaded, so set vf_num in /etc/modprobe.d and load it anew'
        )
    if wanted > state.total_vfs:
        return f'wanted {wish.vfs}, found that it can have {state.total_vfs}'
    if state.driver == _NVIDIA_DRIVER and wanted not in (0, state.total_vfs):
        return (
            f"wanted {wanted}, found that NVIDIA's driver makes all "
            f'{state.total_vfs} or none; write "all"'
        )
    if state.driver is None:
        return f'wanted {wanted}, found {_had(state)}'
    if _makes_no_vfs(state):
        return (
            f'wanted {wanted}, found {_had(state)}: its own driver makes VFs, '
            f'so keep {state.driver} from it (see /etc/modprobe.d)'
        )
    return None


def _had(state: state_.State) -> str:
    return f'that {state.driver or "no driver"} has the card'


def _makes_no_vfs(state: state_.State) -> bool:
    """Tell whether the card's driver is not the one that makes VFs of it.

    What libvirt has given to VFIO for a guest comes back.
    """
    driver = state.driver or ''
    if 'vfio' in driver:
        return not state.is_overridden
    return driver in _WITHOUT_VFS
