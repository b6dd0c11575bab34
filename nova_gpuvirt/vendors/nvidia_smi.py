"""What NVIDIA's command says of a card, where sysfs doesn't.

Its answers take a second and hold the card, which keeps ``sriov-manage``
away meanwhile: so they are asked for rarely, and never under a lock.
"""

from __future__ import annotations

import dataclasses
import logging
import re
import time
from collections import Counter
from collections.abc import Hashable
from collections.abc import Mapping

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.vendors import fabric_manager

LOG = logging.getLogger(__name__)

_PAUSE = 600.0  # seconds
_SETTING = re.compile(r'^ *(?P<key>[^:\n]+?) *: *(?P<value>.*?) *$', re.M)
# |   0  MIG 1g.10gb         19        7          0:1     |
_INSTANCE = re.compile(
    r'^\|\s*\d+\s+MIG \S+(?: \S+)?\s+(?P<profile>\d+)\s+\d+\s+\d+:\d+\s*\|$',
    re.M,
)


@dataclasses.dataclass(frozen=True, slots=True)
class VgpuType:
    """A type of vGPU, from a block of ``nvidia-smi vgpu -s -v``.

    :ivar number: as ``current_vgpu_type`` has it
    :ivar gi_profile: the id of the GPU instance profile that it needs, None
        for a time-sliced one
    :ivar per_vm: how many of one card a guest may have
    :ivar per_gi: how many one GPU instance holds
    """

    number: int
    name: str
    gi_profile: int | None
    max_instances: int | None
    per_vm: int | None
    per_gi: int | None
    framebuffer_mib: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """What the command said of one card.

    :ivar mixed_sizes: whether vGPUs of several sizes share it now
    :ivar gpu_instances: how many GPU instances there are, by profile id
    :ivar compute_capability: of CUDA, as ``8.9``
    """

    types: Mapping[int, VgpuType]
    mixed_sizes: bool
    gpu_instances: Counter[int]
    compute_capability: str | None


class NvidiaSmi:
    """The command, and what it said last of each card."""

    def __init__(self, run: commands.Run) -> None:
        self._run = run
        self._cards: dict[model.PciAddress, tuple[Hashable, Card]] = {}
        self._failures: dict[model.PciAddress, str] = {}
        # A command that hangs holds its card: it is let be for a while.
        self._asks_from = 0.0

    def card(self, address: model.PciAddress) -> Card | None:
        """Tell what was learned of a card, None where nothing could be."""
        known = self._cards.get(address)
        return known[1] if known else None

    def learn(self, address: model.PciAddress, state: Hashable) -> None:
        """Ask about a card, unless it is in the state that it was in."""
        known = self._cards.get(address)
        if known is not None and known[0] == state:
            return
        if time.monotonic() < self._asks_from:
            return
        try:
            self._cards[address] = state, self._ask(address)
        except commands.CommandFailed as error:
            if self._failures.get(address) != str(error):
                LOG.warning(
                    '%s: its vGPU types are known by their names alone: %s',
                    address,
                    error,
                )
            self._failures[address] = str(error)
            if isinstance(error, commands.CommandHangs):
                self._asks_from = time.monotonic() + _PAUSE
        else:
            self._failures.pop(address, None)

    def _ask(self, address: model.PciAddress) -> Card:
        settings = parse_settings(self._output('-q', address=address))
        # The capability is what the card can, the mode what it does.
        mixed = settings.get('vGPU Heterogeneous Mode') == 'Enabled' and (
            settings.get('Heterogeneous Time-Slice Sizes') == 'Supported'
        )
        types = parse_types(self._output('vgpu', '-s', '-v', address=address))
        instances: Counter[int] = Counter()
        if any(t.gi_profile is not None for t in types.values()):
            instances = self._instances(address)
        return Card(types, mixed, instances, self._capability(address))

    def _instances(self, address: model.PciAddress) -> Counter[int]:
        try:
            table = self._output('mig', '-lgi', address=address)
        except commands.CommandHangs:
            raise
        except commands.CommandFailed:  # so it says that there are none
            return Counter()
        return parse_instances(table)

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


def parse_settings(text: str) -> dict[str, str]:
    """Read ``key : value`` lines; of a key that repeats, the first counts."""
    settings: dict[str, str] = {}
    for match in _SETTING.finditer(text):
        settings.setdefault(match['key'].strip(), match['value'])
    return settings


def parse_types(text: str) -> dict[int, VgpuType]:
    """Read the blocks of ``nvidia-smi vgpu -s -v``.

    Its numbers are hexadecimal, those of sysfs decimal. A block that misses
    its name is left out.
    """
    types = {}
    for block in re.split(r'(?=vGPU Type ID)', text)[1:]:
        values = parse_settings(block)
        name = values.get('Name')
        try:
            number = int(values['vGPU Type ID'], 16)
        except ValueError:
            continue
        if name:
            types[number] = VgpuType(
                number,
                name,
                gi_profile=_int(values.get('GPU Instance Profile ID')),
                max_instances=_int(values.get('Max Instances')),
                per_vm=_int(values.get('Max Instances Per VM')),
                per_gi=_int(values.get('Max Instances Per GI')),
                framebuffer_mib=_int(
                    values.get('FB Memory', '').removesuffix(' MiB')
                ),
            )
    return types


def parse_instances(text: str) -> Counter[int]:
    """Count the rows of ``nvidia-smi mig -lgi`` by profile id."""
    return Counter(int(m['profile']) for m in _INSTANCE.finditer(text))


def _int(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


class Modules:
    """Where each card is on its board: what Fabric Manager knows it by.

    nvidia-smi tells it while NVIDIA's driver has the card. It never changes,
    so it is asked once.

    :param given: what the operator says instead
    """

    def __init__(
        self, run: commands.Run, given: Mapping[model.PciAddress, int]
    ) -> None:
        self._run = run
        self._modules = dict(given)
        self._uuids: dict[str, model.PciAddress] = {}
        self._failures: dict[model.PciAddress, str] = {}

    def learn(self, address: model.PciAddress, driver: str | None) -> None:
        """Ask about a card that is not known yet."""
        if address in self._modules:
            return
        if driver != 'nvidia':
            self._failures[address] = (
                f'its driver is {driver or "none"}, so nvidia-smi can not '
                'tell its Module Id: name it in [gpuvirt]gpu_modules'
            )
            return
        try:
            text = self._run(('nvidia-smi', '-q', '-i', str(address)))
        except commands.CommandFailed as error:
            self._failures[address] = f'its Module Id is not known: {error}'
            return
        settings = {k.lower(): v for k, v in parse_settings(text).items()}
        module = _int(settings.get('module id'))
        if module is None:
            self._failures[address] = 'nvidia-smi tells no Module Id of it'
            return
        self._modules[address] = module
        self._failures.pop(address, None)
        if 'gpu uuid' in settings:
            self._uuids[settings['gpu uuid']] = address

    def why_not(self, address: model.PciAddress) -> str | None:
        """Tell why a card's place is not known, if it isn't."""
        if address in self._modules:
            return None
        return self._failures.get(address, 'nvidia-smi was not asked yet')

    def card(self, member: fabric_manager.Member) -> model.PciAddress | None:
        """Tell which card is a GPU of Fabric Manager's.

        Two cards with one number are both unknown.
        """
        if member.address is not None:
            return member.address
        if member.uuid is not None and member.uuid in self._uuids:
            return self._uuids[member.uuid]
        found = [a for a, m in self._modules.items() if m == member.module]
        return found[0] if len(found) == 1 else None
