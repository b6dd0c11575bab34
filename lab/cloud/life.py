"""Start the cloud, and stop it."""

from __future__ import annotations

import functools
import os
import shutil
import socket
from collections.abc import Callable

import libvirt

from lab import exception
from lab import ports
from lab.cloud import api
from lab.cloud import catalog
from lab.cloud import databases
from lab.cloud import files
from lab.cloud import images
from lab.cloud import libvirtd
from lab.cloud import readiness
from lab.cloud import values
from lab.cloud.supervisor import Supervisor
from lab.steps import step

_APIS = ('keystone', 'placement', 'glance', 'neutron', 'nova-api')
_AGENTS = ('nova-conductor', 'nova-scheduler', 'nova-compute')


def start(cloud: values.Cloud) -> None:
    """Start what does not run yet, and make what is not made yet.

    :raises LabError: when something does not come up
    """
    check(cloud)
    supervisor = Supervisor(cloud)
    if not supervisor.is_there():
        _check_ports()
        files.write(cloud)
        with step('supervisord'):
            supervisor.begin()
    elif not files.is_current(cloud):
        raise exception.OtherSettings(
            f'the cloud in {cloud.folder} runs with other settings than'
            f' network={cloud.network} of this clone: `make cloud-stop` first'
        )

    if not databases.are_installed(cloud):
        with step('database server'):
            databases.install(cloud)
    supervisor.start('mariadb', 'epmd', 'libvirtd')
    _wait(cloud, supervisor, 'mariadb', 'epmd', 'libvirtd')
    supervisor.start('rabbitmq')
    fresh = not databases.are_synced(cloud)
    if fresh:
        with step('databases'):
            databases.sync(cloud)

    supervisor.start(*_APIS)
    _wait(cloud, supervisor, 'rabbitmq', *_APIS)
    if fresh:
        with step('users and catalog'):
            catalog.fill()
        databases.remember(cloud)
    if cloud.network == 'real':
        # Neutron 29 can't list ports until it has read anything else, since
        # its model of a port is not complete before.
        list(api.connect().network.networks())
    # Without Keystone and Placement these end, and without nova-conductor
    # nova-compute waits for long.
    supervisor.start('nova-conductor', 'nova-scheduler')
    with step('test image and flavors'):
        images.build(cloud)
        images.register(cloud)
    _wait(cloud, supervisor, 'nova-conductor', 'nova-scheduler')
    supervisor.start('nova-compute')
    _wait(cloud, supervisor, 'nova-compute')


def stop(cloud: values.Cloud) -> None:
    """Stop the guests, all processes and the supervisor."""
    supervisor = Supervisor(cloud)
    if supervisor.is_there():
        with step('stop the services'):
            supervisor.stop(*_APIS, *_AGENTS)
        with step('stop the guests'):
            if supervisor.state('libvirtd').runs:
                _power_off(cloud)
        with step('stop what they stood on'):
            supervisor.end()
    libvirtd.tidy(cloud)


def wipe(cloud: values.Cloud) -> None:
    """Stop the cloud and remove its data folder."""
    stop(cloud)
    if files.supervisor(cloud).exists():
        with step(f'remove {cloud.folder}'):
            shutil.rmtree(cloud.folder)


def check(cloud: values.Cloud) -> None:
    """Refuse what can't work.

    :raises Unsuited: and why
    """
    if os.geteuid() != 0:
        raise exception.Unsuited(
            'the cloud needs root, for libvirt and QEMU: run it as root'
        )
    if not cloud.fits():
        raise exception.Unsuited(
            f'{cloud.folder}: too long for the sockets in it;'
            ' name a shorter folder with --folder'
        )


def _check_ports() -> None:
    for name, port in values.PORTS.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((values.ADDRESS, port))
            except OSError as e:
                raise exception.PortTaken(
                    f'{values.ADDRESS}:{port}, for {name}: wanted it free,'
                    f' found it with {ports.holder(port)} ({e.strerror}).'
                    ' Stop that process first, or with `make cloud-stop`'
                    ' there the cloud of another clone'
                ) from e


def _wait(cloud: values.Cloud, supervisor: Supervisor, *names: str) -> None:
    for name in names:
        with step(name):
            supervisor.wait(name, _ready(cloud, name))


def _ready(cloud: values.Cloud, name: str) -> Callable[[], bool]:
    """Say how to tell if a process is ready."""
    match name:
        case 'mariadb':
            return functools.partial(
                readiness.unix_socket, cloud.mariadb_socket
            )
        case 'libvirtd':
            return functools.partial(
                readiness.unix_socket, cloud.libvirt_socket
            )
        case 'epmd' | 'rabbitmq':
            return functools.partial(readiness.port, values.PORTS[name])
        case 'nova-conductor' | 'nova-scheduler':
            return functools.partial(readiness.service, name)
        case 'nova-compute':
            return functools.partial(readiness.compute, values.HOST)
        case _:
            return functools.partial(readiness.http, values.PORTS[name])


def _power_off(cloud: values.Cloud) -> None:
    connection = libvirt.open(cloud.libvirt_uri)
    for domain in connection.listAllDomains():
        if domain.isActive():
            domain.destroy()
    connection.close()
