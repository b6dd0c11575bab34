"""The pci.ids of simulated hosts: the lines for what they have.

Names and format are those of the PCI ID project (https://pci-ids.ucw.cz/,
2026.08.22): a vendor, its devices after one tab, their subsystems after two;
then classes, subclasses and programming interfaces likewise.
"""

from __future__ import annotations

from collections.abc import Iterable

from nova_gpuvirt.testing import description

_HEAD = """\
#
#\tList of PCI IDs
#
#\tVersion: 2026.08.22
#\tDate:    2026-08-22 03:15:01
#
"""
_VENDORS = {
    0x10DE: 'NVIDIA Corporation',
    0x14E4: 'Broadcom Inc. and subsidiaries',
    0x15B3: 'Mellanox Technologies',
    0x1A03: 'ASPEED Technology, Inc.',
    0x8086: 'Intel Corporation',
}
_DEVICES = {
    (0x10DE, 0x10F7): 'TU102 High Definition Audio Controller',
    (0x10DE, 0x1AD6): 'TU102 USB 3.1 Host Controller',
    (0x10DE, 0x1AD7): 'TU102 USB Type-C UCSI Controller',
    (0x10DE, 0x1E30): 'TU102GL [Quadro RTX 6000/8000]',
    (0x10DE, 0x1EB8): 'TU104GL [Tesla T4]',
    (0x10DE, 0x22A3): 'GH100 [H100 NVSwitch]',
    (0x10DE, 0x2330): 'GH100 [H100 SXM5 80GB]',
    (0x14E4, 0x165F): 'NetXtreme BCM5720 Gigabit Ethernet PCIe',
    (0x15B3, 0x101E): 'ConnectX Family mlx5Gen Virtual Function',
    (0x15B3, 0x1021): 'MT2910 Family [ConnectX-7]',
    (0x1A03, 0x1150): 'AST1150 PCI-to-PCI Bridge',
    (0x1A03, 0x2000): 'ASPEED Graphics Family',
    (0x8086, 0x1901): '6th-10th Gen Core Processor PCIe Controller (x16)',
    (0x8086, 0x1BB8): (
        'C740 Series (Emmitsburg) Chipsets PCI Express Root Port #0'
    ),
    (0x8086, 0x2020): 'Sky Lake-E DMI3 Registers',
    (0x8086, 0x2030): 'Sky Lake-E PCI Express Root Port A',
    (0x8086, 0x352A): 'PCI Express Gen5 Port A',
    (0x8086, 0x3E92): 'CoffeeLake-S GT2 [UHD Graphics 630]',
    (0x8086, 0x3EC2): '8th Gen Core Processor Host Bridge/DRAM Registers',
    (0x8086, 0x460D): '12th Gen Core Processor PCI Express x16 Controller #1',
    (0x8086, 0x4660): '12th Gen Core Processor Host Bridge/DRAM Registers',
    (0x8086, 0x4680): 'Alder Lake-S GT1 [UHD Graphics 770]',
    (0x8086, 0xA190): 'C620 Series Chipset Family PCIe Root Port #0',
    (0x8086, 0xA348): '300/C240 Series Chipset Family HD Audio',
}
_SUBSYSTEMS = {
    (0x10DE, 0x1E30): (
        (0x10DE, 0x129E, 'Quadro RTX 8000'),
        (0x10DE, 0x12BA, 'Quadro RTX 6000'),
    ),
}
_CLASSES = """
C 02  Network controller
\t00  Ethernet controller
C 03  Display controller
\t00  VGA compatible controller
\t\t00  VGA controller
\t\t01  8514 controller
\t01  XGA compatible controller
\t02  3D controller
\t80  Display controller
C 04  Multimedia controller
\t03  Audio device
C 06  Bridge
\t00  Host bridge
\t04  PCI bridge
\t\t00  Normal decode
\t80  Bridge
C 0c  Serial bus controller
\t03  USB controller
\t\t30  XHCI
\t80  Serial bus controller
C 12  Processing accelerators
\t00  Processing accelerators
"""


def text(functions: Iterable[description.Function]) -> str:
    """Print the pci.ids of a host with these functions."""
    wanted = set()
    for function in functions:
        wanted.add((function.vendor, function.device))
        if function.vfs and function.vfs.device:
            wanted.add((function.vendor, function.vfs.device))
    lines = [_HEAD]
    previous = None
    for vendor, device in sorted(wanted):
        if vendor != previous:
            lines.append(f'{vendor:04x}  {_VENDORS[vendor]}\n')
            previous = vendor
        lines.append(f'\t{device:04x}  {_DEVICES[vendor, device]}\n')
        for *ids, name in _SUBSYSTEMS.get((vendor, device), ()):
            lines.append(f'\t\t{ids[0]:04x} {ids[1]:04x}  {name}\n')
    return ''.join(lines) + _CLASSES
