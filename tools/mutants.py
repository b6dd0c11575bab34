"""Take each guard out, one at a time, and see a test fail that names it.

A guard is a line or two that keep something bad from happening. Those of
``tests/guards.toml`` are listed with what each prevents, and with the tests
that notice when it is gone. For each the package is copied, the guard's text
replaced there by the one without it, and its tests are run on the copy: they
have to fail. They have to pass on the code as it is, which is tried first.

Ends with 1 when a guard was not missed, when its text is not found once, or
when its tests fail with it. GUARD, a pattern, chooses some by what they
prevent.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = ROOT / 'tests' / 'guards.toml'
# What a test run may take, in seconds; without a guard it may hang, so then it
# may take so many times as long as with it, and a little more.
_SECONDS = 300.0
_TIMES = 3
_MORE = 20.0
_COPIED = ('nova_gpuvirt', 'tests', 'lab', 'tools', 'benchmarks', 'fuzz')


@dataclasses.dataclass(frozen=True)
class Guard:
    """A guard, as the list has it.

    :ivar prevents: what would be, without it
    :ivar file: where it stands, relative to the project's root
    :ivar code: the text of it, which stands there once
    :ivar without: the text that stands there without it
    :ivar tests: the modules or tests of which one has to fail then
    """

    prevents: str
    file: str
    code: str
    without: str
    tests: tuple[str, ...]

    def count(self, root: pathlib.Path) -> int:
        """Count how often its text stands in its file."""
        return (root / self.file).read_text().count(self.code)

    def take_out(self, root: pathlib.Path) -> None:
        """Replace its text in a copy."""
        path = root / self.file
        path.write_text(path.read_text().replace(self.code, self.without))


def read(path: pathlib.Path = LIST) -> list[Guard]:
    """Read the list."""
    found = tomllib.loads(path.read_text())['guard']
    return [Guard(**{**one, 'tests': tuple(one['tests'])}) for one in found]


def passes(
    root: pathlib.Path, tests: tuple[str, ...], seconds: float = _SECONDS
) -> bool:
    """Run tests on a copy, and tell whether all pass in time."""
    environment = {
        **os.environ,
        'PYTHONPATH': str(root),
        'PYTHONDONTWRITEBYTECODE': '1',
        'OS_NOVA_DISABLE_EVENTLET_PATCHING': '1',
    }
    run = subprocess.Popen(
        [sys.executable, '-m', 'testtools.run', *tests],
        cwd=root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return run.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        run.kill()
        run.wait()
        return False


def judge(
    guard: Guard, folder: pathlib.Path, known: dict[tuple[str, ...], float]
) -> str:
    """Take one guard out, and say how that ended: '' if it was missed.

    :param known: how long tests take that pass on the code as it is
    """
    if guard.count(ROOT) != 1:
        return f'its text stands {guard.count(ROOT)} times in {guard.file}'
    copy = folder / 'copy'
    for name in _COPIED:
        shutil.copytree(ROOT / name, copy / name)
    if guard.tests not in known:
        begin = time.monotonic()
        if not passes(copy, guard.tests):
            return 'its tests fail with it'
        known[guard.tests] = time.monotonic() - begin
    guard.take_out(copy)
    if passes(copy, guard.tests, _TIMES * known[guard.tests] + _MORE):
        return 'NOT MISSED: its tests pass without it'
    return ''


def main() -> int:
    """Try all that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'guard', nargs='?', default='', help='a pattern of what is prevented'
    )
    wanted = re.compile(parser.parse_args().guard)
    bad = 0
    known: dict[tuple[str, ...], float] = {}
    for guard in read():
        if not wanted.search(guard.prevents):
            continue
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            why = judge(guard, pathlib.Path(folder), known)
        bad += bool(why)
        seconds = time.monotonic() - begin
        print(f'{seconds:6.1f} s  {why or "missed":8}  {guard.prevents}')
    print(f'{bad} not missed' if bad else 'each guard was missed')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
