"""Change each line of the pure modules, and count what no test notices.

``make mutation``, or ``make mutation MODULE=cards/exclusion``. Each module of
`MODULES` is changed in one place after the other by cosmic-ray, in a copy of
the tree, and the tests beside it are run: they have to fail. What they do not
notice is printed, with the score: the share of the changes that some test
notices. It takes from one to some twenty minutes a module.

Left out is what can't be noticed: with the annotations as texts, ``|`` in a
type; and a decorator that is taken away, which makes no sense in most places.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = ROOT / '.venv-mutation' / 'bin'
# The pure modules, and the unit tests of each.
MODULES = {
    'cards/exclusion': ('cards.test_exclusion',),
    'cards/size_rules': ('cards.test_size_rules',),
    'cards/one_guest': ('cards.test_one_guest',),
    'health/hysteresis': ('health.test_hysteresis',),
    'model/claim': ('model.test_model',),
    'numa/fit': ('numa.test_fit',),
    'numa/seating': ('numa.test_seating',),
    'placement/inventory': ('placement.test_providers',),
    'scheduler/rules': ('scheduler.test_rules',),
    'scheduler/candidate_order': ('scheduler.test_filters',),
}
# Seconds for one run of a module's tests; a change may make them hang.
_SECONDS = 60
_COPIED = ('nova_gpuvirt', 'tests', 'lab', 'tools', 'benchmarks')
_CONFIG = """
[cosmic-ray]
module-path = "nova_gpuvirt/{module}.py"
timeout = {seconds}
excluded-modules = []
test-command = "{python} -m unittest --failfast {tests}"

[cosmic-ray.distributor]
name = "local"

[cosmic-ray.filters.operators-filter]
exclude-operators = [
  "core/ReplaceBinaryOperator_BitOr_.*",
  "core/RemoveDecorator",
]
"""


def _run(copy: pathlib.Path, name: str, *args: str) -> str:
    done = subprocess.run(
        [TOOLS / name, *args],
        cwd=copy,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f'{name} {" ".join(args)}: {done.stdout}')
    return done.stdout


def mutate(module: str, folder: pathlib.Path) -> str:
    """Change one module in a copy, and return cosmic-ray's report."""
    copy = folder / 'copy'
    for name in _COPIED:
        shutil.copytree(ROOT / name, copy / name)
    tests = ' '.join(f'tests.unit.{test}' for test in MODULES[module])
    (copy / 'config.toml').write_text(
        _CONFIG.format(
            module=module,
            seconds=_SECONDS,
            python=sys.executable,
            tests=tests,
        )
    )
    _run(copy, 'cosmic-ray', 'baseline', 'config.toml')
    _run(copy, 'cosmic-ray', 'init', 'config.toml', 'session.sqlite')
    _run(copy, 'cr-filter-operators', 'session.sqlite', 'config.toml')
    _run(copy, 'cosmic-ray', 'exec', 'config.toml', 'session.sqlite')
    return _run(
        copy,
        'cr-report',
        '--show-diff',
        '--surviving-only',
        'session.sqlite',
    )


def main() -> int:
    """Change those that are asked for, and print what survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'module', nargs='?', default='', help='a pattern of their names'
    )
    wanted = re.compile(parser.parse_args().module)
    for module in filter(wanted.search, MODULES):
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            report = mutate(module, pathlib.Path(folder))
        seconds = time.monotonic() - begin
        print(f'{module}: {seconds:.0f} s\n{report}', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
