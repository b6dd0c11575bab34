"""Feed one target, in a process of its own: ``python -m fuzz.one``.

With atheris, libFuzzer makes the inputs: it keeps those that reach a branch
which none before has reached, and goes on from them. Without it hypothesis
makes them, and knows nothing of branches.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import pathlib
import sys
from typing import Any

# Long enough for an output of many lines, and short enough to be read often.
_LONGEST = 4096
# Seconds, and MiB: a parser that takes more has no bound.
_SECONDS = 10
_MEMORY = 2048


def main() -> None:
    """Feed a target."""
    parser = argparse.ArgumentParser(prog='python -m fuzz.one')
    parser.add_argument('name')
    parser.add_argument('--engine', choices=('atheris', 'hypothesis'))
    parser.add_argument('--runs', type=int)
    parser.add_argument('--seconds', type=int)
    parser.add_argument('--seed', type=int)
    parser.add_argument('--folder', type=pathlib.Path)
    args = parser.parse_args()
    # What is nonsense is logged, a million times.
    logging.disable(logging.CRITICAL)
    if args.engine == 'atheris':
        _guided(args)
    else:
        _random(args)


def _guided(args: argparse.Namespace) -> None:
    import atheris

    with atheris.instrument_imports(include=['nova_gpuvirt', 'yaml']):
        from fuzz import targets
    target = targets.named(args.name)
    corpus = args.folder / 'corpus' / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        name = hashlib.sha1(seed, usedforsecurity=False).hexdigest()
        (corpus / name).write_bytes(seed)
    atheris.Setup(
        [
            sys.argv[0],
            f'-runs={args.runs}',
            f'-max_total_time={args.seconds}',
            f'-seed={args.seed}',
            f'-max_len={_LONGEST}',
            f'-timeout={_SECONDS}',
            f'-rss_limit_mb={_MEMORY}',
            f'-artifact_prefix={args.folder}/{target.name}-',
            '-print_final_stats=1',
            str(corpus),
        ],
        target.feed,
    )
    atheris.Fuzz()


def _random(args: argparse.Namespace) -> None:
    import hypothesis

    from fuzz import mutation
    from fuzz import targets

    target = targets.named(args.name)

    @hypothesis.seed(args.seed)
    @hypothesis.settings(
        max_examples=args.runs,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(mutation.inputs(target))
    def feed(data: bytes) -> None:
        target.feed(data)

    feed_all: Any = feed
    feed_all()
    print(f'stat::number_of_executed_units: {args.runs}')


if __name__ == '__main__':
    main()
