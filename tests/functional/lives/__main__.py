"""Live for as long as it is told: ``make soak SOAK=lives MINUTES=60``.

Each life is one line of a file, by its seed; what is there is not lived
again. One that fails is told with its steps, and the way to repeat it.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import sys
import time

from tests.functional.lives import runs
from tests.functional.lives import shrinking
from tests.functional.lives import world

# Lives of one cloud: a new one takes a third of a life to make.
_KEPT_FOR = 10


def main():
    """Live, and return the exit status: 1 when a life ended too early."""
    arguments = _parser().parse_args()
    if arguments.repeat is not None:
        return _repeat(arguments)
    file = pathlib.Path(arguments.resume)
    done = _done(file)
    end = time.monotonic() + 60 * arguments.minutes
    results = []

    def ended(result):
        results.append(result)
        _write(file, result)

    for fleet, seeds in _batches(arguments.seed, done):
        if time.monotonic() >= end:
            break
        runs.lives(fleet, _until(end, seeds), arguments.steps, ended)
    _sum_up(file)
    return 1 if any(result.why for result in results) else 0


def _parser():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minutes', type=float, default=10)
    parser.add_argument('--seed', type=int, default=0, help='the first one')
    parser.add_argument('--steps', type=int, default=15, help='of each life')
    parser.add_argument(
        '--resume',
        default='.soak/lives.jsonl',
        metavar='FILE',
        help='of results',
    )
    parser.add_argument(
        '--repeat', type=int, metavar='SEED', help='live this one, and tell it'
    )
    parser.add_argument(
        '--without',
        type=lambda text: [int(n) for n in text.split(',')],
        default=[],
        metavar='N,N',
        help='steps that are left out of it',
    )
    parser.add_argument(
        '--log', metavar='FILE', help='write what the services log then'
    )
    parser.add_argument(
        '--shrink',
        action='store_true',
        help='leave steps out of it for as long as it fails',
    )
    return parser


def _repeat(arguments):
    seed, length = arguments.repeat, arguments.steps
    world.World.logs = arguments.log is not None
    if arguments.shrink:
        without = shrinking.shrink(seed, length, _say)
        _say(f'without {",".join(map(str, sorted(without)))}:')
    else:
        without = arguments.without
    result = runs.one(
        seed, length, without=without, tell=_say, log=arguments.log
    )
    _say(result.why or f'well, {result.seconds:.0f} s')
    return 1 if result.why else 0


def _batches(first, done):
    """Give the seeds that are to be lived, for one cloud each."""
    names = len(runs.fleet_names())
    while True:
        for offset in range(names):
            seeds = range(
                first + offset, first + names * _KEPT_FOR + offset, names
            )
            left = [seed for seed in seeds if seed not in done]
            if left:
                yield runs.fleet_of(seeds[0]), left
        first += names * _KEPT_FOR


def _until(end, seeds):
    for seed in seeds:
        if time.monotonic() >= end:
            return
        yield seed


def _done(file):
    return {result['seed'] for result in _read(file)}


def _read(file):
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]


def _write(file, result):
    file.parent.mkdir(exist_ok=True)
    with file.open('a') as opened:
        opened.write(json.dumps(dataclasses.asdict(result)) + '\n')
    if result.why is not None:
        _say(
            f'life {result.seed} in {result.fleet} failed; repeat it with\n'
            f'  python -m tests.functional.lives --repeat {result.seed}\n'
            f'{result.why}'
        )


def _sum_up(file):
    results = _read(file)
    steps = sum(r['steps'] for r in results)
    seconds = sum(r['seconds'] for r in results)
    failed = [r['seed'] for r in results if r['why']]
    _say(
        f'{len(results)} lives, {steps} steps, {seconds:.0f} s, '
        f'{len(failed)} failed: {failed}'
    )


def _say(what):
    print(what, file=sys.__stdout__, flush=True)


if __name__ == '__main__':
    status = main()
    sys.__stdout__.flush()
    # Threads of services that were stopped may not end by themselves.
    os._exit(status)
