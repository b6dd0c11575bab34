"""The machine that the VM is: its cards, and QEMU's command line for it.

Each row of CARDS is one slot behind a root port of its own. The firmware
numbers the buses in this order, so the first row is 0000:01:00.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

MEMORY = 5120  # MiB
# Its network card for ssh is told from virtual functions by this.
MAC = '52:54:00:aa:00:01'

# Tables of pages of four levels, not five: each is walked, for guests twice.
_TCG = ('-accel', 'tcg,thread=multi,tb-size=1024', '-cpu', 'max,la57=off')
_KVM = ('-accel', 'kvm', '-cpu', 'host')
_BOARD = 'q35,sata=off,smbus=off,i8042=off,memory-backend=memory'

_WORDS = (
    *('root=/dev/vda', 'rw', 'net.ifnames=0', 'console=ttyS0', 'panic=-1'),
    *('intel_iommu=on', 'iommu=pt'),
    # A kernel that is kept from running doubts its clock, and takes a slower.
    'tsc=reliable',
    # What an emulated processor spends seconds on, for nothing here.
    *('mitigations=off', 'lsm=capability', 'audit=0', 'cryptomgr.notests'),
    *('transparent_hugepage=never', 'systemd.ssh_auto=no'),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """What stands behind one root port.

    `functions` are QEMU's devices, from function 0 on; `vfs` those that an
    SR-IOV function 0 can enable. `served` is the name of a card of
    ``lab.host.vfio_user``.
    """

    functions: tuple[str, ...] = ()
    vfs: tuple[str, ...] = ()
    served: str = ''


_VIRTIO_NET = ('virtio-net-pci,romfile=',) * 4

CARDS = (
    Card(('bochs-display', 'ich9-intel-hda')),
    Card(('bochs-display',)),
    Card(('bochs-display',)),
    Card(('virtio-gpu-pci',), vfs=_VIRTIO_NET),
    Card(('virtio-gpu-pci',), vfs=_VIRTIO_NET),
    Card(('virtio-gpu-pci',), vfs=_VIRTIO_NET),
    Card(('igb,romfile=',)),  # it has its own way to make 7 VFs
    Card(served='t4'),
    Card(served='h100'),
    Card(served='mi300x'),
    Card(served='flex170'),
)


def address(number: int) -> str:
    """Say where function 0 of a row of CARDS is."""
    return f'0000:{number + 1:02x}:00.0'


def address_of(name: str) -> str:
    """Say where a served card is."""
    return address(_number(name))


def port_of(name: str) -> str:
    """Say where the root port of a served card is."""
    return f'0000:00:{_slot(_number(name)):02x}.0'


def served(name: str) -> dict[str, Any]:
    """Describe a served card as QEMU's device."""
    return {
        'driver': 'vfio-user-pci',
        'id': name,
        'bus': f'port{_number(name)}',
        'socket': {'type': 'unix', 'path': f'{name}.sock'},
    }


def _slot(number: int) -> int:
    """Choose the slot of a root port, after those of the board and the VM."""
    return number + 8


def _number(name: str) -> int:
    return next(n for n, card in enumerate(CARDS) if card.served == name)


def probe(kernel: str) -> list[str]:
    """Write the options of a VM that only says that its kernel runs."""
    words = 'earlyprintk=serial,ttyS0 console=ttyS0'
    return [
        *('-nodefaults', '-display', 'none', '-serial', 'stdio'),
        *('-machine', 'q35', *_KVM, '-m', '512'),
        *('-kernel', kernel, '-append', words),
    ]


def options(
    kernel: str,
    initrd: str,
    disk: str,
    console: str,
    *,
    ssh_port: int,
    kvm: bool,
) -> list[str]:
    """Write the options of QEMU for the VM; paths may be relative.

    :param ssh_port: the port of this machine that leads to the VM's ssh

    The disk is as new at each start: what the VM writes is forgotten.
    """
    # The IOMMU maps interrupts, which KVM has to leave to QEMU.
    machine = f'{_BOARD},kernel-irqchip=split' if kvm else _BOARD
    words = [
        *('-name', 'gpu-host', '-nodefaults', '-no-user-config'),
        # The ports themselves tell of cards, as those of servers do. With
        # ACPI for that, QEMU has no link that is up again after a reset.
        *('-global', 'ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off'),
        *('-display', 'none', '-machine', machine),
        *(_KVM if kvm else _TCG),
        *('-smp', '2', '-m', str(MEMORY)),
        # Shared, as the servers of vfio-user cards want it.
        '-object',
        f'memory-backend-memfd,id=memory,size={MEMORY}M,share=on',
        '-device',
        'intel-iommu,intremap=on,caching-mode=on,aw-bits=48',
        *('-kernel', kernel, '-initrd', initrd, '-append'),
        ' '.join(_WORDS),
        *('-serial', f'file:{console}'),
        '-drive',
        f'file={disk},if=none,id=disk,format=raw,snapshot=on,cache=unsafe',
        *('-device', 'virtio-blk-pci,drive=disk,bus=pcie.0,addr=2'),
        '-netdev',
        f'user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{ssh_port}-:22',
        '-device',
        f'virtio-net-pci,netdev=net,mac={MAC},bus=pcie.0,addr=3,romfile=',
        *('-device', 'virtio-rng-pci,bus=pcie.0,addr=4'),
    ]
    for number, card in enumerate(CARDS):
        for device in (_root_port(number), *_devices(number, card)):
            words += ['-device', device]
    return words


def _root_port(number: int) -> str:
    return (
        f'pcie-root-port,id=port{number},bus=pcie.0,'
        f'addr={_slot(number):#x},chassis={number + 1}'
    )


def _devices(number: int, card: Card) -> list[str]:
    """Write what is behind a root port; VFs have to come before their PF."""
    if card.served:
        return [json.dumps(served(card.served))]
    place = f'bus=port{number},addr=0'
    several = len(card.functions) > 1 or bool(card.vfs)
    vfs = [
        f'{device},{place}.{function},sriov-pf=card{number}'
        for function, device in enumerate(card.vfs, 1)
    ]
    functions = [
        f'{device},{place}.{function},id=card{number}f{function}'
        for function, device in enumerate(card.functions)
    ]
    functions[0] = functions[0].replace(f'card{number}f0', f'card{number}')
    if several:
        functions[0] += ',multifunction=on'
    return vfs + functions
