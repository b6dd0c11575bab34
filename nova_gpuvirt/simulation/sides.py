"""What each side of a cloud says of its GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree
from nova import context as nova_context
from nova import objects
from nova.tests.functional.libvirt import base

from nova_gpuvirt import model
from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.placement import providers

Tracked = Mapping[str, Mapping[str, tuple[frozenset[str], frozenset[str]]]]
"""What Nova's tracker hands out, and what it has handed out, as identifiers,
by provider and class."""


def tracked(tracker: Any) -> Tracked:
    """Read what a tracker hands out, and what it has handed out.

    :param tracker: Nova's
    """
    tree = tracker.provider_tree
    return {
        uuid: {
            rc: (_identifiers(published), _identifiers(assigned[rc]))
            for rc, published in tree.data(uuid).resources.items()
        }
        for uuid in tree.get_provider_uuids()
        if (assigned := tracker.assigned_resources[uuid]) is not None
    }


def _identifiers(resources: Any) -> frozenset[str]:
    return frozenset(r.identifier for r in resources)


class Sides(base.ServersTestBase):
    """A test case that can look at every side of its hosts."""

    api_major_version = 'v2.1'
    microversion = 'latest'
    ADMIN_API = True

    def gpu_providers(self, host: str) -> dict[str, dict[str, Any]]:
        """Read a host's GPU providers from Placement, by PCI address."""
        result = {}
        for provider in self._get_all_rps_in_a_tree(
            self.compute_rp_uuids[host]
        ):
            address = providers.address_of(host, provider['name'])
            if address is not None:
                uuid = provider['uuid']
                result[str(address)] = provider | {
                    'inventories': self._get_provider_inventory(uuid),
                    'usages': self._get_provider_usages(uuid),
                    'traits': self._get_provider_traits(uuid),
                }
        return result

    def gpu_allocations(self, server: dict[str, Any]) -> dict[str, Any]:
        """Read what a server has of GPUs in Placement, by provider."""
        ours = {
            p['uuid']: p
            for host in self.computes
            for p in self.gpu_providers(host).values()
        }
        allocations = self._get_allocations_by_server_uuid(server['id'])
        return {
            ours[uuid]['name']: allocation['resources']
            for uuid, allocation in allocations.items()
            if uuid in ours
        }

    def claims(self, server: dict[str, Any]) -> list[model.Claim]:
        """Read what Nova's database says that a server holds."""
        mapping = objects.InstanceMapping.get_by_instance_uuid(
            nova_context.get_admin_context(), server['id']
        )
        instance = objects.Instance.get_by_uuid(
            _context_in(mapping.cell_mapping),
            server['id'],
            expected_attrs=['resources'],
        )
        return [
            model.Claim(r.resource_class, r.identifier)
            for r in instance.resources or ()
        ]

    def guest(self, host: str, server: dict[str, Any]) -> Any:
        """Read the XML of a server's guest."""
        domain = self.connection(host).lookupByUUIDString(server['id'])
        return etree.fromstring(domain.XMLDesc(0))

    def hostdevs(self, host: str, server: dict[str, Any]) -> list[Any]:
        """Read the <hostdev> elements of a server's guest."""
        return list(self.guest(host, server).iter('hostdev'))

    def connection(self, host: str) -> Any:
        """Connect to a host's libvirt."""
        return self.computes[host].driver._host.get_connection()

    def tracked(self, host: str) -> Tracked:
        """Read what the tracker of a host's nova-compute has."""
        return tracked(self.computes[host].manager.rt)

    def audit(self, host: str) -> disagreement.Comparison:
        """Let a host's nova-compute compare all sides, at this moment."""
        context = nova_context.get_admin_context()
        cell = self.host_mappings[host].cell_mapping
        # What reads without a cell reads this one meanwhile.
        with nova_context.target_cell(context, cell):
            found: disagreement.Comparison = self.computes[
                host
            ].driver._auditing.look()
            return found

    def context_at(self, host: str) -> Any:
        """Make a context that reads the database of a host's cell."""
        return _context_in(self.host_mappings[host].cell_mapping)


def _context_in(cell: objects.CellMapping) -> Any:
    context = nova_context.get_admin_context()
    nova_context.set_target_cell(context, cell)
    return context
