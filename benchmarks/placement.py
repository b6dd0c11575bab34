"""A Placement with many GPU hosts in it, and no network in front of it."""

from __future__ import annotations

import uuid
from typing import Any

import fixtures
import os_resource_classes as orc
import webob
from placement import context
from placement import db_api
from placement import deploy
from placement.db.sqlalchemy import models
from placement.tests.functional.fixtures import placement as placement_

from nova_gpuvirt.simulation import simulated

SET = 'CUSTOM_GPU_SET_8'
# Of one host: what a server with eight cards has, with room to spare.
_ROOT = {orc.VCPU: 256, orc.MEMORY_MB: 2 << 20, orc.DISK_GB: 30 << 10}
_CARDS = 8
_HEADERS = {
    'X-Auth-Token': 'admin',
    'Accept': 'application/json',
    'OpenStack-API-Version': 'placement latest',
}


class _OnFile(placement_.PlacementFixture):
    """Placement on a file, which a forked process can open as well."""

    def _configure_placement(self, conf_fixture: Any) -> None:
        folder = self.useFixture(fixtures.TempDir(simulated.memory())).path
        conf_fixture.config(
            connection=f'sqlite:///{folder}/placement.sqlite',
            group='placement_database',
        )


class Placement(fixtures.Fixture):
    """Placement's own application, in this process, on SQLite.

    Each host has a provider for each of eight cards, and one with the set of
    them.

    :param hosts: how many of them there are
    """

    def __init__(self, hosts: int) -> None:
        super().__init__()
        self._hosts = hosts

    def _setUp(self) -> None:  # noqa: N802
        stack = self.useFixture(_OnFile(use_intercept=False))
        self._options = stack.conf_fixture
        self._application = deploy.loadapp(self._options.conf)
        self._fill()

    def option(self, group: str, **values: Any) -> None:
        """Set options of a group, from now on."""
        self._options.config(group=group, **values)

    def get(self, url: str) -> Any:
        """Ask, and return what the answer's JSON says."""
        return self._ask(url).json

    def _ask(self, url: str, method: str = 'GET') -> webob.Response:
        request = webob.Request.blank(url, headers=_HEADERS, method=method)
        response = request.get_response(self._application)
        if response.status_int >= 400:
            raise RuntimeError(f'{url}: {response.status}: {response.text}')
        return response

    def _fill(self) -> None:
        """Write the hosts as rows: the API takes minutes for a thousand."""
        self._ask(f'/resource_classes/{SET}', 'PUT')
        with db_api.placement_context_manager.writer.using(
            context.RequestContext(config=self._options.conf)
        ) as session:
            classes = {
                row.name: row.id for row in session.query(models.ResourceClass)
            }
            for host in range(self._hosts):
                first = 1 + host * (2 + _CARDS)
                inventories = [
                    _ROOT,
                    *[{orc.PGPU: 1}] * _CARDS,
                    {SET: 1},
                ]
                for number, inventory in enumerate(inventories):
                    session.add(_provider(first, number))
                    session.add_all(
                        _inventory(first + number, classes[rc], total)
                        for rc, total in inventory.items()
                    )


def _provider(root: int, number: int) -> models.ResourceProvider:
    """Make the provider of a host, or of what it has, by their ids."""
    return models.ResourceProvider(
        id=root + number,
        uuid=str(uuid.uuid4()),
        name=f'host{root}-{number}',
        generation=0,
        root_provider_id=root,
        parent_provider_id=root if number else None,
    )


def _inventory(provider: int, rc: int, total: int) -> models.Inventory:
    return models.Inventory(
        resource_provider_id=provider,
        resource_class_id=rc,
        total=total,
        reserved=0,
        min_unit=1,
        max_unit=total,
        step_size=1,
        allocation_ratio=1.0,
    )
