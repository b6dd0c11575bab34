"""nova-compute that can load ``gpuvirt.GpuLibvirtDriver``."""

from __future__ import annotations

import importlib
import sys
import types

from nova_gpuvirt import exception

_PROGRAM = 'nova-compute-gpuvirt'


def main() -> int:
    """Run nova-compute, and return an exit status where it does not run."""
    try:
        nova = _nova()
    except exception.InvalidOption as error:
        print(error, file=sys.stderr)
        return 1
    if '--version' in sys.argv[1:]:
        print(_versions())
        return 0
    importlib.import_module('nova_gpuvirt.novavirt').extend()
    nova.main()
    return 0


def _versions() -> str:
    ours = importlib.import_module('nova_gpuvirt.version').version()
    novas = importlib.import_module('nova.version').version_string()
    return f'nova-gpuvirt {ours} with Nova {novas}'


def _nova() -> types.ModuleType:
    """Import Nova's command, before anything else that may start a thread.

    It chooses between eventlet and threads.

    :raises InvalidOption: when there is no Nova
    """
    try:
        return importlib.import_module('nova.cmd.compute')
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition('.')[0] != 'nova':
            raise
        raise exception.InvalidOption(
            _PROGRAM,
            wanted='Nova in the environment of nova-gpuvirt',
            found=f'none that {sys.executable} can import ({error})',
            remedy="install nova-gpuvirt with the pip of nova-compute's "
            'environment, and start the program that is put there',
        ) from error
