"""What the host itself does with cards that guests are to have whole."""

from __future__ import annotations

from collections.abc import Iterator

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import mdev
from nova_gpuvirt.backends import sriov
from nova_gpuvirt.backends import vendor_vfio
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import in_use
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import subject as subject_
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import processes
from nova_gpuvirt.host import vfio

# They do not let go of a card that anything has open: NVIDIA's waits in the
# kernel for that without end (nv_pci_remove of its nv-pci.c), nouveau and
# radeon have the console.
_KEEP = frozenset({'nouveau', 'nvidia', 'radeon'})
# The ways in which a driver cuts a card into vGPUs.
_CUT = (mdev.Mdev.kind, vendor_vfio.VendorVfio.kind, sriov.Sriov.kind)
_AS_ROOT = 'run nova-gpuvirt check as root, on the host'


@finding.or_passed('no driver keeps a card that is to go whole')
def drivers(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that no driver may keep a card that is for guests whole.

    NVIDIA's has to have those that go in sets: it tells what joins them.
    """
    switched = discovery.has_nvswitches(subject.machine.sysfs)
    for gpu, function in subject.whole:
        joined = switched or gpu.alone_refusal is not None
        if (
            function.driver not in _KEEP
            or _is_shared(gpu)
            or (function.driver == 'nvidia' and joined)
        ):
            continue
        yield finding.warning(
            f'{function.driver} has it, and may not let go of it when a guest '
            'gets it',
            'let vfio-pci have it from the start: "options vfio-pci '
            f'ids={function.ids_text}" and "softdep {function.driver} pre: '
            'vfio-pci" in /etc/modprobe.d/vfio.conf, and rebuild the '
            'initramfs',
            gpu.address,
        )


def _is_shared(gpu: model.Gpu) -> bool:
    """Tell whether the driver is there to cut a card into vGPUs."""
    return any(
        s.kind in _CUT and (s.profiles or s.refusal) for s in gpu.shares
    )


@finding.or_passed('no process of the host has such a card open')
def holders(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that no process of the host has such a card open."""
    for _, function in subject.whole:
        try:
            held = _holders(subject, function)
        except finding.Unseen as error:
            yield finding.warning(str(error), error.remedy, function.address)
            continue
        if held is not None:
            yield finding.warning(
                f'it goes to no guest while the host uses it: {held} has it '
                'open',
                'end that process (nvidia-persistenced, DCGM, a desktop), or '
                'let vfio-pci have the card from the start of the host',
                function.address,
            )


def _holders(
    subject: subject_.Subject, function: model.PciFunction
) -> str | None:
    """Name the processes of the host that have a card, None for none.

    :raises Unseen: when that can't be seen
    """
    card = function.address
    if function.driver is None:
        return None
    if subject.machine.sysfs.rootly is None:
        raise finding.Unseen('who has it open can not be seen', _AS_ROOT)
    try:
        if vfio.is_driver(function.driver):
            return _beside_guests(subject, function)
        openers = subject.machine.sysfs.card_openers([card])[card]
        if openers is None:
            raise processes.Hidden
    except processes.Hidden as error:
        raise finding.Unseen(
            'who has it open can not be seen', processes.WHAT_TO_SET
        ) from error
    except exception.NotCaptured as error:
        raise finding.Unseen(
            'the capture does not have who has it open', _AS_ROOT
        ) from error
    except (OSError, exception.ReleaseFailed) as error:
        raise finding.Unseen(
            f'who has it open is not known: {error}', _AS_ROOT
        ) from error
    of_host = [o for o in openers if in_use.is_of_the_host(o)]
    return in_use.named(of_host) if of_host else None


def _beside_guests(
    subject: subject_.Subject, function: model.PciFunction
) -> str | None:
    """Name a process that has a function through VFIO, and is no guest's.

    :raises OSError: when the processes can't be seen
    :raises ReleaseFailed: when libvirt doesn't answer
    """
    libvirt = subject.machine.hypervisor
    if not isinstance(libvirt, hypervisor.Absent):
        guest = libvirt.guest_with(function.address)
        if guest is not None:
            return None
    pids = subject.machine.sysfs.openers(function.address)
    names = [processes.name(subject.root, pid) for pid in pids]
    others = [
        f'process {pid} ({name})'
        for pid, name in zip(pids, names, strict=True)
        if not name.startswith('qemu-')
    ]
    return ', '.join(others) or None
