"""The command line of one benchmark."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from collections.abc import Iterator

from benchmarks import table


def main(
    run: Callable[[argparse.Namespace], table.Table],
    about: str | None,
    add_arguments: Callable[[argparse.ArgumentParser], object] | None = None,
) -> None:
    """Run a benchmark and print its table."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        '--json', action='store_true', help='print the figures for programs'
    )
    if add_arguments is not None:
        add_arguments(parser)
    args = parser.parse_args()
    with _output_is_ours():
        found = run(args)
    print(found.to_json() if args.json else found)


@contextlib.contextmanager
def _output_is_ours() -> Iterator[None]:
    """Send to stderr what Nova, its harness or a child prints meanwhile."""
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(ours, 1)
        os.close(ours)
