"""Steps about how parts share a card: mixed sizes, AMD's partitions."""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.host import rootonly
from nova_gpuvirt.layout import state as state_
from nova_gpuvirt.layout.steps import step


@dataclasses.dataclass(frozen=True, slots=True)
class SetMixedSizes(step.Step):
    """Let vGPUs of several sizes share a card, or a GPU instance, or not."""

    wanted: bool
    gpu_instance: int | None = None

    def __str__(self) -> str:
        where = (
            ''
            if self.gpu_instance is None
            else f' of GPU instance {self.gpu_instance}'
        )
        return f'turn mixed sizes{where} {"on" if self.wanted else "off"}'

    def take(self, root: rootonly.Rootly, address: str) -> None:
        """Ask NVIDIA's command for it."""
        root.set_mixed_sizes(address, self.gpu_instance, self.wanted)

    def after(self, state: state_.State) -> state_.State:
        """In this mode."""
        if self.gpu_instance is None:
            return dataclasses.replace(state, mixed_sizes=self.wanted)
        one = frozenset({self.gpu_instance})
        return dataclasses.replace(
            state,
            mixed_instances=state.mixed_instances | one
            if self.wanted
            else state.mixed_instances - one,
        )

    def is_done(self, state: state_.State) -> bool:
        """Tell whether it is so."""
        if self.gpu_instance is None:
            return state.mixed_sizes is self.wanted
        return (self.gpu_instance in state.mixed_instances) is self.wanted


@dataclasses.dataclass(frozen=True, slots=True)
class _AmdMode(step.Step):
    """A mode of a card of AMD's; gim says nothing when it does not set it."""

    mode: str

    def loses(self, state: state_.State) -> str | None:
        """Name the mode it has now."""
        mode = '-'.join(filter(None, (state.partition, state.memory_mode)))
        return f'the mode {mode}'


class SetMemoryMode(_AmdMode):
    """Partition the memory of a card of AMD's."""

    def __str__(self) -> str:
        return f'set the memory mode {self.mode}'

    def take(self, root: rootonly.Rootly, address: str) -> None:
        """Write it."""
        root.set_memory_mode(address, self.mode)

    def after(self, state: state_.State) -> state_.State:
        """In this mode; the partition may be another one then."""
        return dataclasses.replace(
            state, memory_mode=self.mode, partition=None
        )

    def is_done(self, state: state_.State) -> bool:
        """Tell whether it is so."""
        return state.memory_mode == self.mode


class SetPartition(_AmdMode):
    """Partition a card of AMD's."""

    def __str__(self) -> str:
        return f'set the partition mode {self.mode}'

    def take(self, root: rootonly.Rootly, address: str) -> None:
        """Write it."""
        root.set_partition(address, self.mode)

    def after(self, state: state_.State) -> state_.State:
        """In this mode."""
        return dataclasses.replace(state, partition=self.mode)

    def is_done(self, state: state_.State) -> bool:
        """Tell whether it is so."""
        return state.partition == self.mode
