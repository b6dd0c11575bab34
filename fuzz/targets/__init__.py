"""The targets, one module for each folder of the package that has parsers."""

from __future__ import annotations

from fuzz import target
from fuzz.targets import capture
from fuzz.targets import cards
from fuzz.targets import checks
from fuzz.targets import explain
from fuzz.targets import health
from fuzz.targets import host
from fuzz.targets import layout
from fuzz.targets import model
from fuzz.targets import nova
from fuzz.targets import vendors

ALL: tuple[target.Target, ...] = (
    *model.TARGETS,
    *host.TARGETS,
    *cards.TARGETS,
    *vendors.TARGETS,
    *health.TARGETS,
    *layout.TARGETS,
    *capture.TARGETS,
    *checks.TARGETS,
    *explain.TARGETS,
    *nova.TARGETS,
)


def named(name: str) -> target.Target:
    """Find a target.

    :raises LookupError: when there is none of this name
    """
    for each in ALL:
        if each.name == name:
            return each
    raise LookupError(f'no target {name}')
