"""Reads the fleet through the APIs of Nova and Placement.

It needs what an administrator may see: the providers, the hypervisors, and
the servers of all projects.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from concurrent import futures
from typing import Any
from typing import ClassVar

import keystoneauth1.adapter
import keystoneauth1.exceptions
import novaclient.client
import novaclient.exceptions
import openstack.config.cloud_region

from nova_gpuvirt import exception
from nova_gpuvirt.explain import hosts as hosts_
from nova_gpuvirt.explain import wanted as wanted_
from nova_gpuvirt.placement import providers as providers_

# Placement's: allocation candidates in one tree, with any suffix.
_PLACEMENT = '1.36'
# Hosts that are read at a time.
WORKERS = 8

_Json = dict[str, Any]
# The status of a server whose cell does not answer.
_SILENT = 'UNKNOWN'


class Refused(Exception):
    """Placement can't take a request: it knows no such trait or class."""


class Cloud:
    """One cloud, with the rights of an administrator.

    Its methods raise ClientException: novaclient's where nova-api answers
    with an error, else keystoneauth1's.

    :param region: what clouds.yaml and the environment say of it
    :raises ConfigException: of openstack, when they give no credentials
    :cvar nova_version: flavors with their extra specs, and, since 2.53,
        hypervisors by UUID
    """

    nova_version: ClassVar[str] = '2.61'

    def __init__(
        self, region: openstack.config.cloud_region.CloudRegion
    ) -> None:
        session = region.get_session()
        self._nova = novaclient.client.Client(
            self.nova_version,
            session=session,
            endpoint_type=region.get_interface('compute'),
            # The catalog may have the URL above that of the version.
            min_version='2.1',
            max_version='2.latest',
            **_endpoint(region, 'compute'),
        )
        self._placement = keystoneauth1.adapter.Adapter(
            session,
            interface=region.get_interface('placement'),
            default_microversion=_PLACEMENT,
            **_endpoint(region, 'placement'),
        )

    def flavor(self, name: str) -> _Json:
        """Read a flavor, by its name or ID, with its extra specs.

        :raises InvalidOption: when there is none
        """
        try:
            return dict(self._nova.flavors.get(name).to_dict())
        except novaclient.exceptions.NotFound:
            pass
        for flavor in all_of(self._nova.flavors, is_public=None):
            if flavor.name == name:
                return dict(flavor.to_dict())
        raise exception.InvalidOption(
            'FLAVOR',
            wanted='the name or the ID of a flavor',
            found=repr(name),
            remedy='see "openstack flavor list --all"',
        )

    def fleet(self) -> hosts_.Fleet:
        """Read all hosts that have GPUs of ours in Placement."""
        servers = all_of(
            self._nova.servers,
            detailed=False,
            search_opts={'all_tenants': True},
        )
        names = {server.id: server.name for server in servers}
        services = self._services()
        with futures.ThreadPoolExecutor(WORKERS) as pool:
            hosts = pool.map(
                lambda tree: self._host(tree, services, names), self._trees()
            )
            return hosts_.Fleet(tuple(sorted(hosts, key=lambda h: h.name)))

    def candidates(
        self, wanted: wanted_.Wanted, hosts: Iterable[hosts_.Host]
    ) -> dict[str, list[_Json]]:
        """Ask Placement how it would place a request on each host.

        :return: its allocation requests, by the host's UUID
        :raises Refused: with its reason, when it can't take the request
        """

        def ask(host: hosts_.Host) -> tuple[str, list[_Json]]:
            query = wanted.query_in(host.uuid)
            try:
                answer = self._get(f'/allocation_candidates?{query}')
            except keystoneauth1.exceptions.BadRequest as error:
                raise Refused(str(error.details).strip()) from error
            return host.uuid, answer['allocation_requests']

        with futures.ThreadPoolExecutor(WORKERS) as pool:
            return dict(pool.map(ask, hosts))

    def _services(self) -> dict[str, hosts_.Service]:
        """Read the nova-computes, by the UUID of their compute node."""
        return {
            each.id: hosts_.Service(
                each.service['host'],
                each.state == 'up',
                each.status == 'enabled',
                each.service['disabled_reason'],
            )
            for each in all_of(self._nova.hypervisors)
        }

    def _trees(self) -> list[list[_Json]]:
        """List the trees of providers with cards, each with its root first."""
        trees: dict[str, list[_Json]] = {}
        for provider in self._get('/resource_providers')['resource_providers']:
            tree = trees.setdefault(provider['root_provider_uuid'], [])
            is_root = provider['parent_provider_uuid'] is None
            tree.insert(0 if is_root else len(tree), provider)
        return [
            tree
            for tree in trees.values()
            if any(
                providers_.address_of(tree[0]['name'], p['name']) for p in tree
            )
        ]

    def _host(
        self,
        tree: list[_Json],
        services: Mapping[str, hosts_.Service],
        names: Mapping[str, str],
    ) -> hosts_.Host:
        node = tree[0]['name']
        providers = [self._provider(node, each, names) for each in tree]
        return hosts_.Host(
            node,
            tuple(p for p in providers if p.device is None),
            tuple(
                sorted(
                    (p for p in providers if p.device is not None),
                    key=lambda p: p.name,
                )
            ),
            services.get(tree[0]['uuid']),
        )

    def _provider(
        self, node: str, provider: _Json, names: Mapping[str, str]
    ) -> hosts_.Provider:
        path = f'/resource_providers/{provider["uuid"]}'
        inventories = self._get(f'{path}/inventories')['inventories']
        usages = self._get(f'{path}/usages')['usages']
        device = providers_.address_of(node, provider['name'])
        holders: tuple[hosts_.Holder, ...] = ()
        if device is not None and any(usages.values()):
            allocations = self._get(f'{path}/allocations')['allocations']
            holders = tuple(
                hosts_.Holder(
                    names.get(consumer, f'consumer {consumer}'),
                    allocation['resources'],
                    consumer in names,
                )
                for consumer, allocation in allocations.items()
            )
        return hosts_.Provider(
            provider['uuid'],
            provider['name'],
            None if device is None else str(device),
            frozenset(self._get(f'{path}/traits')['traits']),
            {
                rc: hosts_.Stock(**inventory, used=usages.get(rc, 0))
                for rc, inventory in inventories.items()
            },
            tuple(sorted(holders, key=str)),
        )

    def _get(self, path: str) -> Any:
        return self._placement.get(path).json()


def _endpoint(
    region: openstack.config.cloud_region.CloudRegion, service: str
) -> dict[str, Any]:
    """Say where a service is, in the words both clients share."""
    return {
        'service_type': region.get_service_type(service),
        'service_name': region.get_service_name(service),
        'region_name': region.get_region_name(service),
        'endpoint_override': region.get_endpoint(service),
    }


def all_of(manager: Any, mark: str = 'id', **options: Any) -> Iterator[Any]:
    """List all that a manager of novaclient has, page by page.

    :param mark: what the next page is asked for by
    """
    marker = None
    while page := manager.list(marker=marker, **options):
        yield from page
        # Those of a cell that does not answer come last, and nova-api finds
        # none of them as a marker.
        known = [
            each for each in page if getattr(each, 'status', '') != _SILENT
        ]
        if not known:
            return
        marker = getattr(known[-1], mark)
