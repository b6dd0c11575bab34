"""The guests of a host, as libvirt describes them.

No libvirt module is imported here, as in `hypervisor`.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from nova_gpuvirt import model

_ALL = 0
_INACTIVE = 2  # VIR_DOMAIN_XML_INACTIVE
_NO_DOMAIN = 42  # VIR_ERR_NO_DOMAIN

Devices = frozenset[uuid.UUID | model.PciAddress]
"""mdevs and functions of the host."""


@dataclasses.dataclass(frozen=True, slots=True)
class Domain:
    """A guest that runs or is defined.

    `has` is what it runs with, or is defined with where it does not run.
    `defined` is what its next start would give it, None where it is forgotten
    when it ends.
    """

    uuid: str
    runs: bool
    has: Devices
    defined: Devices | None


def of(connection: Any) -> Iterator[Domain]:
    """List all of them; one that ends meanwhile is left out.

    :param connection: an open `virConnect`
    :raises Exception: libvirt's, when it doesn't answer
    """
    for domain in connection.listAllDomains(_ALL):
        try:
            runs = bool(domain.isActive())
            has = hostdevs(domain.XMLDesc(0))
            defined: Devices | None = has
            if runs:
                defined = (
                    hostdevs(domain.XMLDesc(_INACTIVE))
                    if domain.isPersistent()
                    else None
                )
            yield Domain(str(domain.UUIDString()), runs, has, defined)
        except Exception as error:
            if not is_about_a_guest_that_ended(error):
                raise


def hostdevs(xml: str) -> Devices:
    """Read which of the host's devices a guest has.

    :raises ValueError: when one of them has no address or UUID that can be
    """
    found: set[uuid.UUID | model.PciAddress] = set()
    for address in ElementTree.fromstring(xml).iterfind(
        'devices/hostdev/source/address'
    ):
        name = address.get('uuid')
        if name is not None:
            found.add(uuid.UUID(name))
        elif address.get('slot') is not None:
            domain, bus, slot, function = (
                int(address.get(part, '0'), 16)
                for part in ('domain', 'bus', 'slot', 'function')
            )
            text = f'{domain:04x}:{bus:02x}:{slot:02x}.{function:x}'
            found.add(model.PciAddress.parse(text))
    return frozenset(found)


def is_about_a_guest_that_ended(error: Exception) -> bool:
    """Tell whether libvirt says that there is no such guest any more."""
    code = getattr(error, 'get_error_code', lambda: None)()
    return bool(code == _NO_DOMAIN)
