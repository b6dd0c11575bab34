"""What kernels, libvirt and devices themselves say."""

from __future__ import annotations

import contextlib
import functools
import uuid
from xml.etree import ElementTree

from fuzz import addresses
from fuzz import sources
from fuzz.target import Target
from fuzz.target import check
from fuzz.target import of_text
from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.health import aer
from nova_gpuvirt.host import card_openers
from nova_gpuvirt.host import config_space
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import kernel
from nova_gpuvirt.host import kmsg
from nova_gpuvirt.host import numerals
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import physical_slots
from nova_gpuvirt.host import processes
from nova_gpuvirt.host import sysfs as sysfs_

_SPACE = bytearray(4096)
_SPACE[:16] = bytes.fromhex('de10b81e07041000a100000300000000')
_SPACE[0x34] = 0x60
_SPACE[0x60:0x64] = bytes.fromhex('01680300')
_SPACE[0x68:0x6C] = bytes.fromhex('10000200')
_SPACE[0x100:0x104] = bytes.fromhex('01000214')
_SPACE[0x140:0x144] = bytes.fromhex('10000100')
_FUNCTION_FILES = (
    '0x030200',
    '0x10de',
    '-1',
    '0x00000000d0000000 0x00000000d0ffffff 0x0000000000040200\n'
    '0x0000000000000000 0x0000000000000000 0x0000000000000000',
    '../../../bus/pci/drivers/nvidia',
    '../../../kernel/iommu_groups/42',
    '../0000:3b:00.0',
    'virtfn0\nvirtfn1\nvirtfn10\ndriver',
    '0000:3b:00.0\n0000:3b:00.1\n155d900f-4e14-4e4c-a73d-069cbf4541e6',
    'TOTAL_ERR_FATAL 3',
)
_PROC = (
    'Name:\tqemu\nPPid:\t1\nCapEff:\t000001ffffffffff',
    'Device Minor: \t 0',
    'cpu_cores_count 0\nlocation_id 15104\ndomain 0',
    'address sizes\t: 46 bits physical, 48 bits virtual',
    '80d2008c222f0686',
    '6.8.0-31-generic',
    'kernel/drivers/vfio/pci/vfio-pci.ko.zst: kernel/drivers/vfio/vfio.ko',
    '/dev/nvidia0',
    '1\n2\n900',
)
_GUEST = (
    '<domain><devices><hostdev mode="subsystem" type="pci"><source>'
    '<address domain="0x0000" bus="0x3b" slot="0x00" function="0x0"/>'
    '</source></hostdev><hostdev type="mdev"><source>'
    '<address uuid="155d900f-4e14-4e4c-a73d-069cbf4541e6"/>'
    '</source></hostdev></devices></domain>',
    '<domainCapabilities><devices><graphics><enum name="type">'
    '<value>egl-headless</value></enum></graphics><video><enum>'
    '<value>virtio</value></enum></video></devices></domainCapabilities>',
    '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><domain>&c;</domain>',
    '<!DOCTYPE d [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    '<domain><devices><hostdev><source><address uuid="&f;"/></source>'
    '</hostdev></devices></domain>',
)
_LOG = (
    '6,339,5140900,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen '
    'off the bus.\n SUBSYSTEM=pci\n',
    '3,340,5140901,-;amdgpu 0000:0c:00.0: amdgpu: GPU reset(1) failed\n',
    '14,341,5140902,-;not the kernel\n',
)


def _config_space(data: bytes) -> None:
    found = config_space.parse(data)
    text = config_space.text(found)
    check('\n' not in text and text.isascii(), f'{text!r} is no line')
    check(not config_space.differences(text, text), 'it differs from itself')
    check(config_space._parsed(text) == found, 'it is not read again')
    config_space.is_all_ones(data)


def _config_text(text: str) -> None:
    config_space.differences(text, text)


def _function(data: bytes) -> None:
    """Read a function of which every file says the same."""
    sysfs = sysfs_.Sysfs(sources.Same(data))
    card = sources.CARD
    for name in ('numa_node', 'sriov_totalvfs'):
        with contextlib.suppress(exception.SysfsError):
            sysfs.number(card, name)
    for bits, name in ((24, 'class'), (16, 'vendor')):
        with contextlib.suppress(exception.SysfsError):
            value = pci_function.number(sysfs, card, name, bits)
            check(0 <= value < 1 << bits, f'{value} has more than {bits} bits')
    with contextlib.suppress(exception.SysfsError):
        sizes = pci_function.bars(sysfs, card)
        check(all(s >= 0 for s in sizes), f'BARs of {sizes} bytes')
    with contextlib.suppress(exception.SysfsError):
        pci_function.read(sysfs, card, 0x030200)
    text = data.decode(errors='surrogateescape')
    addresses.stand_in(text, sysfs.behind('0000:00:01.0'))
    addresses.stand_in(text, sysfs.group_members(1))
    sysfs.above(card)
    aer.read(sysfs, card, sysfs.above(card))
    sysfs.is_off_the_bus(card)
    sysfs.mdevs.of(card)
    sysfs.mdevs.parent(uuid.UUID(int=1))
    sysfs.mdevs.number(card, 'x', 'nvidia/placement_id')
    pci_function.bare(card, 0)


