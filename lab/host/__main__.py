"""``python -m lab.host``: the virtual GPU host."""

from __future__ import annotations

import argparse
import os
import sys

from lab import exception
from lab.host import build
from lab.host import cloud
from lab.host import machine
from lab.host import served
from lab.host import ssh
from lab.host import vm
from lab.host.vfio_user import cards

_NAMES = tuple(card.name for card in cards.CARDS)


def main() -> int | str:
    """Do what the command line says."""
    arguments = _parser().parse_args()
    try:
        return int(arguments.do(arguments) or 0)
    except exception.LabError as e:
        return f'{type(e).__name__}: {e}'


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser('python -m lab.host')
    commands = parser.add_subparsers(required=True, metavar='COMMAND')

    start = commands.add_parser('start', help='build and boot it')
    start.set_defaults(do=_start)
    start.add_argument(
        '--nova-conf',
        type=argparse.FileType(),
        metavar='FILE',
        help="what its nova-compute joins a cloud with (default: the clone's"
        ' own cloud, where it runs)',
    )
    stop = commands.add_parser('stop', help='end it')
    stop.set_defaults(do=lambda _: vm.stop())

    status = commands.add_parser('status', help='say whether it runs')
    status.set_defaults(do=_status)

    shell = commands.add_parser('ssh', help='run a command, or a shell, in it')
    shell.set_defaults(do=_ssh)
    shell.add_argument('words', nargs=argparse.REMAINDER, metavar='WORD')

    card = commands.add_parser(
        'card', help='let something befall a card, or be over'
    )
    card.set_defaults(do=_card)
    card.add_argument('name', choices=_NAMES)
    card.add_argument('state', type=served.State, choices=served.State)
    return parser


def _start(arguments: argparse.Namespace) -> None:
    if not vm.runs():
        build.build()
    vm.start()
    if arguments.nova_conf:
        vm.join(arguments.nova_conf.read())
    elif cloud.runs():
        vm.join(cloud.nova_conf())
        cloud.wait_for_gpus()


def _status(_: argparse.Namespace) -> int:
    print('It runs.' if vm.runs() else 'It does not run.')
    return 0 if vm.runs() else 1


def _ssh(arguments: argparse.Namespace) -> None:
    sys.stdout.flush()
    command = ssh.command(*arguments.words)
    os.execvp(command[0], command)


def _card(arguments: argparse.Namespace) -> None:
    served.put(arguments.name, arguments.state)
    where = machine.address_of(arguments.name)
    print(f'{arguments.name} ({where}) is {arguments.state}')


if __name__ == '__main__':
    sys.exit(main())
