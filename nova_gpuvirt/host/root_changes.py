"""What only root may change of a card, so that it offers something else.

Each change is one write to a file of the kernel's, or one command of
NVIDIA's, and is told what to do by an address, numbers and words of a fixed
set. None asks whether anybody has the card, and none looks at what came of
it: who changes a card asks before, and reads back.
"""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import files as files_

SECONDS = 180.0
"""How long a command may take here.

``sriov-manage`` takes a minute where a card has many VFs, and one that is
killed leaves half of them.
"""
SRIOV_MANAGE = '/usr/lib/nvidia/sriov-manage'
MEMORY_MODES = ('NPS1', 'NPS2', 'NPS4', 'NPS8')
PARTITIONS = ('SPX', 'DPX', 'QPX', 'CPX')
# A name as nvidia-smi mig -lgip prints it, or its id, and where it begins.
# Suffixes that users have published: +me, +me.all, -me, +gfx.
PROFILE = re.compile(
    r'([0-9]g\.[0-9]{1,3}gb([+-][a-z]{2,3}(\.all)?)?|[0-9]{1,3})'
    r'(:[0-9]{1,2})?'
)
_MOST_INSTANCES = 16
_MOST_VFS = 0xFFFF  # NumVFs of the SR-IOV capability has 16 bits

_DEVICES = 'sys/bus/pci/devices'
_DEBUGFS = 'sys/kernel/debug/dri'

Write = Callable[[str, str], None]
"""Writes a text to a file, named relative to the root, in one write.

:raises OSError: as the kernel answers
"""


