"""What is away for a while: services, hosts, cards. Context managers all."""

import contextlib

import fixtures
from keystoneauth1 import exceptions as keystone_exceptions
from nova import exception as nova_exception
from oslo_db import exception as db_exception

from tests.functional.lives import world as world_

_CLIENT = 'nova.scheduler.client.report.SchedulerReportClient'


@contextlib.contextmanager
def of_placement():
    """Let nobody listen at Placement."""

    def refuse(*args, **kwargs):
        raise keystone_exceptions.ConnectFailure('nobody listens')

    with contextlib.ExitStack() as stack:
        for method in ('get', 'post', 'put', 'delete'):
            stack.enter_context(
                fixtures.MonkeyPatch(f'{_CLIENT}.{method}', refuse)
            )
        yield


@contextlib.contextmanager
def of_the_database():
    """Let the database of the cell refuse connections."""

    def refuse(context):
        raise db_exception.DBConnectionError('nobody listens')

    with fixtures.MonkeyPatch('nova.db.main.api.get_context_manager', refuse):
        yield


@contextlib.contextmanager
def of_libvirtd(world, host):
    """Let libvirtd of a host not answer; its guests run on.

    Nova's own `Host.get_connection` says it so.
    """

    def refuse():
        raise nova_exception.HypervisorUnavailable(host=host)

    libvirt = world.computes[host].driver._host
    with fixtures.MockPatchObject(libvirt, 'get_connection', refuse):
        yield


@contextlib.contextmanager
def of_a_card(world, host, card):
    """Pull a card out of a host, and plug it in again.

    Whose guest had something of it is started anew, as its owner would.
    """
    had = [s for s in world.servers if _has(world, s, host, card)]
    world.simulated[host].unplug(card)
    world.update()
    yield
    world.simulated[host].plug(card)
    for _ in range(world.well_after + 1):
        world.update()
    for server in had:
        if server.status == world_.ACTIVE:
            world.act(server, 'reboot', {'type': 'HARD'})
        elif server.status == world_.RESCUE:
            world.act(server, 'unrescue')
    world.settle()


def _has(world, server, host, card):
    if server.host != host:
        return False
    names = world.gpu_allocations({'id': server.id})
    return any(name.endswith(card) for name in names)


@contextlib.contextmanager
def of_nova_compute(world, host, *, dies):
    """Let nova-compute of a host be down, as an operator has said.

    :param dies: whether its host loses power, with its guests
    """
    service = next(
        s
        for s in world.api.get_services()
        if (s['host'], s['binary']) == (host, 'nova-compute')
    )
    connection = world.computes[host].driver._host.get_connection()
    world.computes[host].stop()
    world.asleep.add(host)
    if dies:
        for domain in list(connection._vms.values()):
            domain.destroy()
        world.simulated[host].reboot()
        world.rebooted.add(host)
    world.api.put_service_force_down(service['id'], True)
    try:
        yield
    finally:
        world.asleep.discard(host)
        world.restart_compute_service(host)
        # Nova refuses it before that, for what was evacuated.
        world.api.put_service_force_down(service['id'], False)
