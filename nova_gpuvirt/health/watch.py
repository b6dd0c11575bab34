"""The health of a host's cards, from look to look.

It is known as long as nova-compute runs. What is to be remembered beyond that
is a matter of who asks.
"""

from __future__ import annotations

import dataclasses
import logging
import types
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence

from nova_gpuvirt import model
from nova_gpuvirt.health import hysteresis as hysteresis_
from nova_gpuvirt.health import kernel_log
from nova_gpuvirt.health import reading as reading_
from nova_gpuvirt.health import signs as signs_
from nova_gpuvirt.host import machine as machine_

LOG = logging.getLogger(__name__)

_MOST = 8  # signs of a card that are told
_NOTHING: Mapping[model.PciAddress, str] = types.MappingProxyType({})


@dataclasses.dataclass(slots=True)
class _Card:
    """A card as it was in the last look.

    :ivar signs: of the last look that had any
    :ivar lasting: what the kernel said that stands until the card was reset
    """

    gpu: model.Gpu
    state: hysteresis_.State = hysteresis_.State()
    reading: signs_.Reading | None = None
    signs: tuple[signs_.Sign, ...] = ()
    lasting: dict[signs_.Name, signs_.Sign] = dataclasses.field(
        default_factory=dict
    )


class Watch:
    """Who looks at the cards of one host, one look at a time.

    :param sick_after: looks with a sign that is not grave, until a card is
        sick
    :param well_after: looks in a row without any sign, until it is well
    """

    def __init__(
        self, machine: machine_.Machine, sick_after: int, well_after: int
    ) -> None:
        self._machine = machine
        self._hysteresis = hysteresis_.Hysteresis(sick_after, well_after)
        self._reader = reading_.Reader(machine)
        self._cards: dict[model.PciAddress, _Card] = {}
        self._sick: Mapping[model.Device, tuple[signs_.Sign, ...]] = {}
        # Where to go on in the kernel's log; None before it was read.
        self._start: int | None = None
        self._log_failed = False

    @property
    def sick(self) -> Mapping[model.Device, tuple[signs_.Sign, ...]]:
        """The cards that are sick, each with the signs seen last."""
        return self._sick

    def why_not(self, device: model.Device) -> str | None:
        """Tell why no guest shall get a card, None where it is not sick."""
        signs = self._sick.get(device)
        if signs is None:
            return None
        return f'it is sick: {"; ".join(sign.text for sign in signs)}'

    def forget(self, device: model.Device) -> None:
        """Take a card for well, until a sign is seen anew."""
        if isinstance(device, model.PciAddress):
            self._cards.pop(device, None)
            self._reader.forget(device)
        self._sick = {d: s for d, s in self._sick.items() if d != device}

    def is_well(self, device: model.Device) -> bool:
        """Tell whether a card was looked at and is not sick."""
        return device in self._cards and device not in self._sick

    def look(
        self,
        gpus: Collection[model.Gpu],
        sick: Collection[model.PciAddress] = (),
        unclean: Mapping[model.PciAddress, str] = _NOTHING,
    ) -> None:
        """Look at the cards that were found, and for those that were.

        :param sick: those that are taken for sick where they were not looked
            at before
        :param unclean: why something of a card could not be cleaned

        Vendors' commands and root may be asked, so it is for no lock of
        Nova's.
        """
        messages = self._messages()
        found = {
            gpu.function.address: gpu
            for gpu in gpus
            if gpu.function is not None
        }
        for address, gpu in found.items():
            if address not in self._cards:
                state = hysteresis_.State(is_sick=address in sick)
                self._cards[address] = _Card(gpu, state)
        # Another thread may forget one meanwhile.
        for address, card in tuple(self._cards.items()):
            why = unclean.get(address)
            self._look_at(card, found.get(address, card.gpu), messages, why)
        self._sick = {
            address: card.signs
            for address, card in tuple(self._cards.items())
            if card.state.is_sick
        }

    def _look_at(
        self,
        card: _Card,
        gpu: model.Gpu,
        messages: Sequence[kernel_log.Message] | None,
        unclean: str | None,
    ) -> None:
        try:
            reading, is_whole = self._reader.read(gpu)
        except Exception as error:  # one bad card never hides another
            LOG.warning(
                '%s: its health can not be read: %s', gpu.address, error
            )
            reading, is_whole = signs_.Reading(), False
        if not reading.is_there or _driver(gpu) != _driver(card.gpu):
            card.lasting.clear()
        said = self._said(card, gpu, messages or ())
        signs = (*signs_.of(reading, card.reading), *said)
        if unclean is not None:
            sign = signs_.Sign(signs_.Name.NOT_CLEANED, unclean, is_grave=True)
            signs = (*signs, sign)
        known = is_whole and messages is not None
        if signs:
            card.signs = tuple(dict.fromkeys(signs))[:_MOST]
        card.state = self._hysteresis.after(
            card.state, signs if signs or known else None
        )
        if reading.is_there and card.reading is not None:
            # One that can't be read now goes on from where it was.
            errors = {**card.reading.errors, **reading.errors}
            reading = dataclasses.replace(reading, errors=errors)
        card.gpu, card.reading = gpu, reading

    @staticmethod
    def _said(
        card: _Card, gpu: model.Gpu, messages: Sequence[kernel_log.Message]
    ) -> tuple[signs_.Sign, ...]:
        """Tell what the kernel has said of a card, and what of it stands."""
        once: list[signs_.Sign] = []
        for message in messages:
            if not message.is_of(gpu):
                continue
            if message.sign is None:
                card.lasting.clear()
            elif message.lasts:
                card.lasting[message.sign.name] = message.sign
            else:
                once.append(message.sign)
        return (*once, *card.lasting.values())

    def _messages(self) -> Sequence[kernel_log.Message] | None:
        """Read what the kernel has said since the last look.

        :returns: None when it can't be read now, and could before
        """
        rootly = self._machine.sysfs.rootly
        if rootly is None:
            return ()
        try:
            self._start, lines = rootly.kernel_log(self._start)
        except OSError as error:
            if not self._log_failed:
                LOG.warning(
                    "The kernel's log can not be read, so what it says of "
                    'cards is no sign: %s; see "What needs root" in the '
                    'install guide',
                    error,
                )
            self._log_failed = True
            return () if self._start is None else None
        self._log_failed = False
        for line in kernel_log.of_switches(lines):
            LOG.warning(
                'An NVSwitch of this host has failed; see whether servers '
                'with several cards still work, and reset it with all its '
                'cards: %s',
                signs_.printable(line),
            )
        parsed = (kernel_log.parse(line) for line in lines)
        return [message for message in parsed if message is not None]


def _driver(gpu: model.Gpu) -> str | None:
    return gpu.function.driver if gpu.function is not None else None
