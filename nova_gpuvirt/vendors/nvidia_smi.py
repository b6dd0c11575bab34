"""What NVIDIA's command says of a card, where sysfs doesn't.

Its answers take a second and hold the card, which keeps ``sriov-manage``
away meanwhile: so they are asked for rarely, and never under a lock.

Some of what it says changes without a sign in sysfs: whether sizes are mixed,
how many GPU instances an idle card has. So it is asked when the card's files
changed, and every ten minutes.
"""

from __future__ import annotations

import dataclasses
import logging
import re
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.vendors import gpu_instances as gpu_instances_
from nova_gpuvirt.vendors import nvidia_output
from nova_gpuvirt.vendors import nvidia_types

LOG = logging.getLogger(__name__)

_FRESH = 600.0  # seconds that an answer counts for, while sysfs is the same


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """What the command said of one card.

    :ivar mixed_sizes: whether vGPUs of several sizes share it now
    :ivar gpu_instances: how many GPU instances there are, by profile id,
        None where the command did not tell
    :ivar compute_capability: of CUDA, as ``8.9``
    :ivar mixed_instances: those in which sizes mix: the ids of their profiles
        by their own
    """

    types: Mapping[int, nvidia_types.VgpuType]
    mixed_sizes: bool
    gpu_instances: Counter[int] | None
    compute_capability: str | None
    mixed_instances: Mapping[int, int] = dataclasses.field(
        default_factory=dict
    )

    @property
    def mixes(self) -> bool:
        """Tell whether sizes mix anywhere on the card."""
        return self.mixed_sizes or bool(self.mixed_instances)

    @property
    def traits(self) -> frozenset[str]:
        """The traits that stand for what it can."""
        can = self.compute_capability
        return frozenset({trait_names.cuda(can)} if can is not None else ())


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    """What was said of a card, and the state that it was in.

    :ivar fresh_until: when to ask again although the state is the same
    """

    state: Hashable
    card: Card
    fresh_until: float


class NvidiaSmi:
    """The command, and what it said last of each card.

    :param gpu_instances: asks it as root for the GPU instances of a card
    :param sysfs_suffices: whether the types' sizes and numbers stand there
    """

    def __init__(
        self,
        run: commands.Run,
        gpu_instances: Callable[[model.PciAddress], str],
        clock: Callable[[], float] = time.monotonic,
        *,
        sysfs_suffices: bool = False,
    ) -> None:
        self._run = run
        self._clock = clock
        self._gpu_instances = gpu_instances
        self._sysfs_suffices = sysfs_suffices
        self._cards: dict[model.PciAddress, _Answer] = {}
        # What it did not tell of each card: logged once.
        self._failures: dict[model.PciAddress, list[str]] = {}
        # What runs the command lets it be where it hangs. Who asks as root
        # may be silent himself, and each question would wait for him.
        self._silence = commands.Pause(clock)

    def card(self, address: model.PciAddress) -> Card | None:
        """Tell what was learned of a card, None where nothing could be."""
        known = self._cards.get(address)
        return known.card if known else None

    def learn(self, address: model.PciAddress, state: Hashable) -> None:
        """Ask about a card, unless what is known is fresh, and so its state.

        :param state: what sysfs shows of the card
        """
        now = self._clock()
        known = self._cards.get(address)
        if known and known.state == state and now < known.fresh_until:
            return
        failures: list[str] = []
        try:
            card = self._ask(address, failures)
            until = now + _FRESH
            if self._silence.is_on:  # then root can be asked what is missing
                until = min(until, self._silence.ends)
            self._cards[address] = _Answer(state, card, until)
        except commands.CommandFailed as error:
            missing = isinstance(error, commands.CommandMissing)
            if not (missing and self._sysfs_suffices):
                failures.append(
                    f'its vGPU types are known by sysfs alone: {error}; see '
                    'that nvidia-smi works on this host'
                )
        for failure in failures:
            if failure not in self._failures.get(address, ()):
                LOG.warning('%s: %s', address, failure)
        self._failures[address] = failures

    def _ask(self, address: model.PciAddress, failures: list[str]) -> Card:
        settings = nvidia_output.settings(self._output('-q', address=address))
        # The capability is what the card can, the mode what it does.
        mixed = settings.get('vGPU Heterogeneous Mode') == 'Enabled' and (
            settings.get('Heterogeneous Time-Slice Sizes') == 'Supported'
        )
        types = nvidia_types.parse(
            self._output('vgpu', '-s', '-v', address=address)
        )
        capability = self._capability(address)
        instances: Sequence[gpu_instances_.GpuInstance] | None = ()
        if any(t.gi_profile is not None for t in types.values()):
            instances = self._instances(address, failures)
        if instances is None:
            known = self.card(address)
            return Card(
                types,
                mixed,
                known.gpu_instances if known else None,
                capability,
                known.mixed_instances if known else {},
            )
        in_mix = gpu_instances_.mixed(
            self._run, address, gpu_instances_.shared(instances, types)
        )
        return Card(
            types,
            mixed,
            Counter(instance.profile for instance in instances),
            capability,
            {instance.number: instance.profile for instance in in_mix},
        )

    def _instances(
        self, address: model.PciAddress, failures: list[str]
    ) -> Sequence[gpu_instances_.GpuInstance] | None:
        """List the GPU instances, None where it refuses."""
        try:
            return gpu_instances_.read(self._said_to_root, address)
        except commands.CommandFailed as error:
            failures.append(
                'how many GPU instances it has is not known, so its vGPUs '
                f'are counted as before, or one at a time: {error}; '
                'root must ask: see "What needs root" in the install guide'
            )
            return None

    def _said_to_root(self, address: model.PciAddress) -> str:
        if self._silence.is_on:
            raise commands.CommandHangs(
                'root did not answer, and is let be for a while'
            )
        try:
            text = self._gpu_instances(address)
        except commands.CommandHangs:
            self._silence.begin()
            raise
        except commands.CommandFailed:
            self._silence.forget()
            raise
        self._silence.forget()
        return text

    def _capability(self, address: model.PciAddress) -> str | None:
        try:
            text = self._output(
                '--query-gpu=compute_cap',
                '--format=csv,noheader',
                address=address,
            )
        except commands.CommandHangs:
            raise
        except commands.CommandFailed:  # older ones don't know the question
            return None
        match = re.fullmatch(r'\d+\.\d+', text.strip())
        return match[0] if match else None

    def _output(self, *words: str, address: model.PciAddress) -> str:
        return self._run(('nvidia-smi', *words, '-i', str(address)))