def _proc(data: bytes) -> None:
    """Read the rest of a host, of which every file says the same."""
    root = sources.Same(data)
    for caller in (1, 2):
        found = card_openers.find(root, [sources.CARD], caller)
        for _, name, _ in found[0] or ():
            check(name.isprintable(), f'a process named {name!r}')
    check(processes.name(root, 1).isprintable(), 'a name acts on a terminal')
    with contextlib.suppress(processes.Hidden):
        processes.openers(root, {'/dev/nvidia0'})
    processes.running(root, 'nova-compute')
    kernel.is_at_least(root, 6, 8)
    kernel.physical_bits(root)
    kernel.iommu_bits(root)
    kernel.boot_id(root)
    kernel._modules.cache_clear()
    kernel.has_driver(root, 'vfio-pci')
    function = pci_function.bare(sources.CARD, 0)
    physical_slots.name_of(root, function)


def _guest(text: str) -> None:
    """Read a domain's XML, and a libvirt's capabilities."""
    libvirt = hypervisor.Hypervisor(lambda: sources.Libvirt(text))
    with contextlib.suppress(exception.ReleaseFailed):
        libvirt.guest_with(sources.CARD)
    # Who asks takes it for no answer.
    with contextlib.suppress(ElementTree.ParseError, ValueError):
        for found in libvirt.devices_of('x'):
            check(
                isinstance(found, uuid.UUID)
                or model.PciAddress.parse(str(found)) == found,
                f'{found} is no device',
            )
        libvirt.domain_with([sources.CARD])
    with contextlib.suppress(ElementTree.ParseError):
        libvirt.renderer()


def _kernel_log(data: bytes) -> None:
    for start in (None, 0, 340):
        records = functools.partial(iter, data.split(b'\n\n'))
        end, lines = kmsg.read(records, start)
        check(len(lines) <= kmsg.MOST, 'more lines than asked for')
        check(0 <= end <= 10**20, f'{end} is no sequence number')
        for line in lines:
            check(line.isprintable() and len(line) <= 500, repr(line))


def _numerals(text: str) -> None:
    for found in (numerals.decimal(text), numerals.hexadecimal(text)):
        check(found is None or 0 <= found < 10**20, f'{found} of {text!r}')


def _pciids(text: str) -> None:
    names = pciids.PciIds.parse(text)
    ids = [(v, d) for v, d in names._devices]
    for vendor, device in ids[:50]:
        names.vendor(vendor)
        names.device(vendor, device)
    again = pciids.PciIds.parse(names.extract(ids))
    check(again._devices == names._devices, 'other names when read again')


TARGETS = (
    Target(
        'config-space',
        _config_space,
        ('host.config_space.parse', 'host.config_space.is_all_ones'),
        (ValueError,),
        lambda: [bytes(_SPACE), bytes(_SPACE[:256]), bytes(_SPACE[:64])],
    ),
    of_text(
        'config-text',
        _config_text,
        ('host.config_space.differences', 'host.config_space._parsed'),
        [config_space.text(config_space.parse(bytes(_SPACE)))],
        (ValueError,),
    ),
    Target(
        'function',
        _function,
        (
            'cards.pci_function.number',
            'cards.pci_function.bars',
            'cards.pci_function.read',
            'host.sysfs.Sysfs.number',
            'health.aer.read',
            'host.mdevs.Mdevs.number',
        ),
        seeds=lambda: [t.encode() for t in _FUNCTION_FILES],
    ),
    Target(
        'proc',
        _proc,
        (
            'host.card_openers.find',
            'host.processes.name',
            'host.kernel.physical_bits',
            'host.kernel.iommu_bits',
            'host.physical_slots.name_of',
        ),
        seeds=lambda: [t.encode() for t in _PROC],
        longest=16 << 10,
    ),
    of_text(
        'guest',
        _guest,
        ('host.domains.hostdevs', 'host.hypervisor.Hypervisor.renderer'),
        _GUEST,
    ),
    Target(
        'kmsg',
        _kernel_log,
        ('host.kmsg.read',),
        seeds=lambda: [t.encode() for t in (*_LOG, '\n\n'.join(_LOG))],
    ),
    of_text(
        'numerals',
        _numerals,
        ('host.numerals.decimal', 'host.numerals.hexadecimal'),
        ('42', '0x2a', '18446744073709551615', 'N/A'),
    ),
    of_text(
        'pciids',
        _pciids,
        ('host.pciids.PciIds.parse',),
        ('10de  NVIDIA Corporation\n\t1eb8  TU104GL [Tesla T4]\nC 03  x\n',),
    ),
)
