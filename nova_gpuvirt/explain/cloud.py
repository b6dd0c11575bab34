"""Reads the fleet through the APIs of Nova and Placement.

It needs what an administrator may see: the providers, the hypervisors, and
the servers of all projects.
"""

from __future__ import annotations

import http
from collections.abc import Iterable
from collections.abc import Mapping
from concurrent import futures
from typing import Any

import openstack.connection
import openstack.exceptions

from nova_gpuvirt import exception
from nova_gpuvirt import placement
from nova_gpuvirt.explain import fleet as fleet_
from nova_gpuvirt.explain import wanted as wanted_

# Placement's: allocation candidates in one tree, with any suffix.
_PLACEMENT = '1.36'
# Nova's: flavors with their extra specs; hypervisors by UUID.
_FLAVORS = '2.61'
_HYPERVISORS = '2.53'
# Hosts that are read at a time.
_WORKERS = 8

_Json = dict[str, Any]


class Refused(Exception):
    """Placement can't take a request: it knows no such trait or class."""


class Cloud:
    """One cloud, with the rights of an administrator."""

    def __init__(self, connection: openstack.connection.Connection) -> None:
        self._nova = connection.compute
        self._placement = connection.placement

    def flavor(self, name: str) -> _Json:
        """Read a flavor, by its name or ID, with its extra specs.

        :raises InvalidOption: when there is none
        """
        found = self._nova.find_flavor(name)
        if found is None:
            raise exception.InvalidOption(
                'FLAVOR',
                wanted='the name or the ID of a flavor',
                found=repr(name),
                remedy='see "openstack flavor list --all"',
            )
        flavor: _Json = self._compute(f'/flavors/{found.id}', _FLAVORS)
        return dict(flavor['flavor'])

    def fleet(self) -> fleet_.Fleet:
        """Read all hosts that have GPUs of ours in Placement."""
        names = {
            server.id: server.name
            for server in self._nova.servers(details=False, all_projects=True)
        }
        services = self._services()
        with futures.ThreadPoolExecutor(_WORKERS) as pool:
            hosts = pool.map(
                lambda tree: self._host(tree, services, names), self._trees()
            )
            return fleet_.Fleet(tuple(sorted(hosts, key=lambda h: h.name)))

    def candidates(
        self, wanted: wanted_.Wanted, hosts: Iterable[fleet_.Host]
    ) -> dict[str, list[_Json]]:
        """Ask Placement how it would place a request on each host.

        :return: its allocation requests, by the host's UUID
        :raises Refused: with its reason, when it can't take the request
        """

        def ask(host: fleet_.Host) -> tuple[str, list[_Json]]:
            query = wanted.query_in(host.uuid)
            response = self._placement.get(
                f'/allocation_candidates?{query}', microversion=_PLACEMENT
            )
            if response.status_code == http.HTTPStatus.BAD_REQUEST:
                raise Refused(response.json()['errors'][0]['detail'].strip())
            return host.uuid, _body(response)['allocation_requests']

        with futures.ThreadPoolExecutor(_WORKERS) as pool:
            return dict(pool.map(ask, hosts))

    def _services(self) -> dict[str, fleet_.Service]:
        """Read the nova-computes, by the UUID of their compute node."""
        services = {}
        path = '/os-hypervisors/detail'
        while path:
            page = self._compute(path, _HYPERVISORS)
            for each in page['hypervisors']:
                services[each['id']] = fleet_.Service(
                    each['service']['host'],
                    each['state'] == 'up',
                    each['status'] == 'enabled',
                    each['service']['disabled_reason'],
                )
            links = page.get('hypervisors_links', ())
            following = [x['href'].partition('?')[2] for x in links]
            path = f'/os-hypervisors/detail?{following[0]}' if links else ''
        return services

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
                placement.address_of(tree[0]['name'], p['name']) for p in tree
            )
        ]

    def _host(
        self,
        tree: list[_Json],
        services: Mapping[str, fleet_.Service],
        names: Mapping[str, str],
    ) -> fleet_.Host:
        node = tree[0]['name']
        providers = [self._provider(node, each, names) for each in tree]
        return fleet_.Host(
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
    ) -> fleet_.Provider:
        path = f'/resource_providers/{provider["uuid"]}'
        inventories = self._get(f'{path}/inventories')['inventories']
        usages = self._get(f'{path}/usages')['usages']
        device = placement.address_of(node, provider['name'])
        holders: tuple[fleet_.Holder, ...] = ()
        if device is not None and any(usages.values()):
            allocations = self._get(f'{path}/allocations')['allocations']
            holders = tuple(
                fleet_.Holder(
                    names.get(consumer, f'consumer {consumer}'),
                    allocation['resources'],
                    consumer in names,
                )
                for consumer, allocation in allocations.items()
            )
        return fleet_.Provider(
            provider['uuid'],
            provider['name'],
            None if device is None else str(device),
            frozenset(self._get(f'{path}/traits')['traits']),
            {
                rc: fleet_.Stock(**inventory, used=usages.get(rc, 0))
                for rc, inventory in inventories.items()
            },
            tuple(sorted(holders, key=str)),
        )

    def _get(self, path: str) -> Any:
        return _body(self._placement.get(path, microversion=_PLACEMENT))

    def _compute(self, path: str, microversion: str) -> Any:
        return _body(self._nova.get(path, microversion=microversion))


def _body(response: Any) -> Any:
    openstack.exceptions.raise_from_response(response)
    return response.json()
