"""nova-gpuvirt simulate."""

from __future__ import annotations

import argparse
import os
import pathlib

from cliff import command

from nova_gpuvirt import exception
from nova_gpuvirt.simulation import hosts


class Simulate(command.Command):
    """Write the sysfs of a simulated host into a folder.

    The folder is what [gpuvirt]sysfs_root and "discover --root" take: a
    nova-compute reports such a host's GPUs, but no guest can boot with one.
    What the host's commands would tell (nvidia-smi) is not in a folder.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add which host, and where."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'host',
            choices=hosts.names(),
            metavar='HOST',
            help=f'one of {", ".join(hosts.names())}',
        )
        parser.add_argument(
            'folder',
            type=pathlib.Path,
            metavar='FOLDER',
            help='a folder without a "sys"; it is made if need be',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write the host's files, and nothing over others."""
        folder = parsed_args.folder
        if os.path.lexists(folder / 'sys'):
            raise exception.InvalidOption(
                'FOLDER',
                wanted='a folder without a "sys"',
                found=repr(str(folder)),
                remedy='name another one, or remove this one first',
            )
        hosts.simulated(parsed_args.host, folder)
