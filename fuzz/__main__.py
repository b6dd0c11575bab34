"""Feed the targets, one after the other: ``make fuzz``.

Each has a process of its own. What broke one is kept as a file, which
``python -m fuzz --replay FILE TARGET`` feeds again.
"""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
import re
import subprocess
import sys
import time

from fuzz import targets

_RATE = re.compile(r'stat::number_of_executed_units: +(\d+)')


def main() -> int:
    """Feed them, and return 1 if one was broken."""
    parser = argparse.ArgumentParser(
        prog='python -m fuzz', description=__doc__
    )
    parser.add_argument(
        'pattern', nargs='?', default='.*', help='of the names of targets'
    )
    parser.add_argument(
        '--runs', type=int, default=1_000_000, help='inputs for each target'
    )
    parser.add_argument(
        '--seconds',
        type=int,
        default=0,
        help='at most so many for each target (default: without end)',
    )
    parser.add_argument('--seed', type=int, default=1, help='repeats a run')
    parser.add_argument(
        '--folder',
        type=pathlib.Path,
        default=pathlib.Path('.fuzz'),
        help='where inputs are kept (default: %(default)s)',
    )
    parser.add_argument(
        '--replay', type=pathlib.Path, help='feed this file alone'
    )
    args = parser.parse_args()
    chosen = [t for t in targets.ALL if re.search(args.pattern, t.name)]
    if not chosen:
        parser.error(f'no target is called {args.pattern}')
    if args.replay:
        for target in chosen:
            target.feed(args.replay.read_bytes())
        return 0
    engine = 'hypothesis'
    if importlib.util.find_spec('atheris'):
        engine = 'atheris'
    else:
        print('atheris is not installed: hypothesis makes the inputs')
    args.folder.mkdir(parents=True, exist_ok=True)
    return 1 if [t for t in chosen if not _fed(t.name, engine, args)] else 0


def _fed(name: str, engine: str, args: argparse.Namespace) -> bool:
    """Feed one, say what came of it, and tell whether it holds."""
    start = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'fuzz.one', name, '--engine', engine),
            *('--runs', str(args.runs), '--seconds', str(args.seconds)),
            *('--seed', str(args.seed), '--folder', str(args.folder)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
    )
    took = time.monotonic() - start
    found = _RATE.search(done.stdout)
    runs = int(found[1]) if found else 0
    print(
        f'{name:24}{runs:>10} inputs {took:>8.1f} s  '
        f'{"holds" if done.returncode == 0 else "is broken"}',
        flush=True,
    )
    if done.returncode:
        print(done.stdout[-4000:], flush=True)
    return done.returncode == 0


if __name__ == '__main__':
    sys.exit(main())
