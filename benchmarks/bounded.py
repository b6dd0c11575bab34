"""Run what may never end, or take all memory there is."""

from __future__ import annotations

import dataclasses
import multiprocessing
import resource
import time
from collections.abc import Callable
from multiprocessing import connection


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it.

    :ivar seconds: how long it took, or had taken when it was given up
    :ivar result: None if it was given up
    :ivar failure: why it was given up, None if it ended
    """

    seconds: float
    result: int | None = None
    failure: str | None = None


def run(function: Callable[[], int], deadline: float, memory: int) -> Outcome:
    """Run a function in a copy of this process.

    :param deadline: seconds
    :param memory: bytes that the copy may have, this process's own included
    """
    # Forked, so that it has what was set up here.
    context = multiprocessing.get_context('fork')
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(function, memory, theirs))
    begin = time.perf_counter()
    process.start()
    theirs.close()
    try:
        if not ours.poll(deadline):
            return Outcome(deadline, failure=f'no end within {deadline:g} s')
        outcome: Outcome = ours.recv()
        return outcome
    except EOFError:
        process.join()
        return Outcome(
            time.perf_counter() - begin,
            failure=f'ended with status {process.exitcode}',
        )
    finally:
        process.kill()
        process.join()
        ours.close()


def _child(
    function: Callable[[], int], memory: int, pipe: connection.Connection
) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    begin = time.perf_counter()
    result = failure = None
    try:
        result = function()
    except (MemoryError, RuntimeError) as error:
        failure = f'failed with {memory >> 30} GiB of memory: {error!r:.100}'
    pipe.send(Outcome(time.perf_counter() - begin, result, failure))
