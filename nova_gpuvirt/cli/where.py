"""Which host a command looks at: this one, a copy, or a simulated one."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import functools
import importlib
import logging
import os
import pathlib
import tempfile
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.capture import replay
from nova_gpuvirt.cards import allow_list
from nova_gpuvirt.host import bounded
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import files
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import described_libvirt
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.simulation import simulated as simulated_

LOG = logging.getLogger(__name__)

_HERE = pathlib.Path('/')
_LIBVIRT_SECONDS = 15.0


def add_arguments(
    parser: argparse.ArgumentParser,
) -> argparse._MutuallyExclusiveGroup:
    """Add where to look.

    :returns: the arguments of which one alone can be given
    """
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        '--root',
        default='/',
        metavar='FILE',
        help='a file of "nova-gpuvirt capture", or a folder that holds a '
        'host\'s "sys" (default: /, this host)',
    )
    where.add_argument(
        '--simulate',
        metavar='HOST',
        help='a simulated host, of those that "nova-gpuvirt simulate --list" '
        'lists',
    )
    add_accelerators(parser)
    return where


def add_accelerators(parser: argparse.ArgumentParser) -> None:
    """Add what is no GPU and is meant nevertheless."""
    parser.add_argument(
        '--accelerator',
        action='append',
        default=[],
        type=allow_list.parse,
        metavar='VENDOR:DEVICE',
        help='list this as [gpuvirt]accelerators offers it; may be repeated',
    )


def card(text: str) -> str:
    """Read which card is meant, as commands print it.

    :returns: how the card is called here
    :raises argparse.ArgumentTypeError: for anything else
    """
    try:
        return str(model.parse_card(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{text!r} is no card such as 0000:3b:00.0, 3b:00.0 or renderD128'
        ) from None


def folder(args: argparse.Namespace) -> files.Files | None:
    """Take the files of a host of which they are there, before it is found.

    :returns: None for a capture, and for a simulated host
    """
    if args.simulate is not None or not os.path.isdir(args.root):
        return None
    return files.OnDisk(args.root)


def find(args: argparse.Namespace, stack: ExitStack) -> machine.Machine:
    """Find the host that is meant, with the accelerators that are.

    :param stack: ends a simulated host
    :raises InvalidOption: when there is none
    :raises InvalidCapture: when the file is no capture
    """
    return dataclasses.replace(
        _find(args, stack), accelerators=frozenset(args.accelerator)
    )


def _find(args: argparse.Namespace, stack: ExitStack) -> machine.Machine:
    root = pathlib.Path(args.root)
    if args.simulate is not None:
        check_simulated('--simulate', args.simulate)
        start = functools.partial(hosts.simulated, args.simulate)
        return simulated(start, stack)
    if root.is_file():
        stack.enter_context(replay.sense(args.root))
        return replay.load(root)
    if not (root / 'sys').is_dir():
        raise exception.InvalidOption(
            '--root',
            wanted='a capture, or a folder that holds "sys"',
            found=repr(args.root),
            remedy='leave it out, to look at this machine',
        )
    if root == _HERE:
        return here(_libvirt())
    return machine.Machine(
        sysfs.Sysfs(root), pciids.PciIds((root, _HERE)), hypervisor.Absent()
    )


def connect() -> Any:
    """Connect to this host's libvirt, and return its `virConnect`.

    :raises Exception: where Python lacks its module, or libvirt's own
    """
    libvirt = importlib.import_module('libvirt')
    # Else it prints each error beside the one that is raised.
    libvirt.registerErrorHandler(_say_nothing, None)
    return libvirt.open('qemu:///system')


def check_simulated(option: str, name: str) -> None:
    """See that there is a simulated host of that name.

    :raises InvalidOption: when there is none
    """
    if name not in hosts.names():
        near = difflib.get_close_matches(name, hosts.names(), 3, 0.5)
        raise exception.InvalidOption(
            option,
            wanted='a simulated host',
            found=repr(name),
            remedy=(f'is it {" or ".join(near)}? ' if near else '')
            + 'see "nova-gpuvirt simulate --list" for all',
        )


def here(libvirt: hypervisor.Hypervisor) -> machine.Machine:
    """Take this host."""
    return machine.Machine(
        sysfs.Sysfs(_HERE, _rootly()),
        pciids.PciIds([_HERE]),
        libvirt,
        commands.of(_HERE),
    )


def _rootly() -> rootonly.Rootly | None:
    """Be root where this process is, which needs no daemon for it."""
    if os.geteuid() != 0:
        return None
    with warnings.catch_warnings(action='ignore'):  # of eventlet
        privileged = importlib.import_module('nova_gpuvirt.privileged')
    privileged.context.set_client_mode(False)
    rootly: rootonly.Rootly = privileged
    return rootly


def simulated(
    start: Callable[[pathlib.Path], simulated_.SimulatedHost],
    stack: ExitStack,
) -> machine.Machine:
    """Start a simulated host, in a folder of its own.

    :param stack: ends it
    """
    folder = tempfile.TemporaryDirectory(dir=simulated_.memory())
    root = pathlib.Path(stack.enter_context(folder))
    host = start(root)
    power = root_.Root(host)
    return machine.Machine(
        sysfs.Sysfs(root, power),
        pciids.PciIds((root, _HERE)),
        described_libvirt.DescribedLibvirt(host.description),
        power.run,
    )


def _libvirt() -> hypervisor.Hypervisor:
    """Find this host's libvirt; without one, what it can is assumed.

    To who may only read it does not tell what QEMU can: 11.3 refuses
    virConnectGetDomainCapabilities then.
    """
    try:
        connection = bounded.in_time(connect, _LIBVIRT_SECONDS)
    except Exception as error:
        LOG.debug('libvirt is not asked: %s', error)
        return hypervisor.Absent()
    return hypervisor.Hypervisor(lambda: connection)


def _say_nothing(context: object, error: object) -> None:
    pass
