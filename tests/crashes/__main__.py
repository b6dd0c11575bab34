"""Kill nova-compute at each step of everything: the whole matrix.

usage: python -m tests.crashes [--only REGEX] [--minutes N] [--results FILE]
       python -m tests.crashes --list [--only REGEX]
       python -m tests.crashes --repeat CELL

REGEX chooses by "kind|operation". A line of JSON for each kill is appended to
FILE, and what stands there is not done again: so it goes on where it ended. A
CELL is as such a line has it, or as --list prints it. Ends with 1 when
anything went wrong.
"""

import argparse
import json
import pathlib
import sys
import time
import unittest

import nova.tests.functional  # noqa: F401 (it chooses threads, and is first)

from tests.crashes import block
from tests.crashes import kinds
from tests.crashes import matrix
from tests.crashes import operations


def main(argv):
    """Do it, and tell the exit status."""
    parser = argparse.ArgumentParser(prog='python -m tests.crashes')
    parser.add_argument('--only', default='', metavar='REGEX')
    parser.add_argument('--minutes', type=float, default=float('inf'))
    parser.add_argument('--repeat', type=matrix.Cell.parse, metavar='CELL')
    parser.add_argument('--list', action='store_true')
    parser.add_argument(
        '--results', type=pathlib.Path, default='.soak/crashes.jsonl'
    )
    args = parser.parse_args(argv)
    if args.repeat:
        return _run(_Repeat(args.repeat))
    if args.list:
        return max(_run(_List(*names)) for names in matrix.blocks(args.only))
    args.results.parent.mkdir(exist_ok=True)
    args.results.touch()
    lines = args.results.read_text().splitlines()
    known = {json.loads(line)['cell'] for line in lines}
    until = time.monotonic() + 60 * args.minutes
    status = 0
    with args.results.open('a', buffering=1) as results:

        def report(line):
            results.write(f'{line}\n')
            print(line, flush=True)

        for names in matrix.blocks(args.only):
            before = None
            # After what went wrong the rest begins in a new cloud.
            while before != len(known) and time.monotonic() < until:
                before = len(known)
                todo = block.Block(*names, known, report, until)
                if not _run(todo):
                    break
                status = 1
    return status


class _Repeat(block.Block):
    def __init__(self, cell):
        super().__init__(cell.kind, cell.operation, set(), print, 0)
        self._cell = cell

    def steps(self):
        """Do what is repeated, and nothing else."""
        print(self.kill(self._cell.step, self._cell.moment))
        return ()


class _List(block.Block):
    def __init__(self, kind, operation):
        super().__init__(kind, operation, set(), print, 0)

    def go(self):
        """Do the operation undisturbed, and print where it can be killed."""
        kind, operation = self._names
        self.begin(kinds.KINDS[kind], operations.OPERATIONS[operation])
        for cell in matrix.cells(kind, operation, self.steps()):
            print(cell, flush=True)


def _run(test):
    """Run a test, and tell the exit status."""
    type(test).setUpClass()
    suite = unittest.TestSuite([test])
    result = unittest.TextTestRunner(stream=sys.stderr).run(suite)
    return 0 if result.wasSuccessful() else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
