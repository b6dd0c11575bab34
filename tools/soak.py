"""Run the long forms of tests: ``make soak``, or ``make soak SOAK=load``.

A long form is a test module that does more of the same when its environment
says so; ``make test`` runs the same module without. To add one: a row of
`FORMS`. Each prints how long it took, and a failing one what failed.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Form:
    """One long form.

    :ivar tests: the test modules
    :ivar environment: what makes them long, unless it is set already
    """

    tests: tuple[str, ...]
    environment: Mapping[str, str]


FORMS = {
    'load': Form(
        ('tests.functional.test_load',),
        {'NOVA_GPUVIRT_ROUNDS': '30', 'NOVA_GPUVIRT_MASS': '500'},
    ),
}


def passes(form: Form) -> bool:
    """Run one, and tell whether its tests pass."""
    environment = {
        'OS_STDOUT_CAPTURE': '1',
        'OS_STDERR_CAPTURE': '1',
        'OS_TEST_TIMEOUT': '0',
        **form.environment,
        **os.environ,
    }
    done = subprocess.run(
        [sys.executable, '-m', 'testtools.run', *form.tests], env=environment
    )
    return done.returncode == 0


def main() -> int:
    """Run all, or those that are named; 1 when one fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('names', nargs='*', metavar='NAME')
    names = parser.parse_args().names
    unknown = {*names} - {*FORMS}
    if unknown:
        parser.error(f'no such long form: {", ".join(sorted(unknown))}')
    bad = 0
    for name in names or FORMS:
        begin = time.monotonic()
        is_good = passes(FORMS[name])
        bad += not is_good
        seconds = time.monotonic() - begin
        print(f'{seconds:8.0f} s  {"passed" if is_good else "FAILED"}  {name}')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
