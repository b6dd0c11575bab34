"""Several lives, one after the other, in clouds that are kept for some."""

import dataclasses
import itertools
import pathlib
import time
import traceback
import unittest

from tests.functional.lives import fleets
from tests.functional.lives import life as life_
from tests.functional.lives import world as world_


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of a life.

    :param seconds: how long it took
    :param why: what ended it too early, None for nothing
    """

    seed: int
    fleet: str
    steps: int
    seconds: float
    why: str | None = None


def fleet_names():
    """Name the fleets, in order."""
    return sorted(fleets.FLEETS)


def fleet_of(seed):
    """Name the fleet of a life."""
    names = fleet_names()
    return names[seed % len(names)]


def lives(
    fleet,
    seeds,
    length,
    ended,
    *,
    without=(),
    tell=lambda step: None,
    log=None,
):
    """Live some lives in one cloud, and in a new one after each that fails.

    :param seeds: of the lives, in order
    :param ended: is given the result of each, as it ends
    :param without: the numbers of steps that are left out
    :param tell: is given each step
    :param log: the file for what the services logged, if that is wanted
    """
    left = iter(seeds)
    while (first := next(left, None)) is not None:
        these = itertools.chain([first], left)

        class Run(world_.World):
            def live(self, seeds=these):
                for seed in seeds:
                    result = _one(
                        self, seed, length, without=without, tell=tell
                    )
                    ended(result)
                    if result.why is not None:
                        break
                if log is not None:
                    pathlib.Path(log).write_text(self.log())

        Run.fleet = fleet
        outcome = unittest.TestResult()
        Run('live').run(outcome)
        for _, trace in (*outcome.errors, *outcome.failures):
            raise RuntimeError(f'the cloud of {fleet} failed:\n{trace}')


def one(seed, length, **kwargs):
    """Live one life, and return its result; see `lives` for the arguments."""
    results = []
    lives(fleet_of(seed), [seed], length, results.append, **kwargs)
    return results[0]


def _one(world, seed, length, *, without, tell):
    began = time.monotonic()
    life = life_.Life(world, seed, length, without=without, tell=tell)
    why = None
    try:
        life.live()
    except life_.Failed as error:
        trace = ''.join(traceback.format_exception(error.__cause__))
        why = f'{error}\n{trace}\n{_picture(world)}'
    return Result(
        seed, world.fleet, len(life.steps), time.monotonic() - began, why
    )


def _picture(world):
    """Tell what each side has of each server and card, for who reads on."""
    lines = []
    names = {server.id: server.name for server in world.servers}
    for found in world.instances():
        lines.append(
            f'{names.get(found.uuid)} {found.uuid} on {found.host}: '
            f'{found.vm_state}, {found.task_state}, '
            f'{_claims(found.resources)}'
        )
        moving = found.migration_context
        if moving is not None:
            lines.append(
                f'  migration {moving.migration_id}: from '
                f'{_claims(moving.old_resources)} to '
                f'{_claims(moving.new_resources)}'
            )
    for host in world.hosts:
        for card, provider in world.gpu_providers(host).items():
            used = {rc: n for rc, n in provider['usages'].items() if n}
            lines.append(f'{host} {card}: used {used}')
    return '\n'.join(lines)


def _claims(resources):
    return [r.identifier for r in resources or ()]
