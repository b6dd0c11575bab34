"""The cards themselves: whether they answer, can be reset, have their VFs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nova_gpuvirt.cards import lost_modes
from nova_gpuvirt.cards import not_offered
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import slots
from nova_gpuvirt.checks import subject as subject_
from nova_gpuvirt.vendors import vf_quotas

_LOOK = (
    'look for it in the kernel log, and reset it, replace it or seat it anew'
)


def answer(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that there are cards, and that each answers."""
    sick = dict(subject.cards.unreadable)
    for gpu, function in subject.pci_gpus:
        why = not_offered.at_all(subject.machine.sysfs, function)
        if why is not None:
            sick[gpu.address] = 'it answers with nothing but ones'
    for address, why in sick.items():
        yield finding.failure(why, _LOOK, address)
    if not subject.gpus:
        yield finding.warning(
            'there is no GPU that guests may have something of',
            'see nova-gpuvirt discover, which says why',
        )
    elif not sick:
        names = Counter(g.name for g in subject.gpus)
        yield finding.passed(
            ', '.join(f'{count} {name}' for name, count in names.items())
        )


@finding.or_passed('each card that can go whole can be reset')
def can_be_reset(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that each card that can go whole is clean for the next guest."""
    for gpu, _ in subject.whole:
        why = not_offered.not_reset(subject.machine, gpu)
        if why is not None:
            yield finding.warning(
                f'it is not given whole: {why}',
                'put it behind a port of its own, or name it in '
                '[gpuvirt]without_reset if the next guest may find what the '
                'last one left',
                gpu.address,
            )


@finding.or_passed('no card waits for VFs')
def have_vfs(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that cards whose driver cuts them into VFs have some."""
    waiting = [g.address for g in subject.gpus if slots.waits_for_vfs(g)]
    if waiting:
        yield finding.warning(
            'it has no VFs, so no vGPUs',
            f'{lost_modes.enable_vfs(waiting[0])}; the others likewise, but '
            'for cards that only go whole',
            *waiting,
        )
    for _, function in subject.pci_gpus:
        why = vf_quotas.why_none(subject.machine.sysfs, function)
        if why is not None:
            reason, _, remedy = why.partition(': ')
            yield finding.warning(
                f'it has no VFs: {reason}',
                remedy or 'see the kernel log for what its driver says',
                function.address,
            )
