"""The cloud of the lives, and what it believes of its servers."""

import dataclasses
import logging
import random

import fixtures
from nova import objects
from nova import rpc
from nova.tests.functional.api import client

from nova_gpuvirt.health import records
from nova_gpuvirt.placement import providers
from nova_gpuvirt.scheduler import state as scheduling
from tests.functional import base
from tests.functional.lives import fleets
from tests.functional.lives import placement_rows
from tests.functional.lives import rest

# What a server of each status may be asked.
ACTIVE, SHUTOFF, ERROR = 'ACTIVE', 'SHUTOFF', 'ERROR'
RESCUE, RESIZED, DELETED = 'RESCUE', 'VERIFY_RESIZE', 'SOFT_DELETED'
SHELVED = 'SHELVED_OFFLOADED'
# So many are enough to fill the cards, and few enough to be looked at often.
MOST_SERVERS = 9
# After so many updates of each host all has to be clean.
_UPDATES = 3
_PINNED = {'hw:cpu_policy': 'dedicated'}


class Surprise(AssertionError):
    """A server is not what it should be after what was asked of it."""


@dataclasses.dataclass(slots=True, eq=False)
class Server:
    """A server, as Nova's API told it last.

    :ivar wanted: what its status may be when all is at rest
    :ivar was: its status before it was resized
    :ivar hangs: whether what was asked never ended, because of a disturbance
    :ivar failed: whether it failed because of one
    :ivar moving: whether what was asked may bring it to another host, or give
        it other devices and CPUs
    """

    id: str
    name: str
    spec: dict
    status: str = ''
    host: str | None = None
    wanted: tuple[str, ...] = (ACTIVE,)
    was: str = ACTIVE
    moving: bool = True
    hangs: bool = False
    failed: bool = False

    @property
    def is_broken(self):
        """Tell whether its owner has to do something."""
        return self.status in (ERROR, 'BUILD', 'REBOOT', 'HARD_REBOOT')

    def expect(self, *statuses, moving=False):
        """Say what its status may be when all is at rest."""
        self.wanted = statuses
        self.moving = self.moving or moving


