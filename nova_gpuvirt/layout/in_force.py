"""What the cards of a host were made to be last, by a nova-compute.

What servers have claimed lives in that: in VFs of a number, in GPU instances
of a list. A reboot of the host ends the modes and not the claims, and the file
may say otherwise by then. So what was made stands in the record of its card,
and a card is made that again for who has claimed something of it.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt import once
from nova_gpuvirt.health import record as record_
from nova_gpuvirt.health import records as records_
from nova_gpuvirt.layout import wish as wish_

LOG = logging.getLogger(__name__)

_FIELDS = {field.name: field for field in dataclasses.fields(wish_.Wish)}


class InForce:
    """What the cards of a host were made to be.

    :param records: where it stands over restarts
    """

    def __init__(self, records: records_.Records) -> None:
        self._records = records
        self._layouts: dict[model.Device, record_.Layout] = {}
        self._wrong: dict[model.Device, exception.InvalidRecord] = {}
        # Those that could not be written, and why.
        self._unwritten: set[model.Device] = set()
        self._warnings = once.Once(LOG)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is known of any card."""
        return not self._layouts

    @property
    def is_in_use(self) -> bool:
        """Tell whether a nova-compute has had this host's cards."""
        return self._records.are_kept

    def begin(self) -> None:
        """Let programs that know no claims see that there may be some."""
        try:
            self._records.begin()
        except (exception.InvalidRecord, exception.Locked) as error:
            self._warn(error)

    def look(self) -> None:
        """Read what is remembered, where it can be read."""
        try:
            known = self._records.read()
        except exception.InvalidRecord as error:
            LOG.debug('What cards were made is as it was known: %s', error)
            return
        self._wrong.clear()
        for card, found in known.items():
            if isinstance(found, exception.InvalidRecord):
                self._wrong[card] = found
            elif found.layout is not None and card not in self._unwritten:
                self._layouts[card] = found.layout

    def of(self, gpu: model.Gpu) -> wish_.Wish | None:
        """Tell what a card was made, None where nobody has made it anything.

        :raises InvalidRecord: when what is remembered makes no sense
        """
        if gpu.address in self._wrong:
            raise self._wrong[gpu.address]
        layout = self._layouts.get(gpu.address)
        if layout is None or layout.card != _card(gpu):
            return None
        return parse(layout.wish)

    def put(self, gpu: model.Gpu, wish: wish_.Wish) -> None:
        """Remember what a card was made.

        Where it can't be written, this process remembers it.
        """
        address = gpu.address
        layout = record_.Layout(_card(gpu), dump(wish))
        is_written = address not in self._unwritten
        if self._layouts.get(address) == layout and is_written:
            return
        self._layouts[address] = layout
        if not isinstance(address, model.PciAddress):
            return
        try:
            self._records.change(address, _with(layout))
        except (exception.InvalidRecord, exception.Locked) as error:
            self._unwritten.add(address)
            self._warn(error)
        else:
            self._unwritten.discard(address)
            self._warnings.be_well()

    def _warn(self, error: Exception) -> None:
        self._warnings.warn(
            f'What cards were made is not known any more after a restart: '
            f'{error}'
        )


def dump(wish: wish_.Wish) -> str:
    """Write a wish as the text of a JSON object: what it names."""
    named = {
        name: getattr(wish, name)
        for name, field in _FIELDS.items()
        if getattr(wish, name) != field.default
    }
    return json.dumps(named, sort_keys=True)


def parse(text: str) -> wish_.Wish | None:
    """Read a wish, None where the text makes no sense."""
    try:
        named: Mapping[str, Any] = json.loads(text)
        return wish_.Wish(**{n: _value(n, v) for n, v in named.items()})
    except (
        AttributeError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ):
        return None


def _with(
    layout: record_.Layout,
) -> Callable[[record_.Record], record_.Record]:
    return lambda record: dataclasses.replace(record, layout=layout)


def _card(gpu: model.Gpu) -> str:
    return gpu.function.ids_text if gpu.function else ''


def _value(name: str, value: Any) -> Any:
    """Read one value of a wish.

    :raises TypeError: when it is not of its kind
    """
    if isinstance(value, list):
        value = tuple(value)
    if not _KINDS[_FIELDS[name].type](value):
        raise TypeError(f'{name}: {value!r}')
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(v, str) for v in value)


# By the annotations of a wish.
_KINDS: Mapping[object, Callable[[object], bool]] = {
    'bool': lambda value: isinstance(value, bool),
    'bool | None': lambda value: isinstance(value, bool),
    'int | None': _is_number,
    'int | str | None': lambda v: _is_number(v) or isinstance(v, str),
    'str | None': lambda value: isinstance(value, str),
    'tuple[str, ...]': _are_texts,
    'tuple[str, ...] | None': _are_texts,
}
