"""Run the long forms of tests: ``make soak``, or ``make soak SOAK=load``.

A long form does more of what ``make test`` does: a test module whose
environment says so, or a program that goes on where it ended, for as many
minutes as it is told, each. To add one: a row of `FORMS`. Each prints how long
it took, and a failing one what failed.
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

    :ivar program: what is run, as arguments of Python
    :ivar environment: what makes it long, unless it is set already
    :ivar minutes: whether it is told how long to go on, with ``--minutes``
    """

    program: tuple[str, ...]
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    minutes: bool = True


FORMS = {
    'load': Form(
        ('-m', 'testtools.run', 'tests.functional.test_load'),
        {'NOVA_GPUVIRT_ROUNDS': '30', 'NOVA_GPUVIRT_MASS': '500'},
        minutes=False,
    ),
    'crashes': Form(('-m', 'tests.crashes')),
    'lives': Form(('-m', 'tests.functional.lives')),
}


def passes(form: Form, minutes: str) -> bool:
    """Run one, and tell whether nothing went wrong."""
    environment = {
        'OS_NOVA_DISABLE_EVENTLET_PATCHING': '1',
        'OS_STDOUT_CAPTURE': '1',
        'OS_STDERR_CAPTURE': '1',
        'OS_TEST_TIMEOUT': '0',
        **form.environment,
        **os.environ,
    }
    more = ('--minutes', minutes) if form.minutes and minutes else ()
    done = subprocess.run(
        [sys.executable, *form.program, *more], env=environment
    )
    return done.returncode == 0


def main() -> int:
    """Run all, or those that are named; 1 when one fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('names', nargs='*', metavar='NAME')
    parser.add_argument('--minutes', default='', metavar='N')
    args = parser.parse_args()
    names = args.names
    unknown = {*names} - {*FORMS}
    if unknown:
        parser.error(f'no such long form: {", ".join(sorted(unknown))}')
    bad = 0
    for name in names or FORMS:
        begin = time.monotonic()
        is_good = passes(FORMS[name], args.minutes)
        bad += not is_good
        seconds = time.monotonic() - begin
        print(f'{seconds:8.0f} s  {"passed" if is_good else "FAILED"}  {name}')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
