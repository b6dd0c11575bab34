"""The pci.ids of simulated hosts: the lines for what they have.

Names and format are those of the PCI ID project (https://pci-ids.ucw.cz/,
2026.08.22): a vendor, its devices after one tab, their subsystems after two;
then classes, subclasses and programming interfaces likewise.
"""

from __future__ import annotations

from collections.abc import Iterable

from nova_gpuvirt.simulation import description

_HEAD = """\
#
#\tList of PCI IDs
#
#\tVersion: 2026.08.22
#\tDate:    2026-08-22 03:15:01
#
"""
_VENDORS = {
    0x1000: 'Broadcom / LSI',
    0x1002: 'Advanced Micro Devices, Inc. [AMD/ATI]',
    0x1022: 'Advanced Micro Devices, Inc. [AMD]',
    0x10B5: 'PLX Technology, Inc.',
    0x10DE: 'NVIDIA Corporation',
    0x10EE: 'Xilinx Corporation',
    0x14E4: 'Broadcom Inc. and subsidiaries',
    0x15B3: 'Mellanox Technologies',
    0x19E5: 'Huawei Technologies Co., Ltd.',
    0x1A03: 'ASPEED Technology, Inc.',
    0x8086: 'Intel Corporation',
}
_DEVICES = {
    (0x1000, 0xC010): 'PEX880xx PCIe Gen 4 Switch',
    (0x1002, 0x1478): 'Navi 10 XL Upstream Port of PCI Express Switch',
    (0x1002, 0x1479): 'Navi 10 XL Downstream Port of PCI Express Switch',
    (0x1002, 0x1636): 'Renoir',
    (0x1002, 0x1637): 'Renoir Radeon High Definition Audio Controller',
    (0x1002, 0x6929): 'Tonga XT GL [FirePro S7150]',
    (0x1002, 0x692F): 'Tonga XTV GL [FirePro S7150V]',
    (0x1002, 0x731F): ('Navi 10 [Radeon RX 5600 OEM/5600 XT / 5700/5700 XT]'),
    (0x1002, 0x740F): 'Aldebaran/MI200 [Instinct MI210]',
    (0x1002, 0x7460): 'Navi 32 GL-XL [AMD Radeon PRO V710]',
    (0x1002, 0x7461): 'Navi 32 [AMD Radeon PRO V710]',
    (0x1002, 0x74A1): 'Aqua Vanjaram [Instinct MI300X]',
    (0x1002, 0x74B5): 'Aqua Vanjaram [Instinct MI300X VF]',
    (0x1002, 0xAB38): 'Navi 10 HDMI Audio',
    (0x1022, 0x1453): 'Family 17h (Models 00h-0fh) PCIe GPP Bridge',
    (0x1022, 0x1480): 'Starship/Matisse Root Complex',
    (0x1022, 0x1482): 'Starship/Matisse PCIe Dummy Host Bridge',
    (0x1022, 0x1483): 'Starship/Matisse GPP Bridge',
    (0x1022, 0x15DF): (
        'Family 17h (Models 10h-1fh) Platform Security Processor'
    ),
    (0x1022, 0x15E3): 'Family 17h/19h HD Audio Controller',
    (0x1022, 0x1630): 'Renoir/Cezanne Root Complex',
    (0x1022, 0x1635): 'Renoir Internal PCIe GPP Bridge to Bus',
    (0x1022, 0x1639): 'Renoir/Cezanne USB 3.1',
    (0x10B5, 0x8747): (
        'PEX 8747 48-Lane, 5-Port PCI Express Gen 3 (8.0 GT/s) Switch'
    ),
    (0x10DE, 0x10F7): 'TU102 High Definition Audio Controller',
    (0x10DE, 0x1AD6): 'TU102 USB 3.1 Host Controller',
    (0x10DE, 0x1AD7): 'TU102 USB Type-C UCSI Controller',
    (0x10DE, 0x1E30): 'TU102GL [Quadro RTX 6000/8000]',
    (0x10DE, 0x1EB8): 'TU104GL [Tesla T4]',
    (0x10DE, 0x20B5): 'GA100 [A100 PCIe 80GB]',
    (0x10DE, 0x20F1): 'GA100 [A100 PCIe 40GB]',
    (0x10DE, 0x2235): 'GA102GL [A40]',
    (0x10DE, 0x22A3): 'GH100 [H100 NVSwitch]',
    (0x10DE, 0x2321): 'GH100 [H100L 94GB]',
    (0x10DE, 0x2330): 'GH100 [H100 SXM5 80GB]',
    (0x10DE, 0x2331): 'GH100 [H100 PCIe]',
    (0x10DE, 0x2335): 'GH100 [H200 SXM 141GB]',
    (0x10DE, 0x25B6): 'GA107GL [A2 / A16]',
    (0x10DE, 0x26B9): 'AD102GL [L40S]',
    (0x10DE, 0x2901): 'GB100 [B200]',
    (0x10DE, 0x2BB5): ('GB202GL [RTX PRO 6000 Blackwell Server Edition]'),
    (0x10EE, 0x5004): 'Alveo U250 XDMA Platform',
    (0x14E4, 0x165F): 'NetXtreme BCM5720 Gigabit Ethernet PCIe',
    (0x15B3, 0x101E): 'ConnectX Family mlx5Gen Virtual Function',
    (0x15B3, 0x1021): 'MT2910 Family [ConnectX-7]',
    (0x19E5, 0x1711): (
        'Hi171x Series [iBMC Intelligent Management system chip w/VGA support]'
    ),
    (0x1A03, 0x1150): 'AST1150 PCI-to-PCI Bridge',
    (0x1A03, 0x2000): 'ASPEED Graphics Family',
    (0x8086, 0x1901): '6th-10th Gen Core Processor PCIe Controller (x16)',
    (0x8086, 0x1BB8): (
        'C740 Series (Emmitsburg) Chipsets PCI Express Root Port #0'
    ),
    (0x8086, 0x2020): 'Sky Lake-E DMI3 Registers',
    (0x8086, 0x2030): 'Sky Lake-E PCI Express Root Port A',
    (0x8086, 0x347A): 'Ice Lake PCI Express Root Port A',
    (0x8086, 0x352A): 'PCI Express Gen5 Port A',
    (0x8086, 0x3E92): 'CoffeeLake-S GT2 [UHD Graphics 630]',
    (0x8086, 0x3EC2): '8th Gen Core Processor Host Bridge/DRAM Registers',
    (0x8086, 0x460D): '12th Gen Core Processor PCI Express x16 Controller #1',
    (0x8086, 0x4660): '12th Gen Core Processor Host Bridge/DRAM Registers',
    (0x8086, 0x4680): 'Alder Lake-S GT1 [UHD Graphics 770]',
    (0x8086, 0x56C0): 'ATS-M [Data Center GPU Flex 170]',
    (0x8086, 0x56C1): 'ATS-M [Data Center GPU Flex 140]',
    (0x8086, 0x7D1D): 'Meteor Lake NPU',
    (0x8086, 0xA190): 'C620 Series Chipset Family PCIe Root Port #0',
    (0x8086, 0xA348): '300/C240 Series Chipset Family HD Audio',
    (0x8086, 0xE211): 'Battlemage G21 [Arc Pro B60]',
    (0x8086, 0xE212): 'Battlemage G21 [Arc Pro B50]',
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
\t07  Infiniband controller
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
