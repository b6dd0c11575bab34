"""Whether libvirt and QEMU know what this host's cards ask of them.

Where each came in is in libvirt's NEWS and docs/formatdomain.rst, and in
QEMU's docs/system/devices/virtio/virtio-gpu.rst.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from nova_gpuvirt import model
from nova_gpuvirt.backends import api_forwarding
from nova_gpuvirt.backends import vendor_vfio
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import seen
from nova_gpuvirt.checks import slots
from nova_gpuvirt.checks import subject as subject_
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import kernel

_GIB = 1 << 30
# What the machine type q35 has room for by itself.
_HOLE = 32 * _GIB
_QEMU_CONF = 'etc/libvirt/qemu.conf'
_ASK = (
    'run nova-gpuvirt check on the host, as root or in the group libvirt, '
    "with the Python that has libvirt's module"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """A feature that a card asks for, and the first version that has it.

    `is_needed` is whether guests get nothing without it.
    """

    feature: str
    since: int
    device: model.Device
    is_needed: bool = True


def libvirt(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check libvirt's version against what is asked for here."""
    libvirt = subject.machine.hypervisor
    if not libvirt.answers:
        raise finding.Unseen('libvirt was not asked for its version', _ASK)
    version = libvirt.version()
    found = False
    for need in of_libvirt(subject):
        if version >= need.since:
            continue
        found = True
        say = finding.failure if need.is_needed else finding.warning
        yield say(
            f'libvirt {text(version)} is too old for {need.feature}',
            f'install libvirt {text(need.since)} or newer',
            need.device,
        )
    if not found:
        yield finding.passed(
            f'libvirt {text(version)} has what the cards ask for'
        )


def opengl(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that QEMU can draw for guests, where a renderer offers that."""
    nodes = [
        gpu.address
        for gpu in subject.gpus
        for share in gpu.shares
        if share.kind == api_forwarding.ApiForwarding.kind and share.offered
    ]
    libvirt = subject.machine.hypervisor
    if nodes and not libvirt.answers:
        yield finding.warning('whether QEMU can draw was not asked', _ASK)
    elif nodes and not libvirt.renderer().virgl:
        yield finding.warning(
            'QEMU can not draw for guests (egl-headless and virtio), so '
            'there are no sessions of it',
            "install QEMU's OpenGL modules (Debian: "
            'qemu-system-modules-opengl), or leave api out of '
            '[gpuvirt]kinds',
            *nodes,
        )
    else:
        yield finding.passed('QEMU can draw where renderers offer sessions')


def vulkan(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check what [gpuvirt]api_vulkan asks for, where it is set."""
    if not subject.options.api_vulkan:
        yield finding.passed('no session is to have Vulkan')
        return
    libvirt = subject.machine.hypervisor
    if not libvirt.answers:
        raise finding.Unseen('what QEMU and libvirt can was not asked', _ASK)
    missing = []
    if libvirt.qemu_version() < hypervisor.QEMU_WITH_VENUS:
        missing.append(f'QEMU {text(hypervisor.QEMU_WITH_VENUS)}')
    if libvirt.version() < hypervisor.LIBVIRT_WITH_OVERRIDE:
        missing.append(f'libvirt {text(hypervisor.LIBVIRT_WITH_OVERRIDE)}')
    if not kernel.is_at_least(subject.root, *api_forwarding.WITH_BLOBS):
        missing.append('Linux {}.{}'.format(*api_forwarding.WITH_BLOBS))
    if not subject.root.exists(api_forwarding.VENUS_SERVER):
        missing.append(f'/{api_forwarding.VENUS_SERVER}')
    if missing:
        yield finding.failure(
            '[gpuvirt]api_vulkan is set, and sessions get no Vulkan: '
            f'{", ".join(missing)} is missing',
            f'install {", ".join(missing)}, or take the option out',
        )
    elif _is_sandboxed(subject):
        yield finding.failure(
            '[gpuvirt]api_vulkan is set, and the sandbox of libvirt forbids '
            "QEMU's server for it",
            f'set seccomp_sandbox = 0 in /{_QEMU_CONF}, which is for all '
            'guests of the host',
        )
    else:
        yield finding.passed('sessions have Vulkan')


def _is_sandboxed(subject: subject_.Subject) -> bool:
    conf = seen.text_if_there(subject.root, _QEMU_CONF) or ''
    return re.search(r'^\s*seccomp_sandbox\s*=\s*0\b', conf, re.M) is None


def of_libvirt(subject: subject_.Subject) -> Iterator[Need]:
    """List what the cards and the options ask of libvirt."""
    for gpu, function in subject.pci_gpus:
        has_vfs = bool(gpu.virtfns)
        if slots.waits_for_vfs(gpu) or (
            gpu.share(vendor_vfio.VendorVfio.kind) and has_vfs
        ):
            yield Need(
                "VFs that stay with NVIDIA's driver",
                hypervisor.LIBVIRT_WITH_VARIANTS,
                gpu.address,
                is_needed=has_vfs,
            )
        bars = function.bars
        if gpu.virtfns:
            bars = pci_function.bars(subject.machine.sysfs, gpu.virtfns[0])
        if sum(bars) > _HOLE:
            yield Need(
                'address space for large BARs',
                hypervisor.LIBVIRT_WITH_MAXPHYSADDR,
                gpu.address,
            )
        if function.driver == 'xe' and kernel.driver_is_loaded(
            subject.root, 'xe-vfio-pci'
        ):
            yield Need(
                'xe-vfio-pci for its VFs',
                hypervisor.LIBVIRT_WITH_VARIANTS,
                gpu.address,
                is_needed=False,
            )


def text(version: int) -> str:
    """Write a version as people do: 10002000 as 10.2.0."""
    return f'{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}'
