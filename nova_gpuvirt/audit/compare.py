"""All rules, and how they are asked.

doc/source/admin/audit.rst has the table of them for operators.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Iterator

from nova_gpuvirt.audit import claim_rules
from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.audit import guest_rules
from nova_gpuvirt.audit import hardware_rules
from nova_gpuvirt.audit import placement_rules
from nova_gpuvirt.audit import sides as sides_
from nova_gpuvirt.audit import view as view_


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of disagreement is found, and which sides it needs."""

    find: Callable[[view_.View], Iterator[disagreement.Disagreement]]
    needs: tuple[str, ...]


_NOVA = ('claims',)
_GUESTS = ('claims', 'guests', 'hardware')
_HARDWARE = ('claims', 'guests', 'hardware', 'dirt')
_PLACEMENT = ('claims', 'allocations')

RULES: tuple[Rule, ...] = (
    Rule(claim_rules.unreadable, _NOVA),
    Rule(claim_rules.claimed_twice, _NOVA),
    Rule(claim_rules.of_missing_card, ('claims', 'hardware')),
    Rule(claim_rules.task_without_end, _NOVA),
    Rule(claim_rules.untracked, ('claims', 'tracked')),
    Rule(claim_rules.tracked_without_claim, ('claims', 'tracked')),
    Rule(placement_rules.without_allocation, _PLACEMENT),
    Rule(placement_rules.without_claim, _PLACEMENT),
    Rule(placement_rules.of_nobody, _PLACEMENT),
    Rule(placement_rules.over_capacity, ('allocations', 'capacities')),
    Rule(placement_rules.provider_of_missing_card, (*_PLACEMENT, 'hardware')),
    Rule(guest_rules.has_unclaimed, _GUESTS),
    Rule(guest_rules.lacks_claimed, _GUESTS),
    Rule(guest_rules.definition_differs, _GUESTS),
    Rule(guest_rules.active_without_guest, ('claims', 'guests')),
    Rule(guest_rules.in_two_guests, _GUESTS),
    Rule(guest_rules.orphan, _GUESTS),
    Rule(hardware_rules.leftover, _HARDWARE),
    Rule(hardware_rules.stale, _GUESTS),
    Rule(hardware_rules.missing, _GUESTS),
    Rule(hardware_rules.partition_without_claim, _HARDWARE),
    Rule(hardware_rules.driver_not_back, _HARDWARE),
    Rule(hardware_rules.dirty_and_claimed, ('claims', 'dirt')),
    Rule(hardware_rules.not_remembered, _HARDWARE),
)
"""Every rule of a host."""


def compare(sides: sides_.Sides) -> disagreement.Comparison:
    """Compare what all sides have, as far as they could be read."""
    view = view_.View(sides)
    found = {
        each
        for rule in RULES
        if all(getattr(sides, side) is not None for side in rule.needs)
        for each in rule.find(view)
    }
    return disagreement.Comparison(
        tuple(sorted(found, key=lambda each: each.key)), dict(sides.unread)
    )
