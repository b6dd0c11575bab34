"""The way from what a card is to what it shall be. Pure.

The order is NVIDIA's (vGPU guide, 2.10 and 2.11; MIG user guide): MIG mode,
VFs, GPU instances, mixed sizes, since making VFs ends the last two. Intel's
VFs get their memory before they are made (xe_pci_sriov.c), and AMD's memory
mode chooses which partition modes there are.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from nova_gpuvirt.layout import impossible
from nova_gpuvirt.layout import state as state_
from nova_gpuvirt.layout import steps
from nova_gpuvirt.layout import wish as wish_

_NVIDIA_DRIVER = 'nvidia'
# Of each card there are a few modes, and at most 64 VFs with a quota.
_MOST = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a card, in order, and what no step brings about.

    `loses` says of each step what is lost with it, None for nothing.
    `possible` is the wish without what can't be: what the card is when all
    steps were taken; None where a step that it needs is not planned.
    """

    steps: tuple[steps.Step, ...]
    loses: tuple[str | None, ...]
    impossible: tuple[str, ...]
    possible: wish_.Wish | None = None

    @property
    def is_nothing(self) -> bool:
        """Tell whether the card is as it shall be."""
        return not self.steps and not self.impossible


def plan(state: state_.State, wish: wish_.Wish) -> Plan:
    """Plan the steps of one card.

    What can't be is left out, and told. No step is planned with which
    something is lost that the wish does not name: who made it would not get
    it back.
    """
    if wish.changes_nothing:
        return Plan((), (), (), wish)
    why_not = impossible.of(state, wish)
    nothing: dict[str, Any] = dict.fromkeys(why_not)
    if 'mig' in why_not:
        nothing['gpu_instances'] = ()
    if 'vf_memory' in why_not:
        nothing['vfs'] = None  # VFs are made with what they have
    possible = dataclasses.replace(wish, **nothing)
    found: list[steps.Step] = []
    loses = []
    told = [*why_not.values()]
    reached: wish_.Wish | None = possible
    for _ in range(_MOST):
        step = _next(state, possible)
        if step is None:
            break
        why = _unnamed(step, state, possible)
        if why is not None:
            told.append(f'{step}: {why}')
            reached = None
            break
        found.append(step)
        loses.append(step.loses(state))
        state = step.after(state)
    return Plan(tuple(found), tuple(loses), tuple(told), reached)


def _unnamed(
    step: steps.Step, state: state_.State, wish: wish_.Wish
) -> str | None:
    """Tell what would be lost with a step, and that the wish does not name."""
    if isinstance(step, steps.RemoveVfs) and wish.vfs is None:
        return (
            f'its {state.vfs} VFs would be lost: name their number with vfs, '
            'so that they are made again'
        )
    if not isinstance(step, steps.RemoveNvidiaVfs | steps.MakeNvidiaVfs):
        return None
    for name in ('mig', 'mixed_sizes'):
        if name in state.unknown:
            return f'it ends {name}, of which nothing is known now'
    if state.gpu_instances and wish.mig is None:
        return 'it ends its GPU instances: name them with mig'
    mixed = state.mixed_sizes or state.mixed_instances
    if mixed and wish.mixed_sizes is None:
        return 'it ends mixed sizes: name them with mixed_sizes'
    return None


def _next(state: state_.State, wish: wish_.Wish) -> steps.Step | None:
    return (
        _next_of_mig(state, wish)
        or _next_of_amd(state, wish)
        or _next_of_vfs(state, wish)
        or _next_of_instances(state, wish)
        or _next_of_sizes(state, wish)
    )


def _next_of_mig(state: state_.State, wish: wish_.Wish) -> steps.Step | None:
    if wish.mig is None or bool(state.mig) is wish.mig:
        return None
    if state.vfs:
        return steps.RemoveNvidiaVfs()
    if state.gpu_instances:
        return steps.RemoveGpuInstances()
    return steps.SetMig(wish.mig)


def _next_of_amd(state: state_.State, wish: wish_.Wish) -> steps.Step | None:
    if wish.memory_mode and state.memory_mode != wish.memory_mode:
        return steps.SetMemoryMode(wish.memory_mode)
    if wish.partition and state.partition != wish.partition:
        return steps.SetPartition(wish.partition)
    return None


def _next_of_vfs(state: state_.State, wish: wish_.Wish) -> steps.Step | None:
    wanted = wish.vf_count(state.total_vfs)
    is_nvidia = state.driver == _NVIDIA_DRIVER
    count = state.vfs if wanted is None else wanted
    poor = [
        vf
        for vf in range(1, 1 + count)
        if wish.vf_memory and state.vf_memory.get(vf) != wish.vf_memory
    ]
    if state.vfs == count and not poor:
        return None
    if state.vfs:
        return steps.RemoveNvidiaVfs() if is_nvidia else steps.RemoveVfs()
    if poor:
        assert wish.vf_memory is not None
        return steps.SetVfMemory(poor[0], wish.vf_memory)
    return steps.making(state.driver, count)


def _next_of_instances(
    state: state_.State, wish: wish_.Wish
) -> steps.Step | None:
    make = steps.MakeGpuInstances(wish.gpu_instances)
    if not wish.mig or make.is_done(state):
        return None
    return steps.RemoveGpuInstances() if state.gpu_instances else make


def _next_of_sizes(state: state_.State, wish: wish_.Wish) -> steps.Step | None:
    wanted = wish.mixed_sizes
    if wanted is None:
        return None
    if not state.mig:
        if bool(state.mixed_sizes) is wanted:
            return None
        return steps.SetMixedSizes(wanted)
    for number in state.that_mix:
        if (number in state.mixed_instances) is not wanted:
            return steps.SetMixedSizes(wanted, number)
    return None
