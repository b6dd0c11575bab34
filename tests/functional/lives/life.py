"""A life: steps that a seed draws, done and checked one after the other."""

import concurrent.futures
import contextlib
import dataclasses
import random

from tests.functional.lives import oracle as oracle_
from tests.functional.lives import remedies
from tests.functional.lives import verbs

# How often something fails meanwhile, and how often several are asked at once.
_DISTURBED = 0.12
_SEVERAL = 0.3
_MOST_AT_ONCE = 4


@dataclasses.dataclass(frozen=True)
class Step:
    """What was done: a line of the story of a life."""

    number: int
    acts: tuple[str, ...]
    disturbance: str | None = None

    def __str__(self):
        text = ', '.join(self.acts) or 'nothing'
        if self.disturbance:
            text += f' during an {self.disturbance}'
        return f'{self.number}: {text}'


class Failed(Exception):
    """A life ended too early.

    :param steps: what was done until then
    """

    def __init__(self, steps, why):
        self.steps = steps
        super().__init__(
            '\n'.join((*(f'  {step}' for step in steps), str(why)))
        )


class Life:
    """One life in a world.

    What a step draws depends on the seed and its number alone: so steps can
    be left out, and the others do what they did, as far as they can.

    :param length: how many steps there are
    :param without: the numbers of those that are left out
    :param tell: is given each step before it is done
    """

    def __init__(
        self, world, seed, length, *, without=(), tell=lambda step: None
    ):
        self._world = world
        self._seed = seed
        self._numbers = [n for n in range(length) if n not in without]
        self._tell = tell
        self._oracle = oracle_.Oracle(world)
        self.steps = []

    def live(self):
        """Do all steps, and bring the world back to where it began.

        :raises Failed: at the first thing that is not as it has to be
        """
        try:
            for number in self._numbers:
                self._step(number)
            self._world.reset()
        except Exception as error:
            raise Failed(self.steps, error) from error

    def _step(self, number):
        draw = random.Random(f'{self._seed}/{number}')
        disturbance = None
        if draw.random() < _DISTURBED:
            disturbance = draw.choice(sorted(verbs.DISTURBANCES))
        most = 1
        if draw.random() < _SEVERAL or disturbance:
            most = draw.randint(2, _MOST_AT_ONCE)
        acts = self._acts(draw, most, bool(disturbance))
        self.steps.append(
            Step(
                number,
                tuple(f'{verb.name} {_name(whom)}' for verb, whom in acts),
                disturbance,
            )
        )
        self._tell(self.steps[-1])
        if disturbance:
            self._do_disturbed(disturbance, acts, draw)
        else:
            self._do(acts, draw)
        self._world.catch_up()
        self._world.read()
        self._oracle.check()

    def _acts(self, draw, most, is_disturbed):
        """Choose what is done, and to whom: each server once at most."""
        acts = []
        busy = set()
        for _ in range(most):
            for verb in _in_random_order(draw):
                whom = [w for w in verb.possible(self._world) if w not in busy]
                if not whom or (verb.alone and (acts or is_disturbed)):
                    continue
                chosen = draw.choice(whom)
                acts.append((verb, chosen))
                if chosen is not None:
                    busy.add(chosen)
                break
            if acts and acts[-1][0].alone:
                break
        return acts

    def _do(self, acts, draw):
        self._finish(self._begin(acts, draw))

    def _begin(self, acts, draw):
        """Ask for all at once."""
        self._world.several = len(acts) > 1
        doings = [
            verb.do(self._world, whom, random.Random(draw.random()))
            for verb, whom in acts
        ]
        with concurrent.futures.ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
            going_on = [*pool.map(_goes_on, doings)]
        self._world.rest.wait(self._world.asleep)
        return [d for d, more in zip(doings, going_on, strict=True) if more]

    def _finish(self, doings):
        """See what came of it, now that all is at rest."""
        self._world.settle()
        self._oracle.check_owners()
        self._world.read()
        for doing in doings:
            if _goes_on(doing):
                raise RuntimeError(f'{doing} yields twice')

    def _do_disturbed(self, disturbance, acts, draw):
        world = self._world
        world.disturbed = True
        try:
            with verbs.DISTURBANCES[disturbance](world, draw):
                doings = self._begin(acts, draw)
                with contextlib.suppress(Exception):
                    world.update()
            world.update()
            self._finish(doings)
            remedies.mend(world, draw)
        finally:
            world.disturbed = False


def _goes_on(doing):
    """Let a verb go on; tell whether there is more of it."""
    try:
        next(doing)
    except StopIteration:
        return False
    return True


def _in_random_order(draw):
    """Give the verbs, the likely ones first more often."""
    keys = {
        verb.name: draw.random() ** (1 / verb.weight)
        for verb in verbs.VERBS.values()
    }
    return sorted(
        verbs.VERBS.values(), key=lambda v: keys[v.name], reverse=True
    )


def _name(whom):
    return getattr(whom, 'name', whom or '')
