"""Properties of QEMU's devices that libvirt has no words for."""

from __future__ import annotations

from typing import Any

from lxml import etree
from nova.virt.libvirt import config as vconfig

Properties = dict[str, dict[str, bool | int]]
"""By the alias of a device: its properties."""

_NAMESPACE = 'http://libvirt.org/schemas/domain/qemu/1.0'


class Guest(vconfig.LibvirtConfigGuest):
    """A guest with some properties that are QEMU's own."""

    gpuvirt_properties: Properties

    def format_dom(self) -> Any:
        """Add the properties to what Nova writes."""
        dom = super().format_dom()
        override = etree.SubElement(
            dom, f'{{{_NAMESPACE}}}override', nsmap={'qemu': _NAMESPACE}
        )
        for alias, properties in self.gpuvirt_properties.items():
            device = _element(override, 'device', alias=alias)
            frontend = _element(device, 'frontend')
            for name, value in properties.items():
                kind = 'bool' if isinstance(value, bool) else 'unsigned'
                text = str(value).lower()
                _element(
                    frontend, 'property', name=name, type=kind, value=text
                )
        return dom


def of(
    config: vconfig.LibvirtConfigGuest, properties: Properties
) -> vconfig.LibvirtConfigGuest:
    """Give a guest these properties; without any it stays as it is."""
    if not properties:
        return config
    guest = Guest()
    guest.__dict__.update(vars(config))
    guest.gpuvirt_properties = properties
    return guest


def _element(parent: Any, tag: str, **attributes: str) -> Any:
    return etree.SubElement(parent, f'{{{_NAMESPACE}}}{tag}', attributes)
