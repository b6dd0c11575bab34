"""Steps about MIG mode of NVIDIA's cards, and its GPU instances."""

from __future__ import annotations

import dataclasses

from nova_gpuvirt.host import rootonly
from nova_gpuvirt.layout import state as state_
from nova_gpuvirt.layout.steps import step
from nova_gpuvirt.vendors import gpu_instances


@dataclasses.dataclass(frozen=True, slots=True)
class SetMig(step.Step):
    """Take a card into MIG mode, or out of it."""

    wanted: bool

    def __str__(self) -> str:
        return f'turn MIG mode {"on" if self.wanted else "off"}'

    def take(self, root: rootonly.Rootly, address: str) -> None:
        """Ask NVIDIA's command for it."""
        root.set_mig(address, self.wanted)

    def after(self, state: state_.State) -> state_.State:
        """In the mode, and without the other one's."""
        return dataclasses.replace(
            state.without_gpu_instances(),
            mig=self.wanted,
            mig_pending=self.wanted,
        )

    def is_done(self, state: state_.State) -> bool:
        """Tell whether it is so now, and not only after a reset."""
        return state.mig is self.wanted


@dataclasses.dataclass(frozen=True, slots=True)
class RemoveGpuInstances(step.Step):
    """Take all GPU instances away."""

    def __str__(self) -> str:
        return 'remove its GPU instances'

    def take(self, root: rootonly.Rootly, address: str) -> None:
        """Ask NVIDIA's command for it."""
        root.remove_gpu_instances(address)

    def after(self, state: state_.State) -> state_.State:
        """Without GPU instances."""
        return state.without_gpu_instances()

    def is_done(self, state: state_.State) -> bool:
        """Tell whether there are none."""
        return not state.gpu_instances

    def loses(self, state: state_.State) -> str | None:
        """Name them."""
        names = (instance.name for instance in state.gpu_instances)
        return f'the GPU instances {", ".join(names)}'


@dataclasses.dataclass(frozen=True, slots=True)
class MakeGpuInstances(step.Step):
    """Make GPU instances, where there are none.

    All are made at once and in one order, so that they have the same ids
    each time.
    """

    profiles: tuple[str, ...]

    def __str__(self) -> str:
        return f'make the GPU instances {", ".join(self.profiles)}'

    def take(self, root: rootonly.Rootly, address: str) -> None:
        """Ask NVIDIA's command for them."""
        root.make_gpu_instances(address, self.profiles)

    def after(self, state: state_.State) -> state_.State:
        """With these; what the driver calls them is not known before."""
        return dataclasses.replace(
            state,
            gpu_instances=tuple(
                _instance(number, text)
                for number, text in enumerate(self.profiles)
            ),
        )

    def is_done(self, state: state_.State) -> bool:
        """Tell whether all are there, and no others."""
        return _match(state.gpu_instances, self.profiles)


def _instance(number: int, text: str) -> gpu_instances.GpuInstance:
    name, _, start = text.partition(':')
    is_id = name.isdecimal()
    return gpu_instances.GpuInstance(
        number,
        '' if is_id else name,
        int(name) if is_id else -1,
        int(start) if start else -1,
        0,
    )


def _match(
    instances: tuple[gpu_instances.GpuInstance, ...], profiles: tuple[str, ...]
) -> bool:
    """Tell whether GPU instances are those of a list, in any order."""
    left = list(instances)
    # Those with a place first, which others could stand for else.
    for text in sorted(profiles, key=lambda p: ':' not in p):
        name, _, start = text.partition(':')
        found = next(
            (
                i
                for i in left
                if name in (i.name, str(i.profile))
                and start in ('', str(i.start))
            ),
            None,
        )
        if found is None:
            return False
        left.remove(found)
    return not left
