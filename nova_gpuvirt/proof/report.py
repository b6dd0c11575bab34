"""What is said before and after the trials of a host, for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator

from nova_gpuvirt import paragraph
from nova_gpuvirt.proof import life
from nova_gpuvirt.proof import questions
from nova_gpuvirt.proof import trials
from nova_gpuvirt.proof import verdicts as verdicts_


def before(plan: trials.Plan) -> str:
    """Say what will be done."""
    return '\n'.join(_before(plan))


def _before(plan: trials.Plan) -> Iterator[str]:
    yield from _wrapped(
        f'Each of these {len(plan.trials)} offers is prepared, given to a '
        'small guest, and taken back. A whole card, and a VF that libvirt '
        'moves, leaves its driver meanwhile. nova-compute can not change a '
        'GPU of this host until the end.'
        if plan.trials
        else 'There is nothing to try.'
    )
    last = None
    for trial in plan.trials:
        if trial.gpu is not last:
            yield _card(trial)
        last = trial.gpu
        yield from _wrapped(f'{trial.claim.identifier}', '  ')
    if plan.left_out:
        yield 'Left alone are'
    for address, why in plan.left_out.items():
        yield from _wrapped(f'{address}: {why}', '  ')


def after(
    outcomes: Collection[life.Outcome],
    facts: Collection[verdicts_.Verdict] = (),
) -> str:
    """Say what came of it.

    :param facts: what was decided before
    """
    found = (*facts, *verdicts_.verdicts(outcomes))
    return '\n'.join((*_tried(outcomes), *_decided(found)))


def _tried(outcomes: Collection[life.Outcome]) -> Iterator[str]:
    yield f'Each offer, with its seconds: {" / ".join(life.STEPS)}'
    last = None
    for outcome in outcomes:
        if outcome.trial.gpu is not last:
            yield _card(outcome.trial)
        last = outcome.trial.gpu
        word = 'FAILED' if outcome.failures else 'passed'
        times = (
            f'{outcome.seconds[step]:.1f}' if step in outcome.seconds else '-'
            for step in life.STEPS
        )
        name = outcome.trial.claim.resource_class
        yield from _wrapped(f'{word}  {name}  {" / ".join(times)} s', '  ')
        for failure in outcome.failures:
            yield from _wrapped(failure, ' ' * 10)


def _decided(found: Collection[verdicts_.Verdict]) -> Iterator[str]:
    claims = {q.name: q.claim for q in questions.QUESTIONS}
    if found:
        yield 'Of what is not proven (doc/source/contributor/proof.rst)'
    for verdict in found:
        yield from _wrapped(
            f'{verdict.word}  [{verdict.question}] {claims[verdict.question]}',
            '  ',
        )
        for why in verdict.contradicted:
            yield from _wrapped(why, ' ' * 10)
    yield from _wrapped(
        f'{len(claims) - len(found)} other claims of that list are not '
        'decided by this.'
    )


def _card(trial: trials.Trial) -> str:
    return f'{trial.gpu.address} {trial.gpu.name}'.strip()


def _wrapped(text: str, indent: str = '') -> list[str]:
    return paragraph.lines(text, indent, f'{indent}    ' if indent else '')