class World(base.GpuTestCase):
    """A cloud that is kept for many lives.

    :cvar logs: whether the services log
    :ivar servers: those that exist, by their names
    :ivar hosts: the names of the hosts
    :ivar disturbed: whether something fails beside the servers, so that what
        is asked of them may fail
    :ivar several: whether several servers are asked for something at once
    """

    CAST_AS_CALL = False
    ADDITIONAL_FILTERS = (
        'NUMATopologyFilter',
        *base.GpuTestCase.ADDITIONAL_FILTERS,
    )
    fleet = 'mixed'
    logs = False

    def setUp(self):
        if not self.logs:
            # Nobody reads it, and it takes a tenth of a life.
            self.addCleanup(logging.disable, logging.NOTSET)
            logging.disable()
        super().setUp()
        self.flags(
            resume_guests_state_on_host_boot=True,
            allow_resize_to_same_host=True,
            # A server is deleted softly, where that is not forced.
            reclaim_instance_interval=3600,
        )
        self.flags(
            cpu_dedicated_set='1-15,33-47',
            cpu_shared_set='0,16-32,48-63',
            group='compute',
        )
        # Nova's harness knows no notification of a forced delete that its API
        # does alone.
        self.useFixture(
            fixtures.MockPatchObject(
                rpc.LegacyValidatingNotifier, 'fatal', False
            )
        )
        self.rest = self.useFixture(rest.Rest())
        self.servers = []
        self.rebooted = set()
        self.asleep = set()
        self.disturbed = False
        self.several = False
        self._flavors = {}
        self.fleet_of = fleets.FLEETS[self.fleet]
        self.hosts = tuple(self.fleet_of)
        for name, host in self.fleet_of.items():
            first = host.layouts[0] if host.layouts else None
            self.start_gpu_host(
                name, host.kind, layout=first, bare=bool(host.layouts)
            )
        self.layouts = {
            name: host.layouts[0]
            for name, host in self.fleet_of.items()
            if host.layouts
        }
        self.update()
        self.update()
        self.check_rows()
        self.specs = self._specs()
        self.before = self._picture()

    # What is asked

    def act(self, server, action, arguments=None):
        """Ask Nova's API for something of a server."""
        self.ask(
            lambda: self.api.post_server_action(
                server.id, {action: arguments}
            ),
            server,
        )

    def ask(self, request, server):
        """Ask for something, which may be refused while something fails."""
        try:
            request()
        except client.OpenStackApiException:
            if not self.disturbed:
                raise
            server.expect(server.status)

    def build(self, spec, draw, count=1):
        """Ask for servers, and return them.

        Their names are drawn: several are asked for at once, in any order,
        and a life is to be repeated.
        """
        body = {
            'name': f's{draw.randrange(16**4):04x}',
            'imageRef': base.IMAGE,
            'flavorRef': self.flavor_of(spec),
            'networks': 'none',
            'min_count': count,
            'max_count': count,
        }
        try:
            found = self.api.post_server(
                {'server': body | {'return_reservation_id': True}}
            )
        except client.OpenStackApiException:
            if not self.disturbed:
                raise
            return []
        made = [
            Server(s['id'], s['name'], spec)
            for s in self.api.api_get(
                '/servers/detail?reservation_id=' + found['reservation_id']
            ).body['servers']
        ]
        self.servers += made
        return made

    def flavor_of(self, spec):
        """Name the flavor that asks for something, made once."""
        key = frozenset(spec.items())
        if key not in self._flavors:
            self._flavors[key] = self._create_flavor(
                memory_mb=256, vcpu=2, disk=1, ephemeral=0, extra_spec=spec
            )
        return self._flavors[key]

    def reboot_host(self, host, *args, **kwargs):
        """Reboot a host, and start nova-compute on it."""
        self.rebooted.add(host)
        super().reboot_host(host, *args, **kwargs)

    def restart_scheduler(self):
        """Restart nova-scheduler, which knows nothing then."""
        self.scheduler.stop()
        scheduling.fleet.cache_clear()
        self.scheduler = self.start_service('scheduler')

    # What is seen

    def gpu_providers(self, host):
        """Read a host's GPU providers from Placement, by PCI address."""
        found = placement_rows.providers(self.compute_rp_uuids[host])
        return {
            str(address): provider
            for name, provider in found.items()
            if (address := providers.address_of(host, name)) is not None
        }

    def has_room(self, spec):
        """Tell whether a server that asks for this has to get it.

        Where more than one thing is asked for, or by others at once, nobody
        can tell.
        """
        if self.several or self.disturbed or len(spec) != 1:
            return False
        (rc,) = (key.removeprefix('resources:') for key in spec)
        return any(self.offered(host, rc) for host in self.hosts)

    def check_rows(self):
        """See that Placement's API says what its database does."""
        for host in self.hosts:
            rows = self.gpu_providers(host)
            for address, told in super().gpu_providers(host).items():
                row = rows.pop(address)
                for key in ('uuid', 'inventories', 'usages'):
                    self.assertEqual(told[key], row[key])
                self.assertEqual(sorted(told['traits']), sorted(row['traits']))
            self.assertEqual({}, rows)

    def update(self):
        """Run the periodic updates of the hosts that are awake."""
        awake = [h for h in self.hosts if h not in self.asleep]
        self.run_periodic(*awake)
        self.rest.wait(self.asleep)

    def settle(self):
        """Wait until all is done and clean.

        :returns: whether anything had to be cleaned
        """
        self.rest.wait(self.asleep)
        return not self.asleep and self.wait_until_clean()

    def catch_up(self):
        """Let the hosts report what they are, when all is done and clean."""
        self.settle()
        for _ in range(_UPDATES):
            self.update()
            if not self.settle():
                return
        raise Surprise(f'never clean: {self._dirt()}')

    def _dirt(self):
        return {
            host: [
                f'{one.key}, failed: {one.failed}'
                for record in records.Records(self.state_path(host))
                .read()
                .values()
                for one in record.dirty
            ]
            for host in self.hosts
        }

    def read(self):
        """Read what became of the servers.

        :raises Surprise: when one is not as it should be
        """
        found = {
            s['id']: s
            for s in self.api.api_get('/servers/detail').body['servers']
        }
        for server in self.servers:
            # Nova's API lists no server that was deleted softly.
            if DELETED in (server.status, *server.wanted):
                found |= self._one(server)
        self.servers.sort(key=lambda server: server.name)
        for server in list(self.servers):
            self._read(server, found.pop(server.id, None))
        for uuid, unknown in found.items():
            if not self.disturbed:
                raise Surprise(f'nobody knows {unknown}')
            # Its request came through, and the answer did not.
            server = Server(uuid, unknown['name'], {})
            self.servers.append(server)
            self._read(server, unknown)

    def _one(self, server):
        try:
            return {server.id: self.api.get_server(server.id)}
        except client.OpenStackApiNotFoundException:
            return {}

    def _read(self, server, now):
        status = 'DELETED' if now is None else now['status']
        task = now and now['OS-EXT-STS:task_state']
        server.hangs = task is not None
        server.failed = status not in server.wanted or server.hangs
        if server.failed and not self.disturbed:
            fault = (now or {}).get('fault', {}).get('message')
            raise Surprise(
                f'{server.name} {server.id} on {server.host} was '
                f'{server.status} and is {status}, {task}: '
                f'wanted {server.wanted}; {fault}'
            )
        if now is None:
            self.servers.remove(server)
            return
        host = now['OS-EXT-SRV-ATTR:host']
        if host != server.host and not server.moving and not self.disturbed:
            raise Surprise(f'{server.name} went from {server.host} to {host}')
        server.status, server.host = status, host
        server.wanted = (status,)

    def instances(self):
        """Read all instances, those that were deleted softly too."""
        return objects.InstanceList.get_by_filters(
            self.context_at(self.hosts[0]),
            {'deleted': False, 'soft_deleted': True},
            expected_attrs=['resources', 'migration_context'],
        )

    # From one life to the next

    def reset(self):
        """Delete all servers, and see that the hosts are as they were.

        :raises AssertionError: when they are not
        """
        for server in self.servers:
            self.act(server, 'forceDelete')
            server.expect('DELETED')
        self.settle()
        self.read()
        for host in self.layouts:
            self.write_layout(host, self.fleet_of[host].layouts[0])
            self.layouts[host] = self.fleet_of[host].layouts[0]
        self.update()
        self.catch_up()
        self.rebooted.clear()
        self.assertEqual([], self.servers)
        self.assertEqual(self.before, self._picture())

    def _picture(self):
        return {
            host: (
                self.simulated[host].snapshot(),
                {
                    card: (p['inventories'], sorted(p['traits']))
                    for card, p in self.gpu_providers(host).items()
                },
            )
            for host in self.hosts
        }

    def _specs(self):
        """List what flavors may ask for of this fleet, each with its weight.

        The classes are those that the fleet offers at first.
        """
        offered = {
            (card[-7:-3], rc)
            for host in self.hosts
            for card, provider in self.gpu_providers(host).items()
            for rc, inventory in provider['inventories'].items()
            if inventory['total'] > inventory['reserved']
        }
        classes = sorted({rc for _, rc in offered})
        common = [c for c in classes if not c.startswith('CUSTOM_VGPU_')]
        sizes = [c for c in classes if c.startswith('CUSTOM_VGPU_')]
        chosen = random.Random(0).sample(sizes, min(6, len(sizes)))
        specs = [{f'resources:{rc}': '1'} for rc in common * 2 + chosen]
        specs += [s | _PINNED for s in specs]
        specs += [{}, _PINNED]
        if 'PGPU' in common:
            specs.append(
                {
                    'resources1:PGPU': '1',
                    'resources2:VGPU': '1',
                    'group_policy': 'isolate',
                }
            )
        return specs
