"""[pci]device_spec: which devices Nova itself gives to guests. Pure.

Its meaning is that of Nova's nova/pci/devspec.py, of which nothing is
imported: an address as text has ``*`` for what is left out, as a map it has
regular expressions, and the address of a PF alone means its VFs too.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from nova_gpuvirt import model

_ANY = '*'
_PARTS = ('domain', 'bus', 'slot', 'function')
_WIDTHS = (4, 2, 2, 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Spec:
    """One device, or several, that Nova gives to guests.

    `address` has a regular expression for each part of an address, and
    `vendor` and `product` hexadecimal numbers, or ``*``.
    """

    address: tuple[str, ...]
    vendor: str = _ANY
    product: str = _ANY
    is_one: bool = False

    def matches(
        self,
        address: model.PciAddress,
        ids: model.Ids,
        parent: model.PciAddress | None = None,
    ) -> bool:
        """Tell whether it means a function.

        :param parent: of a VF, its PF
        """
        wanted = zip((self.vendor, self.product), ids, strict=True)
        if any(w != _ANY and int(w, 16) != number for w, number in wanted):
            return False
        return self._means(address) or (
            self.is_one and parent is not None and self._means(parent)
        )

    def _means(self, address: model.PciAddress) -> bool:
        parts = zip(
            self.address, _WIDTHS, dataclasses.astuple(address), strict=True
        )
        return all(
            re.match(wanted, f'{number:0{width}x}')
            for wanted, width, number in parts
        )


def parse(text: str) -> Iterator[Spec]:
    """Read one value of the option: JSON, of one device or of a list.

    What names a network's interface means none of our cards.

    :raises ValueError: for anything else
    """
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError('it is nested too deeply') from error
    for item in found if isinstance(found, list) else [found]:
        if not isinstance(item, dict):
            raise ValueError('it is no map of a device')
        if 'devname' not in item:
            yield _spec(item)


def _spec(item: Mapping[str, Any]) -> Spec:
    address = item.get('address') or '*:*:*.*'
    ids = [
        str(item.get(n, _ANY)).strip().lower()
        for n in ('vendor_id', 'product_id')
    ]
    if not all(re.fullmatch(r'(0x)?[0-9a-f]+|\*', i) for i in ids):
        raise ValueError('vendor_id or product_id is no hexadecimal number')
    if isinstance(address, str):
        parts = _of_text(address)
        is_one = _ANY not in parts
        patterns = tuple(
            '.*' if part == _ANY else f'{int(part, 16):0{width}x}$'
            for part, width in zip(parts, _WIDTHS, strict=True)
        )
    elif isinstance(address, dict):
        is_one = False
        patterns = tuple(str(address.get(part, '.*')) for part in _PARTS)
        for pattern in patterns:
            _compile(pattern)
    else:
        raise ValueError('its address is neither a text nor a map')
    return Spec(patterns, ids[0], ids[1], is_one)


def _of_text(address: str) -> list[str]:
    """Take an address apart; what is left out is any."""
    above, _, function = address.partition('.')
    fields = [f.strip() or _ANY for f in above.split(':')]
    parts = [_ANY] * (3 - len(fields)) + fields + [function.strip() or _ANY]
    if len(parts) != len(_PARTS) or not all(
        re.fullmatch(r'[0-9a-fA-F]+|\*', part) for part in parts
    ):
        raise ValueError(f'{address!r} is no address')
    return parts


def _compile(pattern: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f'{pattern!r}: {error}') from error
