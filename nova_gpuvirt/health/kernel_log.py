"""What lines of the kernel's log say of a card.

Sources, and how certain the words are:

* ``NVRM: Xid (PCI:0000:3b:00): 79, pid=1, name=python3, …``: NVIDIA's driver
  (krcReportXid of its open kernel modules), as users publish it; the function
  lacks, or is there in newer ones, and ``PCI:`` lacks in the oldest
* ``nvidia-nvswitch0: SXid (PCI:0000:c3:00.0): 24007, Fatal, Link 30 …``: its
  driver of NVSwitches, as users publish it
* ``vfio-pci 0000:3b:00.0: not ready 65535ms after FLR; giving up`` and
  ``Unable to change power state from D3cold to D0, device inaccessible``:
  the kernel's drivers/pci/pci.c
* ``PCIe Bus Error: severity=Uncorrectable (Fatal), …``: its
  drivers/pci/pcie/aer.c; *Uncorrected* in older ones, and with ``AER:``
  before it in newer ones
* ``amdgpu 0000:c3:00.0: amdgpu: GPU reset(1) failed``, ``GPU reset end with
  ret = -110`` (amdgpu_device.c), ``2 uncorrectable hardware errors detected
  in umc block`` (amdgpu_ras.c; a clear report has the same words after
  ``no``, and a sum has *in total*), ``RAS records:20 exceed threshold:10``
  (amdgpu_ras_eeprom.c)
* ``xe 0000:03:00.0: [drm] *ERROR* CRITICAL: Xe has declared device … as
  wedged.`` (xe_device.c): only another probe clears that

A line is of the card that it names at its beginning. What follows is text of
others (the name of a process), so it is matched as a whole or not at all.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

from nova_gpuvirt import model
from nova_gpuvirt.health import signs
from nova_gpuvirt.host import kmsg
from nova_gpuvirt.vendors import nvidia_xids

_XID = re.compile(
    r'NVRM: Xid \((?:PCI:)?(?P<slot>[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f])'
    r'(?P<function>\.[0-7])?\): (?P<number>\d{1,4}), (?P<text>.*)'
)
_SXID = re.compile(
    r'nvidia-nvswitch\d{1,3}: SXid \(PCI:(?P<address>[0-9a-f:.]{7,16})\): '
    r'(?P<number>\d{1,6}), Fatal, .*'
)
_OF_FUNCTION = re.compile(
    rf'[\w-]{{1,32}} (?P<address>{kmsg.ADDRESS}): (?P<text>.*)'
)


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """What one line says of a card.

    :ivar address: the function that it names, the first of a slot where it
        names the slot alone
    :ivar has_function: whether it names the function
    :ivar sign: None where it says that the card was reset
    :ivar lasts: whether the sign stands until the card was reset
    """

    address: model.PciAddress
    has_function: bool
    sign: signs.Sign | None
    lasts: bool = False

    def is_of(self, gpu: model.Gpu) -> bool:
        """Tell whether it is of a card, or of a VF of it."""
        if self.has_function:
            return gpu.holds(self.address)
        card = gpu.address
        return isinstance(card, model.PciAddress) and (
            (card.domain, card.bus, card.slot)
            == (self.address.domain, self.address.bus, self.address.slot)
        )


def parse(line: str) -> Message | None:
    """Read a line; None for one that says nothing of a card."""
    match = _XID.fullmatch(line)
    if match is not None:
        return _of_xid(match)
    match = _OF_FUNCTION.fullmatch(line)
    if match is None:
        return None
    address = model.PciAddress.parse(match['address'])
    for pattern, tell in _KINDS:
        found = pattern.fullmatch(match['text'])
        if found is not None:
            sign, lasts = tell(found)
            return Message(address, True, sign, lasts)
    return None


def of_switches(lines: Iterable[str]) -> Iterator[str]:
    """Give the lines in which NVSwitches tell of fatal errors.

    They don't say which cards have suffered.
    """
    return (line for line in lines if _SXID.fullmatch(line))


def _of_xid(match: re.Match[str]) -> Message | None:
    number = int(match['number'])
    address = model.PciAddress.parse(
        match['slot'] + (match['function'] or '.0')
    )
    has_function = match['function'] is not None
    if number == nvidia_xids.RECOVERY:
        action = nvidia_xids.recovery_action(match['text'])
        if action is None:
            return None
        if action == nvidia_xids.NO_ACTION:
            return Message(address, has_function, None)
        text = f'Xid 154: it needs an action: {signs.printable(action)}'
        sign = signs.Sign(signs.Name.XID, text, is_grave=True)
        return Message(address, has_function, sign, lasts=True)
    meaning = nvidia_xids.meaning(number)
    if meaning is None:
        return None
    needs_reset = nvidia_xids.needs_reset(number)
    sign = signs.Sign(
        signs.Name.XID, f'Xid {number}: {meaning}', is_grave=needs_reset
    )
    return Message(address, has_function, sign, lasts=needs_reset)


_Told = tuple[signs.Sign | None, bool]


def _grave(
    name: signs.Name, text: str, *, lasts: bool = False
) -> Callable[[re.Match[str]], _Told]:
    return lambda _: (signs.Sign(name, text, is_grave=True), lasts)


def _not_ready(match: re.Match[str]) -> _Told:
    text = f'it did not answer for {match[1]} ms after {match[2]}'
    return signs.Sign(signs.Name.RESET_FAILED, text, is_grave=True), False


def _bus_error(match: re.Match[str]) -> _Told:
    is_fatal = match[1] is None
    text = f'{"a fatal" if is_fatal else "an uncorrectable"} PCIe error'
    name = signs.Name.FATAL_ERROR if is_fatal else signs.Name.ERROR
    return signs.Sign(name, text, is_grave=is_fatal), False


def _ras(match: re.Match[str]) -> _Told:
    text = f'{match[1]} uncorrectable errors in its {match[2]} block'
    return signs.Sign(signs.Name.RAS, text, is_grave=False), False


def _worn(match: re.Match[str]) -> _Told:
    text = f'{match[1]} pages of its memory are bad, more than {match[2]}'
    return signs.Sign(signs.Name.RAS, text, is_grave=True), True


def _was_reset(match: re.Match[str]) -> _Told:
    return None, False


_AMD = '(?:amdgpu: )?'
_KINDS: tuple[
    tuple[re.Pattern[str], Callable[[re.Match[str]], _Told]], ...
] = (
    (
        re.compile(r'not ready (\d{1,9})ms after ([\w ]{1,32}); giving up'),
        _not_ready,
    ),
    (
        re.compile(
            r'Unable to change power state from \w{1,16} to D0, device '
            'inaccessible'
        ),
        _grave(signs.Name.POWER, 'it can not be powered up'),
    ),
    (
        re.compile(
            r'(?:AER: )?PCIe Bus Error: severity=Uncorrect(?:ed|able) '
            r'\((Non-)?Fatal\), .*'
        ),
        _bus_error,
    ),
    (
        re.compile(
            rf'{_AMD}GPU reset(?:\(\d+\) failed.*| end with ret = -\d+)'
        ),
        _grave(
            signs.Name.RESET_FAILED, 'amdgpu could not reset it', lasts=True
        ),
    ),
    (re.compile(rf'{_AMD}GPU reset\(\d+\) succeeded!'), _was_reset),
    (
        re.compile(
            rf'{_AMD}(?:\{{\d+\}} ?)?(?:socket: \d+,? (?:die: \d+,? )?)?'
            r'([1-9]\d{0,18}) (?:new )?uncorrectable hardware errors detected '
            r'in (\w{1,32}) block'
        ),
        _ras,
    ),
    (
        re.compile(
            rf'{_AMD}RAS records:(\d{{1,9}}) exceed threshold:(\d{{1,9}}).*'
        ),
        _worn,
    ),
    (
        re.compile(
            r'\[drm\] (?:\*ERROR\* )?CRITICAL: Xe has declared device '
            rf'{kmsg.ADDRESS} as wedged\..*'
        ),
        _grave(
            signs.Name.WEDGED,
            'Xe has declared it as wedged, until it is probed anew',
            lasts=True,
        ),
    ),
)
