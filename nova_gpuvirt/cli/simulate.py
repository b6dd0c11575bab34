"""nova-gpuvirt simulate."""

from __future__ import annotations

import argparse
import os
import pathlib

from cliff import command

from nova_gpuvirt import exception
from nova_gpuvirt.cli import where
from nova_gpuvirt.simulation import hosts


class Simulate(command.Command):
    """Write the sysfs of a simulated host into a folder, or list the hosts.

    The folder is what [gpuvirt]sysfs_root and "discover --root" take: a
    nova-compute reports such a host's GPUs, but no guest can boot with one.
    What the host's commands would tell (nvidia-smi) is not in a folder, but
    in the file of "nova-gpuvirt capture --simulate".
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add which host, and where."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--list',
            action='store_true',
            help='list the simulated hosts, with what each has',
        )
        parser.add_argument(
            'host',
            nargs='?',
            metavar='HOST',
            help='one of those that --list lists',
        )
        parser.add_argument(
            'folder',
            nargs='?',
            type=pathlib.Path,
            metavar='FOLDER',
            help='a folder without a "sys"; it is made if need be',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """List the hosts, or write one's files, and nothing over others."""
        if parsed_args.list:
            print(listed(), file=self.app.stdout)
            return
        if parsed_args.folder is None:
            raise exception.InvalidOption(
                'simulate',
                wanted='HOST and FOLDER',
                found=repr(parsed_args.host) if parsed_args.host else 'none',
                remedy='name both, or give --list to see the hosts',
            )
        where.check_simulated('HOST', parsed_args.host)
        _write(parsed_args.host, parsed_args.folder)


def listed() -> str:
    """List the simulated hosts, with what each has."""
    width = max(map(len, hosts.names()))
    return '\n'.join(
        f'{name:{width}}  {hosts.about(name)}' for name in hosts.names()
    )


def _write(name: str, folder: pathlib.Path) -> None:
    if os.path.lexists(folder / 'sys'):
        raise exception.InvalidOption(
            'FOLDER',
            wanted='a folder without a "sys"',
            found=repr(str(folder)),
            remedy='name another one, or remove this one first',
        )
    try:
        hosts.simulated(name, folder)
    except OSError as error:
        raise exception.InvalidOption(
            'FOLDER',
            wanted='a folder that can be made and written to',
            found=str(error),
            remedy='name another one',
        ) from error
