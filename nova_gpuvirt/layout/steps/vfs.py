"""Steps about VFs, and about what each has of its card."""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.host import rootonly
from nova_gpuvirt.layout import state as state_
from nova_gpuvirt.layout.steps import step

_MIB = 1 << 20
_NVIDIA_DRIVER = 'nvidia'


@dataclasses.dataclass(frozen=True, slots=True)
class RemoveVfs(step.Step):
    """Take the card's VFs away."""

    def __str__(self) -> str:
        return 'remove its VFs'

    def take(self, root: rootonly.Rootly, address: str) -> None:
        """Write 0, as the kernel wants it before another number."""
        root.set_numvfs(address, 0)

    def after(self, state: state_.State) -> state_.State:
        """Without VFs."""
        return dataclasses.replace(state, vfs=0)

    def is_done(self, state: state_.State) -> bool:
        """Tell whether there are none."""
        return not state.vfs

    def loses(self, state: state_.State) -> str | None:
        """Say how many there are."""
        return f'{state.vfs} VFs'


@dataclasses.dataclass(frozen=True, slots=True)
class MakeVfs(step.Step):
    """Make VFs, where there are none."""

    count: int

    def __str__(self) -> str:
        return f'make {self.count} VFs'

    def take(self, root: rootonly.Rootly, address: str) -> None:
        """Write their number."""
        root.set_numvfs(address, self.count)

    def after(self, state: state_.State) -> state_.State:
        """With these VFs."""
        return dataclasses.replace(state, vfs=self.count)

    def is_done(self, state: state_.State) -> bool:
        """Tell whether they are there."""
        return state.vfs == self.count


def _restarted(state: state_.State, vfs: int) -> state_.State:
    """Tell how a card is after sriov-manage, which binds its PF anew."""
    return dataclasses.replace(
        state.without_gpu_instances(),
        vfs=vfs,
        mixed_sizes=state.mixed_sizes and False,
    )


class RemoveNvidiaVfs(RemoveVfs):
    """Take all VFs of a card of NVIDIA's away."""

    def take(self, root: rootonly.Rootly, address: str) -> None:
        """Let NVIDIA's script do it."""
        root.set_nvidia_vfs(address, False)

    def after(self, state: state_.State) -> state_.State:
        """Without VFs, and without what lasts until the PF is bound anew."""
        return _restarted(state, 0)

    def loses(self, state: state_.State) -> str | None:
        """Say what goes with them."""
        return _told_lost(state, f'{state.vfs} VFs')


class MakeNvidiaVfs(MakeVfs):
    """Make all VFs of a card of NVIDIA's."""

    def take(self, root: rootonly.Rootly, address: str) -> None:
        """Let NVIDIA's script do it."""
        root.set_nvidia_vfs(address, True)

    def after(self, state: state_.State) -> state_.State:
        """With VFs, and without what lasts until the PF is bound anew."""
        return _restarted(state, self.count)

    def loses(self, state: state_.State) -> str | None:
        """Say what is made anew afterwards, if that is wanted."""
        return _told_lost(state)


def making(driver: str | None, count: int) -> MakeVfs:
    """Give the step that makes VFs of a card of a driver's.

    :param count: how many; NVIDIA's makes all
    """
    kind = MakeNvidiaVfs if driver == _NVIDIA_DRIVER else MakeVfs
    return kind(count)


def _told_lost(state: state_.State, *more: str) -> str | None:
    lost = [*more]
    if state.gpu_instances:
        lost.append(f'{len(state.gpu_instances)} GPU instances')
    if state.mixed_sizes or state.mixed_instances:
        lost.append('the mode of mixed sizes')
    return ', '.join(lost) or None


@dataclasses.dataclass(frozen=True, slots=True)
class SetVfMemory(step.Step):
    """Give a VF of Intel's its part of the card's memory.

    :ivar size: bytes
    """

    vf: int
    size: int

    def __str__(self) -> str:
        return f'give {self.size // _MIB} MiB to VF {self.vf}'

    def take(self, root: rootonly.Rootly, address: str) -> None:
        """Write it."""
        root.set_vf_memory(address, self.vf, self.size)

    def after(self, state: state_.State) -> state_.State:
        """With this memory."""
        return dataclasses.replace(
            state, vf_memory={**state.vf_memory, self.vf: self.size}
        )

    def is_done(self, state: state_.State) -> bool:
        """Tell whether it has it."""
        return state.vf_memory.get(self.vf) == self.size
