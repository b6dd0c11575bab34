"""Run all benchmarks, or those that are named: ``make bench``.

Each runs in a process of its own: what Nova's harness leaves behind of one
is not in the way of the next.
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys

import benchmarks
from benchmarks import plots
from benchmarks import table


def main() -> int:
    """Run them and return 0 if all targets are met, 1 if not."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks', description=__doc__
    )
    parser.add_argument(
        'names',
        nargs='*',
        metavar='NAME',
        help=f'one of {", ".join(benchmarks.NAMES)}',
    )
    parser.add_argument(
        '--plots',
        type=pathlib.Path,
        default=pathlib.Path('.bench'),
        metavar='FOLDER',
        help='where the plots go (default: %(default)s)',
    )
    args = parser.parse_args()
    unknown = set(args.names) - set(benchmarks.NAMES)
    if unknown:
        parser.error(f'no such benchmark: {", ".join(sorted(unknown))}')
    args.plots.mkdir(parents=True, exist_ok=True)
    met = [_run(n, args.plots) for n in args.names or benchmarks.NAMES]
    return 0 if all(met) else 1


def _run(name: str, folder: pathlib.Path) -> bool:
    """Run one, show what it found, and tell whether its targets are met."""
    done = subprocess.run(
        [sys.executable, '-m', f'benchmarks.{name}', '--json'],
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        print(f'{name} failed: exit status {done.returncode}\n', flush=True)
        return False
    found = table.Table.from_json(done.stdout)
    print(found)
    for plot in found.plots:
        print(plots.draw(plot, folder))
    print(flush=True)
    return all(row.met is not False for row in found.rows)


if __name__ == '__main__':
    sys.exit(main())
