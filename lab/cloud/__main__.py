"""The command of the cloud: ``python -m lab.cloud``."""

from __future__ import annotations

import argparse
import pathlib
import sys
import time

from lab import exception
from lab.cloud import files
from lab.cloud import hosts
from lab.cloud import life
from lab.cloud import values
from lab.cloud.supervisor import Supervisor


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says; give back an exit status."""
    args = _parser().parse_args(argv)
    cloud = values.Cloud(folder=args.folder.resolve(), network=args.neutron)
    try:
        status = args.action(cloud, args)
    except exception.LabError as e:
        print(f'{type(e).__name__}: {e}', file=sys.stderr)
        return 1
    return int(status or 0)


def _start(cloud: values.Cloud, args: argparse.Namespace) -> None:
    begin = time.monotonic()
    life.start(cloud)
    print(f'The cloud is up, after {time.monotonic() - begin:.0f} s:')
    print(f'  . {cloud.folder}/openrc; openstack server list')
    print(f'  logs: {cloud.log}')


def _stop(cloud: values.Cloud, args: argparse.Namespace) -> None:
    life.stop(cloud)


def _wipe(cloud: values.Cloud, args: argparse.Namespace) -> None:
    life.wipe(cloud)


def _status(cloud: values.Cloud, args: argparse.Namespace) -> int:
    supervisor = Supervisor(cloud)
    if not supervisor.is_there():
        print('The cloud is stopped.')
        return 3
    states = supervisor.states()
    for state in states:
        print(f'{state.name:15}{state.state:10}{state.pid:8}  {state.log}')
    return 0 if all(state.runs for state in states) else 1


def _compute_conf(cloud: values.Cloud, args: argparse.Namespace) -> None:
    print(
        files.compute(
            cloud, host=args.host, state=args.state_path, path=args.path
        ),
        end='',
    )


def _wait_for_gpus(cloud: values.Cloud, args: argparse.Namespace) -> None:
    hosts.wait(args.host)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m lab.cloud', description=__doc__
    )
    parser.add_argument(
        '--folder',
        type=pathlib.Path,
        default=values.FOLDER,
        help='where its data are (default: .cloud in the clone)',
    )
    parser.add_argument(
        '--neutron',
        choices=('standin', 'real'),
        default='standin',
        help='what the network service is: a stand-in in which there is'
        ' nothing (the default), or a neutron-server',
    )
    actions = parser.add_subparsers(required=True, metavar='ACTION')
    for name, action, text in (
        ('start', _start, 'start what does not run yet'),
        ('stop', _stop, 'stop everything; the data stay'),
        ('status', _status, 'list the processes'),
        ('wipe', _wipe, 'stop everything and remove the data'),
    ):
        actions.add_parser(name, help=text).set_defaults(action=action)
    conf = actions.add_parser(
        'compute-conf',
        help='print the nova.conf of a nova-compute that is to join from'
        " elsewhere; it needs the cloud's ports at its own 127.0.0.1",
    )
    conf.set_defaults(action=_compute_conf)
    conf.add_argument('--host', required=True, help='the name of its service')
    conf.add_argument(
        '--state-path',
        type=pathlib.Path,
        default=pathlib.Path('/var/lib/nova'),
        help='its folder for instances and locks',
    )
    conf.add_argument(
        '--path',
        type=pathlib.Path,
        default=pathlib.Path('/etc/nova/nova.conf'),
        help='where the file will be',
    )
    gpus = actions.add_parser(
        'wait-for-gpus',
        help='wait until the GPUs of a host that has just joined are known',
    )
    gpus.set_defaults(action=_wait_for_gpus)
    gpus.add_argument('--host', required=True, help='the name of its service')
    return parser


if __name__ == '__main__':
    sys.exit(main())