class RootChanges:
    """What root does to the cards of one host.

    Its methods raise ValueError for what is no address, number or word of
    theirs, before anything is done.

    :param run: runs the vendors' commands as root
    """

    def __init__(
        self, files: files_.Files, write: Write, run: commands.Run
    ) -> None:
        self._files = files
        self._write = write
        self._run_as_root = run

    def set_numvfs(self, address: str, count: int) -> None:
        """Write ``sriov_numvfs``: how many VFs a PF shall have.

        :raises OSError: as the kernel answers: EBUSY for another number over
            one that is not 0
        """
        place = f'{_DEVICES}/{_card(address)}/sriov_numvfs'
        self._write(place, f'{_number(count, 0, _MOST_VFS)}\n')

    def set_nvidia_vfs(self, address: str, wanted: bool) -> None:
        """Make all VFs of a card of NVIDIA's, or remove them.

        It may end well although there are no VFs then (vGPU 17.2).

        :raises CommandFailed: when ``sriov-manage`` refuses
        """
        option = '-e' if _truth(wanted) else '-d'
        self._run_as_root((SRIOV_MANAGE, option, _card(address)))

    def set_mig(self, address: str, wanted: bool) -> None:
        """Turn MIG mode of a card on or off.

        It ends well although the mode is only pending, on a busy card.

        :raises CommandFailed: when ``nvidia-smi`` refuses
        """
        digit = str(int(_truth(wanted)))
        self._run_as_root(('nvidia-smi', '-i', _card(address), '-mig', digit))

    def make_gpu_instances(
        self, address: str, profiles: Sequence[str]
    ) -> None:
        """Make GPU instances of these profiles, without compute instances.

        Where one is refused, those before it stay.

        :param profiles: names (``1g.24gb+gfx``) or ids, each with ``:START``
            where it shall not be left to the driver
        :raises CommandFailed: when ``nvidia-smi`` refuses
        """
        if not 0 < len(profiles) <= _MOST_INSTANCES:
            raise ValueError(f'{len(profiles)} profiles of GPU instances')
        for profile in profiles:
            if not isinstance(profile, str) or not PROFILE.fullmatch(profile):
                raise ValueError(f'{profile!r} is no profile such as 1g.10gb')
        self._mig(address, '-cgi', ','.join(profiles))

    def remove_gpu_instances(self, address: str) -> None:
        """Remove all GPU instances of a card.

        Their compute instances go before; that there are none, as on hosts of
        vGPUs, fails in ``nvidia-smi`` and not here.

        :raises CommandFailed: when ``nvidia-smi`` refuses
        """
        with _let_fail():
            self._mig(address, '-dci')
        self._mig(address, '-dgi')

    def set_mixed_sizes(
        self, address: str, gpu_instance: int | None, wanted: bool
    ) -> None:
        """Let vGPUs of several sizes share a card or a GPU instance, or not.

        :param gpu_instance: of MIG, in which one
        :raises CommandFailed: when ``nvidia-smi`` refuses
        """
        card, digit = _card(address), str(int(_truth(wanted)))
        inside: tuple[str, ...] = ()
        if gpu_instance is not None:
            inside = ('-gi', str(_number(gpu_instance, 0, 127)))
        self._run_as_root(
            ('nvidia-smi', 'vgpu', '-i', card, *inside, '-shm', digit)
        )

    def set_vf_memory(self, address: str, vf: int, size: int) -> None:
        """Write how much of an Intel card's memory a VF shall have.

        :param vf: its number, from 1
        :param size: bytes; 0 takes it back
        :raises OSError: as the kernel answers; ENOENT where the card's driver
            has no file for it, EOPNOTSUPP where each of its tiles has one
        """
        card, number = _card(address), _number(vf, 1, _MOST_VFS)
        text = f'{_number(size, 0, (1 << 64) - 1)}\n'
        self._write(self._vf_memory(card, number), text)

    def set_memory_mode(self, address: str, mode: str) -> None:
        """Write in how many parts a card of AMD's divides its memory.

        Its driver, gim, says nothing where it does not obey.

        :param mode: one of `MEMORY_MODES`
        :raises OSError: as the kernel answers
        """
        place = f'{_DEVICES}/{_card(address)}/memory_partition_mode'
        self._write(place, f'{_word(mode, MEMORY_MODES)}\n')

    def set_partition(self, address: str, mode: str) -> None:
        """Write in how many parts a card of AMD's divides its engines.

        Its driver, gim, counts the modes that go with the number of VFs, and
        says nothing where it does not obey.

        :param mode: one of `PARTITIONS`
        :raises OSError: as the kernel answers; EOPNOTSUPP where the driver
            does not list the mode
        """
        folder = f'{_DEVICES}/{_card(address)}'
        row = re.compile(
            rf'^([0-9]{{1,4}})[ \t]+{_word(mode, PARTITIONS)}\s', re.MULTILINE
        )
        config = f'{folder}/accelerator_partition_profile_config'
        match = row.search(self._files.text(config, errors='replace'))
        if match is None:
            raise OSError(
                errno.EOPNOTSUPP, f'gim lists no {mode} now', f'/{config}'
            )
        place = f'{folder}/accelerator_partition_profile'
        self._write(place, f'{match[1]}\n')

    def _mig(self, address: str, *words: str) -> None:
        self._run_as_root(('nvidia-smi', 'mig', '-i', _card(address), *words))

    def _vf_memory(self, card: str, vf: int) -> str:
        """Find the file that the driver of a PF has for a VF's memory.

        `vendors.vf_quotas` reads the same.
        """
        for place in (
            f'{_DEVICES}/{card}/sriov_admin/vf{vf}/profile/vram_quota',
            f'{_DEBUGFS}/{card}/sriov/vf{vf}/tile0/vram_quota',
            f'{_DEBUGFS}/{card}/gt0/vf{vf}/lmem_quota',
        ):
            if self._files.exists(place):
                return place
        found = self._i915_memory(f'{_DEVICES}/{card}/drm', vf)
        if not found:
            raise FileNotFoundError(
                errno.ENOENT, f'{card} has no file for the memory of VF {vf}'
            )
        if len(found) > 1:
            raise OSError(
                errno.EOPNOTSUPP,
                f'VF {vf} of {card} has memory of {len(found)} tiles',
            )
        return found[0]

    def _i915_memory(self, drm: str, vf: int) -> list[str]:
        for card in self._files.names_if_there(drm):
            if not re.fullmatch(r'card[0-9]+', card):
                continue
            for iov in ('prelim_iov', 'iov'):
                folder = f'{drm}/{card}/{iov}/vf{vf}'
                places = [
                    f'{folder}/{gt}/lmem_quota'
                    for gt in self._files.names_if_there(folder)
                    if re.fullmatch(r'gt[0-9]?', gt)
                ]
                found = [p for p in places if self._files.exists(p)]
                if found:
                    return found
        return []


def _card(address: str) -> str:
    return str(model.PciAddress.parse(address))


def _number(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f'{value!r} is no number from {least} to {most}')
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f'{value!r} is neither true nor false')
    return value


def _word(value: str, words: Sequence[str]) -> str:
    if value not in words:
        raise ValueError(f'{value!r} is none of {", ".join(words)}')
    return value


@contextlib.contextmanager
def _let_fail() -> Iterator[None]:
    """Let a command fail, but for one that is missing or hangs."""
    try:
        yield
    except (commands.CommandMissing, commands.CommandHangs):
        raise
    except commands.CommandFailed:
        return
