"""The cards whose identities are lent.

Vendor, device, class and subsystem numbers are in the PCI ID project's list;
sizes of BARs are what users' ``lspci -vv`` of these cards shows, but for the
large ones, which are cut to 256 MiB so that the VM's firmware and its guests'
have room for all.
"""

from __future__ import annotations

import dataclasses

from lab.host.vfio_user import config_space

_MIB = 1 << 20
_DISPLAY = 0x038000
_3D = 0x030200
_ACCELERATOR = 0x120000


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """A card: its short name here, its numbers and its BARs."""

    name: str
    identity: config_space.Identity
    bars: tuple[config_space.Bar, ...]


def _nvidia(
    name: str, device: int, subsystem: int, revision: int, speed: int
) -> Card:
    return Card(
        name,
        config_space.Identity(
            *(0x10DE, device, 0x10DE, subsystem, _3D, revision, speed)
        ),
        (
            config_space.Bar(0, 16 * _MIB),
            config_space.Bar(1, 256 * _MIB, wide=True),
            config_space.Bar(3, 32 * _MIB, wide=True),
        ),
    )


CARDS = (
    _nvidia('t4', 0x1EB8, 0x12A2, revision=0xA1, speed=3),
    _nvidia('h100', 0x2331, 0x1626, revision=0xA1, speed=5),
    Card(
        'mi300x',
        config_space.Identity(
            *(0x1002, 0x74A1, 0x1002, 0x74A1, _ACCELERATOR, 0x00, 5)
        ),
        (
            config_space.Bar(0, 256 * _MIB, wide=True),
            config_space.Bar(2, 2 * _MIB, wide=True),
            config_space.Bar(5, 512 * 1024),
        ),
    ),
    Card(
        'flex170',
        config_space.Identity(
            *(0x8086, 0x56C0, 0x8086, 0x4905, _DISPLAY, 0x08, 4)
        ),
        (
            config_space.Bar(0, 16 * _MIB, wide=True),
            config_space.Bar(2, 256 * _MIB, wide=True),
        ),
    ),
)
