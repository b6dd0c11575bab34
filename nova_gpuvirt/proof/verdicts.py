"""Which claims about hardware a host has shown to be true or not. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Iterable

from nova_gpuvirt import model
from nova_gpuvirt.backends import mdev
from nova_gpuvirt.backends import sriov
from nova_gpuvirt.proof import life


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What a host says to a claim of `questions`.

    :ivar question: its name
    :ivar contradicted: by which trials, and how; none where all show it
    :ivar trials: how many could tell
    """

    question: str
    contradicted: tuple[str, ...]
    trials: int

    @property
    def word(self) -> str:
        """What a report says."""
        return 'contradicted' if self.contradicted else 'seen'


_Outcome = life.Outcome


@dataclasses.dataclass(frozen=True, slots=True)
class _Check:
    """How outcomes decide a claim.

    :ivar can_tell: whether an outcome has to do with it
    :ivar against: what in an outcome speaks against it, None for nothing
    """

    question: str
    can_tell: Callable[[_Outcome], bool]
    against: Callable[[_Outcome], str | None]


def verdicts(outcomes: Iterable[_Outcome]) -> tuple[Verdict, ...]:
    """Decide what can be decided, in the order of the checks below."""
    # What was not tried has no step, and says nothing of the hardware.
    outcomes = tuple(o for o in outcomes if o.seconds)
    found = []
    for check in _CHECKS:
        telling = [o for o in outcomes if check.can_tell(o)]
        against = tuple(
            f'{outcome.trial}: {why}'
            for outcome in telling
            if (why := check.against(outcome)) is not None
        )
        if telling:
            found.append(Verdict(check.question, against, len(telling)))
    return tuple(found)


def _failed(outcome: _Outcome) -> str | None:
    return '; '.join(outcome.failures) or None


def _override(outcome: _Outcome) -> str | None:
    """Tell what is left in a ``driver_override``."""
    return next(
        (
            f'{word} is {text}'
            for word, text in outcome.after.items()
            if word.endswith(' driver_override') and text != '(null)'
        ),
        None,
    )


def _ran(outcome: _Outcome) -> bool:
    return bool(outcome.meanwhile)


def _mdev_driver(outcome: _Outcome) -> str | None:
    return next(
        (
            f'it is {driver}'
            for word, driver in outcome.meanwhile.items()
            if ' mdev ' in word and driver != 'nvidia-vgpu-vfio'
        ),
        None,
    )


def _driver(outcome: _Outcome) -> str | None:
    function = outcome.trial.gpu.function
    return function.driver if function else None


def _is_nvidia(outcome: _Outcome) -> bool:
    return outcome.trial.gpu.is_nvidia


_CHECKS = (
    _Check(
        'nvidia-whole',
        lambda o: o.trial.kind == model.WHOLE and _driver(o) == 'nvidia',
        _failed,
    ),
    _Check(
        'nvidia-mdev-driver',
        lambda o: o.trial.kind == mdev.Mdev.kind and _is_nvidia(o) and _ran(o),
        _mdev_driver,
    ),
    _Check(
        'intel-vf-moves',
        lambda o: (
            o.trial.kind == sriov.Sriov.kind and _driver(o) in ('i915', 'xe')
        ),
        _failed,
    ),
    _Check(
        'whole-place',
        lambda o: (
            o.trial.kind == model.WHOLE and len(o.trial.gpu.functions) > 1
        ),
        _failed,
    ),
    _Check(
        'libvirt-override',
        lambda o: o.trial.kind in (model.WHOLE, sriov.Sriov.kind) and _ran(o),
        _override,
    ),
)
