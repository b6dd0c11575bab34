"""A cloud whose Placement is compared with its Nova, through their APIs."""

from __future__ import annotations

from concurrent import futures
from typing import Any

import novaclient.exceptions

from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.audit import fleet
from nova_gpuvirt.audit import sides
from nova_gpuvirt.explain import cloud
from nova_gpuvirt.explain import hosts as hosts_
from nova_gpuvirt.placement import providers as providers_

# States in which nothing happens to a server. The others are of a build, a
# move, or one that was asked for and has no task state yet.
_SETTLED = frozenset(
    {
        'ACTIVE',
        'ERROR',
        'PAUSED',
        'RESCUE',
        'SHELVED',
        'SHELVED_OFFLOADED',
        'SHUTOFF',
        'SOFT_DELETED',
        'SUSPENDED',
        'VERIFY_RESIZE',
    }
)


class AuditedCloud(cloud.Cloud):
    """A cloud, with what an audit asks of it.

    :cvar nova_version: since 2.69 servers of a cell that does not answer are
        shown, as UNKNOWN
    """

    nova_version = '2.69'

    def audit(self) -> disagreement.Comparison:
        """Compare what Placement and Nova say at this moment."""
        return fleet.compare(self.read())

    def read(self) -> fleet.Fleet:
        """Read allocations first: whose they are is there before them."""
        with futures.ThreadPoolExecutor(cloud.WORKERS) as pool:
            providers = tuple(
                each
                for tree in pool.map(self._providers, self._trees())
                for each in tree
            )
        moves = {
            each.uuid: fleet.Move(
                each.uuid, each.instance_uuid, each.status in sides.OVER
            )
            for each in cloud.all_of(self._nova.migrations, 'uuid')
        }
        servers = {
            each.id: _server(each.to_dict())
            for each in cloud.all_of(
                self._nova.servers, search_opts={'all_tenants': True}
            )
        }
        consumers = {
            consumer
            for provider in providers
            if provider.device is not None
            for consumer in provider.allocations
        }
        for consumer in consumers - servers.keys() - moves.keys():
            server = self._alone(consumer)
            if server is not None:
                servers[consumer] = server
        return fleet.Fleet(servers, moves, providers)

    def _alone(self, uuid: str) -> fleet.Server | None:
        """Read a server that no list has: one that is deleted softly.

        :returns: None where there is none
        """
        try:
            return _server(self._nova.servers.get(uuid).to_dict())
        except novaclient.exceptions.NotFound:
            return None

    def _providers(self, tree: list[dict[str, Any]]) -> list[fleet.Provider]:
        node = tree[0]['name']
        found = []
        for provider in tree:
            path = f'/resource_providers/{provider["uuid"]}'
            allocations = self._get(f'{path}/allocations')['allocations']
            inventories = self._get(f'{path}/inventories')['inventories']
            device = providers_.address_of(node, provider['name'])
            found.append(
                fleet.Provider(
                    provider['uuid'],
                    node,
                    None if device is None else str(device),
                    {c: a['resources'] for c, a in allocations.items()},
                    {
                        rc: hosts_.Stock(**inventory).capacity
                        for rc, inventory in inventories.items()
                    },
                )
            )
        return found


def _server(found: dict[str, Any]) -> fleet.Server:
    return fleet.Server(
        found['id'],
        found.get('OS-EXT-SRV-ATTR:hypervisor_hostname'),
        found['status'] in _SETTLED
        and found.get('OS-EXT-STS:task_state') is None,
        fleet.asked(found.get('flavor', {}).get('extra_specs', {})),
        is_known=found['status'] != 'UNKNOWN',
    )
