"""What the tests of servers with GPUs have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tempest import config
from tempest.api.compute import base
from tempest.common import waiters
from tempest.lib import exceptions as lib_exc

from nova_gpuvirt.placement import providers as providers_
from nova_gpuvirt.tempest_plugin import inventory
from nova_gpuvirt.tempest_plugin import request

CONF = config.CONF


@dataclasses.dataclass(frozen=True, slots=True)
class Flavor:
    """A flavor of the cloud."""

    id: str
    name: str
    extra_specs: Mapping[str, str]


class GpuTest(base.BaseV2ComputeAdminTest):
    """A test of servers with GPUs. Nobody else may use GPUs meanwhile."""

    credentials = ['primary', 'admin']
    # Servers without a network, and providers below others.
    min_microversion = '2.37'
    placement_min_microversion = '1.29'

    @classmethod
    def skip_checks(cls) -> None:
        """Skip without a flavor that asks for a GPU."""
        super().skip_checks()
        if not CONF.gpuvirt.flavors:
            raise cls.skipException('[gpuvirt]flavors names no flavor')

    @classmethod
    def setup_clients(cls) -> None:
        """Choose the clients: the project's for servers, else the admin's."""
        super().setup_clients()
        cls.placement = cls.os_admin.placement_client
        cls.providers = cls.os_admin.resource_providers_client
        cls.servers_client.build_timeout = CONF.gpuvirt.build_timeout

    @classmethod
    def resource_setup(cls) -> None:
        """Find the flavors."""
        super().resource_setup()
        cls.build_timeout = CONF.gpuvirt.build_timeout
        cls.flavors = [cls.flavor(name) for name in CONF.gpuvirt.flavors]
        for flavor in cls.flavors:
            if not request.gpus(flavor.extra_specs):
                raise lib_exc.InvalidConfiguration(
                    f'[gpuvirt]flavors: wanted flavors with resources:PGPU, '
                    f'VGPU or of a CUSTOM_ class, found {flavor.name} with '
                    f'{dict(flavor.extra_specs)}; take it out'
                )

    @classmethod
    def flavor(cls, name: str) -> Flavor:
        """Find a flavor by name or id.

        :raises InvalidConfiguration: without such a flavor
        """
        client = cls.admin_flavors_client
        known = client.list_flavors(is_public='None')['flavors']
        for flavor in known:
            if name in (flavor['name'], flavor['id']):
                specs = client.list_flavor_extra_specs(flavor['id'])
                return Flavor(
                    flavor['id'], flavor['name'], specs['extra_specs']
                )
        names = ', '.join(sorted(f['name'] for f in known))
        raise lib_exc.InvalidConfiguration(
            f'[gpuvirt]: wanted a flavor {name}, found {names}; make it, or '
            'name another one'
        )

    # What is done

    def boot(self, flavor: Flavor) -> str:
        """Boot a server and return its id, once it is active."""
        server = self.create_test_server(
            flavor=flavor.id, networks='none', wait_until='ACTIVE'
        )
        return str(server['id'])

    def boot_refused(self, flavor: Flavor) -> str:
        """Boot a server and return its id, once it failed to."""
        server = self.create_test_server(flavor=flavor.id, networks='none')
        waiters.wait_for_server_status(
            self.servers_client, server['id'], 'ERROR', raise_on_error=False
        )
        return str(server['id'])

    def delete(self, server: str) -> None:
        """Delete a server and wait until it is gone."""
        self.servers_client.delete_server(server)
        waiters.wait_for_server_termination(self.servers_client, server)

    def wait_for_status(self, server: str, status: str) -> None:
        """Wait until a server has the status."""
        waiters.wait_for_server_status(self.servers_client, server, status)

    # What Placement says

    def gpu_providers(self) -> dict[str, str]:
        """Give the compute node of each GPU, by the UUID of its provider."""
        found = self.providers.list_resource_providers()['resource_providers']
        names = {p['uuid']: p['name'] for p in found}
        nodes = {
            p['uuid']: names.get(p['root_provider_uuid'], '') for p in found
        }
        return {
            uuid: node
            for uuid, node in nodes.items()
            if providers_.address_of(node, names[uuid]) is not None
        }

    def left(self) -> dict[str, dict[str, int]]:
        """Count what each GPU can still give."""
        counts = {}
        for uuid in self.gpu_providers():
            inventories = self.providers.list_resource_provider_inventories
            usages = self.providers.list_resource_provider_usages
            counts[uuid] = inventory.free(
                inventories(uuid)['inventories'], usages(uuid)['usages']
            )
        return counts

    def allocated(self, server: str) -> dict[str, dict[str, int]]:
        """Tell what a server has of each GPU."""
        gpus = self.gpu_providers()
        found = self.placement.list_allocations(server)['allocations']
        return _resources(found, gpus)

    def candidates(self, flavor: Flavor) -> list[dict[str, dict[str, int]]]:
        """List the ways in which the GPUs of a flavor could be allocated."""
        gpus = self.gpu_providers()
        found = self.placement.list_allocation_candidates(
            **request.query(flavor.extra_specs)
        )
        return [
            _resources(candidate['allocations'], gpus)
            for candidate in found['allocation_requests']
        ]

    # What is checked

    def assert_has_gpus(self, server: str, flavor: Flavor) -> None:
        """Check that a server has just the GPUs of its flavor, of its host."""
        allocated = self.allocated(server)
        amounts: dict[str, int] = {}
        for resources in allocated.values():
            for rc, amount in resources.items():
                amounts[rc] = amounts.get(rc, 0) + amount
        self.assertEqual(
            request.gpus(flavor.extra_specs),
            amounts,
            f'a server of {flavor.name} has other GPUs than it asks for',
        )
        shown = self.admin_servers_client.show_server(server)['server']
        node = shown['OS-EXT-SRV-ATTR:hypervisor_hostname']
        gpus = self.gpu_providers()
        for uuid in allocated:
            self.assertEqual(
                node, gpus[uuid], f'a GPU of {server} is on another host'
            )

    def assert_left(
        self,
        before: inventory.ByProvider,
        allocated: inventory.ByProvider,
    ) -> None:
        """Check that what is left is less by what was allocated.

        The host reports it a moment after the server's new state.
        """

        def agree() -> None:
            wrong = inventory.contradictions(before, self.left(), allocated)
            self.assertEqual([], wrong)

        self.wait_for(agree)

    def assert_all_left(self, before: inventory.ByProvider) -> None:
        """Check that all is there again.

        Nova reports what a resized server had in its next periodic update.
        """

        def agree() -> None:
            self.assertEqual(before, self.left())

        self.wait_for(agree)


def _resources(
    allocations: Mapping[str, Any], providers: Mapping[str, str]
) -> dict[str, dict[str, int]]:
    return {
        uuid: allocation['resources']
        for uuid, allocation in allocations.items()
        if uuid in providers
    }
