"""What the virtual GPU host's kernel and libvirt say of its GPUs."""

from __future__ import annotations

import dataclasses
import enum
import json
import struct
import sys
from typing import Any
from xml.etree import ElementTree

from lab import commands
from lab.host import places
from lab.host import ssh

_STATE = """
cd /sys/bus/pci/devices
for function in 0000:0[1-9a-f]:*; do
    driver=none
    link=$(readlink $function/driver) && driver=${link##*/}
    type=none
    [ ! -e $function/nvidia ] || type=$(cat $function/nvidia/current_vgpu_type)
    card=$function
    link=$(readlink $function/physfn) && card=${link##*/}
    override=$(cat $function/driver_override)
    echo F $function ${card%.*}.0 $driver $override $type
done
for mdev in /sys/bus/mdev/devices/*; do
    parent=$(dirname $(realpath $mdev))
    [ ! -e $mdev ] || echo M ${mdev##*/} ${parent##*/}
done
for domain in $(virsh list --all --uuid); do
    # One that goes, or is defined anew, at this moment is left out.
    state=$(virsh domstate $domain) && xml=$(virsh dumpxml $domain) || continue
    echo D $domain $state
    echo "$xml"
done
"""
# Of a traceback the end says what it is.
_LINES = 40


@dataclasses.dataclass(frozen=True, slots=True)
class Domain:
    """A guest of libvirt's, and what it has of the host's GPUs.

    `devices` are addresses and mdevs' UUIDs; `node` is what it draws with.
    """

    runs: bool
    devices: frozenset[str]
    node: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """How things are.

    `functions` are driver, driver_override and type of vGPU of those behind
    root ports; `cards` function 0 of the card of each. `mdevs` have their
    parent, `domains` their UUID.
    """

    functions: dict[str, tuple[str, ...]]
    cards: dict[str, str]
    mdevs: dict[str, str]
    domains: dict[str, Domain]

    @property
    def vgpus(self) -> set[str]:
        """Name what is a vGPU: mdevs, and functions with a type."""
        typed = {
            address
            for address, (*_, type_) in self.functions.items()
            if type_ not in ('none', '0')
        }
        return {*self.mdevs} | typed

    def card_of(self, device: str) -> str:
        """Say which card a device belongs to."""
        return self.cards[self.mdevs.get(device, device)]


def state() -> State:
    """Look at all of it."""
    there, *domains = ssh.run('sh', told=_STATE).split('\nD ')
    words = [line.split() for line in there.splitlines()]
    return State(
        {name: tuple(rest) for kind, name, _, *rest in words if kind == 'F'},
        {name: card for kind, name, card, *_ in words if kind == 'F'},
        {name: parent for kind, name, parent, *_ in words if kind == 'M'},
        dict(_domain(text) for text in domains),
    )


def _domain(text: str) -> tuple[str, Domain]:
    head, _, xml = text.partition('\n')
    uuid, is_in = head.split(maxsplit=1)
    root = ElementTree.fromstring(xml)
    gl = root.find('devices/graphics/gl')
    node = None if gl is None else gl.get('rendernode')
    return uuid, Domain(
        is_in == 'running',
        frozenset(
            _device(address)
            for address in root.iterfind('devices/hostdev/source/address')
        ),
        node and node.rpartition('/')[2],
    )


def _device(address: ElementTree.Element) -> str:
    if uuid := address.get('uuid'):
        return uuid
    numbers = [
        int(address.attrib[part], 16)
        for part in ('domain', 'bus', 'slot', 'function')
    ]
    return '{:04x}:{:02x}:{:02x}.{:x}'.format(*numbers)


def mdevs() -> list[str]:
    """List the mdevs."""
    return ssh.run('ls /sys/bus/mdev/devices').split()


def discover() -> list[dict[str, Any]]:
    """Ask our command what there is."""
    found = ssh.run(
        '/opt/nova/bin/nova-gpuvirt discover --accelerator 1234:1111 -f json '
        '2>/dev/null'
    )
    listed: list[dict[str, Any]] = json.loads(found)
    return listed


def log_of(domain: str) -> str:
    """Read what the QEMU of a domain said."""
    return ssh.run(f'cat /var/log/libvirt/qemu/{domain}.log')


def errors(seconds: float) -> str:
    """Read the last errors that nova-compute logged in so many seconds."""
    return ssh.run(
        f'journalctl --unit nova-compute --output cat --quiet'
        f" --since=-{seconds:.0f}s | grep ' ERROR ' | tail --lines={_LINES}"
    )


def boot_id() -> str:
    """Tell one start of the host from another."""
    return ssh.run('cat /proc/sys/kernel/random/boot_id').strip()


def card(name: str, state: str) -> None:
    """Let something befall a served card (`lab.host.served.State`)."""
    commands.output(
        *(sys.executable, '-m', 'lab.host', 'card', name, state),
        folder=places.CLONE,
    )


def command(*words: str) -> str:
    """Run ours on the host, as root."""
    return ssh.run('/opt/nova/bin/nova-gpuvirt', *words)


def reset_by(address: str, methods: str) -> None:
    """Choose the ways in which the kernel resets a function.

    :param methods: as its file ``reset_method`` takes them. With none a reset
        is refused at once (ENOTTY); ``default`` brings them back.
    """
    ssh.run(f'echo {methods} > /sys/bus/pci/devices/{address}/reset_method')


class Error(enum.IntFlag):
    """Errors of PCI Express that can't be corrected.

    They are bits of the Uncorrectable Error Status (PCI Express Base
    Specification 4.0, 7.8.4.2), the first fatal and the second not, as all
    cards and ports have them after power-on.
    """

    DATA_LINK_PROTOCOL = 1 << 4
    COMPLETION_TIMEOUT = 1 << 14


def inject(address: str, error: Error) -> None:
    """Let a function, or a port, report an error to the kernel.

    It is the kernel's own aer_inject (drivers/pci/pcie/aer_inject.c), whose
    device takes one error a write.
    """
    domain, bus, rest = address.split(':')
    slot, function = rest.split('.')
    place = (int(number, 16) for number in (bus, slot, function))
    told = struct.pack('=3Bx7I', *place, error, *(0,) * 5, int(domain, 16))
    octal = ''.join(f'\\{byte:03o}' for byte in told)
    ssh.run(
        f"modprobe aer_inject && printf '{octal}' | "
        f'dd of=/dev/aer_inject bs={len(told)} status=none'
    )
