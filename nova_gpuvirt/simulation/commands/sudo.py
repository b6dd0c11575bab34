"""``sudo -l`` of a simulated host: what its rules let nova-compute's user run.

Words and numbers are as sudo 1.9.13 had them, asked by root.
"""

from __future__ import annotations

import fnmatch
import subprocess
from collections.abc import Callable
from collections.abc import Sequence

from nova_gpuvirt.simulation.drivers import pf_driver

NAME = 'sudo'
_FOLDER = '/usr/bin/'
_USER = 'nova'


class Sudo:
    """The command, with what the rules allow to the user nova.

    :param commands: globs of them, with their arguments
    :param tag: of these rules
    """

    def __init__(self, *commands: str, tag: str = 'NOPASSWD: ') -> None:
        self._commands = commands
        self._tag = tag

    def run(
        self,
        drivers: Callable[[str], pf_driver.Running | None],
        argv: Sequence[str],
        as_root: bool,
    ) -> str:
        """Answer one call.

        :param argv: ``-n -l -U USER``, and a command or none
        :raises subprocess.CalledProcessError: for one that is not allowed
        """
        match argv:
            case ['-n', '-l', '-U', user]:
                return self._list(user)
            case ['-n', '-l', '-U', user, program, *arguments]:
                found = _FOLDER + program.removeprefix(_FOLDER)
                asked = ' '.join((found, *arguments))
                if user == _USER and any(
                    fnmatch.fnmatchcase(asked, c) for c in self._commands
                ):
                    return f'{asked}\n'
                raise subprocess.CalledProcessError(1, (NAME, *argv))
        raise NotImplementedError(f'sudo {argv} is not simulated')

    def _list(self, user: str) -> str:
        if user != _USER or not self._commands:
            return f'User {user} is not allowed to run sudo on gpu-host-1.\n'
        rules = ''.join(f'    (root) {self._tag}{c}\n' for c in self._commands)
        return (
            f'User {user} may run the following commands on gpu-host-1:\n'
            f'{rules}'
        )
