"""Whether the IOMMU can give each card to a guest, without anything else."""

from __future__ import annotations

from collections.abc import Iterator

from nova_gpuvirt import model
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import subject as subject_
from nova_gpuvirt.host import vfio

_APART = (
    'switch ACS on in the firmware, or move one of them to another slot; a '
    'device without a driver may stay'
)


@finding.or_passed("no card's group takes another device along")
def are_viable(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check the group of each card, or of its VFs."""
    for gpu, function in subject.pci_gpus:
        if function.boot_vga:
            continue
        for address, why in _obstacles(subject, gpu):
            by_parts = _has_parts(gpu) and not function.virtfns
            say = finding.warning if by_parts else finding.failure
            yield say(f'it can not go to a guest: {why}', _APART, address)


def _has_parts(gpu: model.Gpu) -> bool:
    """Tell whether a card is for guests in parts, and not only whole."""
    return any(share.profiles or share.vgpus for share in gpu.shares)


def _obstacles(
    subject: subject_.Subject, gpu: model.Gpu
) -> Iterator[tuple[model.PciAddress, str]]:
    """List what can't go to a guest, each reason once.

    Where the kernel uses no IOMMU at all, that is another line's to say.
    """
    if not subject.cards.has_iommu:
        return
    together = [f.address for f in gpu.functions]
    wanted = [[vf] for vf in gpu.virtfns] or [together]
    told = set()
    for addresses in wanted:
        why = vfio.why_not_alone(subject.machine, addresses)
        if why is not None and why not in told:
            told.add(why)
            yield addresses[0], why
