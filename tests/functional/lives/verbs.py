"""All that may happen in a life. A new verb is one function here.

A verb of servers is a generator: it is given the world, a server that
`possible` has chosen, and what it may draw from; it asks Nova's API, says
with `expect` what may become of the server, and may ``yield`` once: it goes
on when all is at rest. A verb of hosts is given a host's name likewise.
"""

import contextlib
import dataclasses
from collections.abc import Callable

from tests.functional import base
from tests.functional.lives import outages
from tests.functional.lives import world as world_

ACTIVE, SHUTOFF = world_.ACTIVE, world_.SHUTOFF
ERROR, RESCUE = world_.ERROR, world_.RESCUE
RESIZED, SHELVED = world_.RESIZED, world_.SHELVED
SOFT_DELETED = world_.DELETED


@dataclasses.dataclass(frozen=True)
class Verb:
    """Something that may happen.

    :param weight: how often it is drawn, beside the others
    :param possible: lists what it can be done to now: servers, or hosts
    :param do: does it
    :param alone: whether nothing else may happen meanwhile
    """

    name: str
    weight: float
    possible: Callable
    do: Callable
    alone: bool = False


VERBS = {}
"""All verbs, by name."""


def verb(weight, possible, *, alone=False):
    """Make a function a verb, by its name."""

    def register(do):
        name = do.__name__
        VERBS[name] = Verb(name, weight, possible, do, alone)
        return do

    return register


def servers(*statuses):
    """Choose servers of these statuses, on a host that answers."""
    return lambda world: [
        s
        for s in world.servers
        if s.status in statuses and s.host not in world.asleep
    ]


def _room(world):
    return [None] if len(world.servers) < world_.MOST_SERVERS else []


# A server comes, and goes


@verb(9, _room)
def boot(world, _, draw):
    spec = draw.choice(world.specs)
    fits = world.has_room(spec)
    for server in world.build(spec, draw):
        if fits:
            server.expect(ACTIVE, moving=True)
        else:
            server.expect(ACTIVE, ERROR, moving=True)
    yield


@verb(2, _room)
def multi_create(world, _, draw):
    spec, count = draw.choice(world.specs), draw.randint(2, 3)
    for server in world.build(spec, draw, count):
        server.expect(ACTIVE, ERROR, moving=True)
    yield


@verb(
    5,
    servers(*(ACTIVE, SHUTOFF, ERROR, RESCUE, RESIZED, SHELVED, SOFT_DELETED)),
)
def delete(world, server, draw):
    server.expect('DELETED')
    world.act(server, 'forceDelete')
    yield


@verb(2, servers(ACTIVE, SHUTOFF, RESCUE))
def soft_delete(world, server, draw):
    server.expect(SOFT_DELETED)
    world.ask(lambda: world.api.delete_server(server.id), server)
    yield


@verb(4, servers(SOFT_DELETED))
def restore(world, server, draw):
    server.expect(ACTIVE)
    world.act(server, 'restore')
    yield


# It is started, stopped, made anew


@verb(3, servers(ACTIVE, SHUTOFF, ERROR))
def hard_reboot(world, server, draw):
    if server.status == ERROR:
        # One that was never built stays as it is.
        server.expect(ACTIVE, ERROR)
        if server.host is None:
            return
    else:
        server.expect(ACTIVE)
    world.act(server, 'reboot', {'type': 'HARD'})
    yield


@verb(2, servers(ACTIVE))
def soft_reboot(world, server, draw):
    server.expect(ACTIVE)
    world.act(server, 'reboot', {'type': 'SOFT'})
    yield


@verb(3, servers(ACTIVE))
def stop(world, server, draw):
    server.expect(SHUTOFF)
    world.act(server, 'os-stop')
    yield


@verb(4, servers(SHUTOFF))
def start(world, server, draw):
    server.expect(ACTIVE)
    world.act(server, 'os-start')
    yield


@verb(2, servers(ACTIVE, SHUTOFF))
def rebuild(world, server, draw):
    server.expect(server.status)
    world.act(server, 'rebuild', {'imageRef': base.IMAGE})
    yield


@verb(2, servers(ACTIVE, SHUTOFF))
def rescue(world, server, draw):
    server.expect(RESCUE)
    world.act(server, 'rescue', {})
    yield


