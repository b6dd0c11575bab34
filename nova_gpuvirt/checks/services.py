"""Whether the vendors' services run that the cards need on the host.

Which need what is in NVIDIA's vGPU guide (2.4, 2.10), its Fabric Manager's
guide, and AMD's of gim. ``nvidia-vgpud`` writes what types there are when it
starts, and may end then: ``nvidia-vgpu-mgr`` is looked for alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from nova_gpuvirt import model
from nova_gpuvirt.backends import mdev
from nova_gpuvirt.backends import vendor_vfio
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import slots
from nova_gpuvirt.checks import subject as subject_
from nova_gpuvirt.host import processes

_MANAGER = 'nvidia-vgpu-mgr'
_FABRIC_MANAGER = 'nv-fabricmanager'


def nvidia_vgpu(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that NVIDIA's vGPU manager runs, where it has vGPUs to make."""
    cut = [g.address for g in subject.gpus if _has_vgpus(g)]
    uncut = [g.address for g in subject.gpus if slots.waits_for_vfs(g)]
    asked = bool(cut or uncut)
    match processes.running(subject.root, _MANAGER) if asked else True:
        case True:
            yield finding.passed(f'{_MANAGER} runs where cards ask for it')
        case None:
            yield _unseen(_MANAGER)
        case _:
            for say, cards in (
                (finding.failure, cut),
                (finding.warning, uncut),
            ):
                if cards:
                    yield say(
                        f'{_MANAGER} does not run: no guest gets a vGPU of it',
                        'run systemctl enable --now nvidia-vgpud '
                        'nvidia-vgpu-mgr, and see their logs (journalctl -u '
                        'nvidia-vgpu-mgr)',
                        *cards,
                    )


def _has_vgpus(gpu: model.Gpu) -> bool:
    """Tell whether NVIDIA's driver makes vGPUs of a card."""
    if not gpu.is_nvidia:
        return False
    mdevs = gpu.share(mdev.Mdev.kind)
    vfs = gpu.share(vendor_vfio.VendorVfio.kind)
    return bool((mdevs and mdevs.profiles) or (vfs and gpu.virtfns))


def fabric_manager(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that Fabric Manager runs, where NVSwitches join cards."""
    elsewhere = subject.machine.fabric_manager
    asked = discovery.has_nvswitches(subject.machine.sysfs)
    if elsewhere:
        yield finding.passed(f"NVIDIA's Fabric Manager is at {elsewhere}")
        return
    runs = processes.running(subject.root, _FABRIC_MANAGER) if asked else True
    match runs:
        case True:
            yield finding.passed(
                "NVIDIA's Fabric Manager runs where NVSwitches ask for it"
            )
        case None:
            yield _unseen(_FABRIC_MANAGER)
        case _:
            yield finding.warning(
                "NVIDIA's Fabric Manager does not run, so no guest gets "
                'cards that NVSwitches join',
                'run systemctl enable --now nvidia-fabricmanager, with '
                'FABRIC_MODE=1 in its configuration; where it runs in a '
                'service VM, name it in [gpuvirt]fabric_manager',
            )


@finding.or_passed("a driver has each card of AMD's with VFs")
def gim(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that a card of AMD's that can have VFs has its driver."""
    idle = [
        function.address
        for _, function in subject.pci_gpus
        if function.vendor_id == model.AMD
        and function.sriov_totalvfs
        and function.driver is None
    ]
    if idle:
        yield finding.warning(
            'no driver has it, so there are no VFs',
            'run modprobe gim, and name it in /etc/modules-load.d, to share '
            'it; or let vfio-pci have it, to give it whole',
            *idle,
        )


def _unseen(name: str) -> finding.Finding:
    return finding.warning(
        f'whether {name} runs can not be seen', processes.WHAT_TO_SET
    )