@verb(4, servers(RESCUE))
def unrescue(world, server, draw):
    server.expect(ACTIVE)
    world.act(server, 'unrescue')
    yield


@verb(1, servers(ACTIVE, SHUTOFF))
def snapshot(world, server, draw):
    server.expect(server.status)
    world.act(server, 'createImage', {'name': f'of-{server.name}'})
    yield


@verb(3, servers(ACTIVE, SHUTOFF))
def shelve(world, server, draw):
    server.expect(SHELVED, moving=True)
    world.act(server, 'shelve')
    yield


@verb(5, servers(SHELVED))
def unshelve(world, server, draw):
    # Without a place for it, it stays shelved.
    server.expect(ACTIVE, SHELVED, moving=True)
    world.act(server, 'unshelve')
    yield


# It moves


def _resizing(world, server, action, arguments):
    server.was = server.status
    server.expect(RESIZED, server.status, moving=True)
    if world.several:
        # Two that Placement has let go to one card, of which one claims what
        # the other needs: Nova takes the loser for broken, though its guest
        # runs on (ComputeManager.prep_resize).
        server.expect(RESIZED, server.status, ERROR, moving=True)
    world.act(server, action, arguments)


@verb(4, servers(ACTIVE, SHUTOFF))
def resize(world, server, draw):
    others = [s for s in world.specs if s != server.spec]
    spec = draw.choice(others)
    before = server.spec
    _resizing(world, server, 'resize', {'flavorRef': world.flavor_of(spec)})
    yield
    server.spec = spec if server.status == RESIZED else before


@verb(4, servers(ACTIVE, SHUTOFF))
def migrate(world, server, draw):
    _resizing(world, server, 'migrate', None)
    yield


@verb(6, servers(RESIZED))
def confirm(world, server, draw):
    server.expect(server.was, moving=True)
    world.act(server, 'confirmResize')
    yield


@verb(6, servers(RESIZED))
def revert(world, server, draw):
    server.expect(server.was, moving=True)
    world.act(server, 'revertResize')
    yield


# What befalls a host, or a service


def _hosts(world):
    return [h for h in world.hosts if h not in world.asleep]


@verb(2, _hosts, alone=True)
def restart_of_nova_compute(world, host, draw):
    world.restart_compute_service(host)
    return
    yield


@verb(1, lambda world: [None], alone=True)
def restart_of_the_scheduler(world, _, draw):
    world.restart_scheduler()
    return
    yield


@verb(2, _hosts, alone=True)
def reboot_of_the_host(world, host, draw):
    world.reboot_host(host)
    return
    yield


@verb(2, _hosts, alone=True)
def evacuation(world, host, draw):
    """nova-compute dies, or its host; the servers are made elsewhere."""
    there = [
        s
        for s in world.servers
        if s.host == host and s.status in (ACTIVE, SHUTOFF, ERROR)
    ]
    with outages.of_nova_compute(world, host, dies=draw.random() < 0.5):
        for server in there:
            if draw.random() < 0.8:
                server.expect(SHUTOFF, ERROR, moving=True)
                world.act(server, 'evacuate', {})
        world.rest.wait(world.asleep)
        world.read()
    return
    yield


@verb(2, lambda world: [*world.layouts], alone=True)
def change_of_the_layout(world, host, draw):
    text = draw.choice(world.fleet_of[host].layouts)
    world.write_layout(host, text)
    world.layouts[host] = text
    world.update()
    return
    yield


# What fails for a while, and what is asked of servers meanwhile


DISTURBANCES = {}
"""All that fails for a while, by name: context managers of a world."""


def disturbance(do):
    """Make a function one of these, by its name."""
    DISTURBANCES[do.__name__] = contextlib.contextmanager(do)
    return do


@disturbance
def outage_of_placement(world, draw):
    with outages.of_placement():
        yield


@disturbance
def outage_of_the_database(world, draw):
    with outages.of_the_database():
        yield


@disturbance
def outage_of_libvirtd(world, draw):
    with outages.of_libvirtd(world, draw.choice(world.hosts)):
        yield


@disturbance
def card_is_off(world, draw):
    host = draw.choice(world.hosts)
    card = draw.choice(sorted(world.gpu_providers(host)))
    with outages.of_a_card(world, host, card):
        yield
