"""A cloud whose nova-computes are processes of their own, to be killed."""

from __future__ import annotations

import functools
import pathlib
import uuid
from typing import Any

import fixtures
import nova.conf
from nova import context as nova_context
from nova import objects
from testtools import content

from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.simulation import cloud
from nova_gpuvirt.simulation import sides
from nova_gpuvirt.simulation.apart import compute
from nova_gpuvirt.simulation.apart import files
from nova_gpuvirt.simulation.apart import gate
from nova_gpuvirt.simulation.apart import host as host_
from nova_gpuvirt.simulation.apart import libvirt
from nova_gpuvirt.simulation.apart import placement
from nova_gpuvirt.simulation.apart import process

CONF = nova.conf.CONF

_CELL = 'cell1'
# What a nova-compute has from the test's configuration, beside what all have.
_OPTIONS = {
    None: (
        'instances_path',
        'allow_resize_to_same_host',
        'rpc_response_timeout',
    ),
    'gpuvirt': (
        'sysfs_root',
        'layout',
        'state_path',
        'well_after',
        'clean',
    ),
}


class ApartCloud(cloud.Cloud):
    """A cloud in which a nova-compute can be killed at each step.

    :ivar gate: which each step of each nova-compute passes
    """

    # Who sends a message to one that was killed does not wait for it.
    CAST_AS_CALL = False

    @classmethod
    def setUpClass(cls) -> None:
        """Import Nova once, for all nova-computes to come."""
        super().setUpClass()
        process.prepare()

    def setUp(self) -> None:
        """Start the control plane, and no nova-compute."""
        super().setUp()
        self.gate = gate.Gate()
        self._folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.addCleanup(self._stop_computes)
        self.addOnException(self._show_logs)
        self._nodes: dict[str, str] = {}
        self._connections: dict[str, Any] = {}

    def start_compute(
        self, hostname: str = 'compute1', *args: Any, **kw: Any
    ) -> str:
        """Start the nova-compute of a host."""
        if hostname not in self._connections:
            self._connections[hostname] = self._get_connection(
                hostname=hostname
            )
            self._nodes[hostname] = str(uuid.uuid4())
        started = process.Process(
            hostname,
            self._folder,
            self.gate,
            {
                host_.NAME: host_.Host(self.simulated[hostname]),
                files.NAME: files.Files(),
                libvirt.NAME: libvirt.Libvirt(self._connections[hostname]),
                placement.NAME: placement.Placement(self.placement_fixture),
            },
            functools.partial(self._settings, hostname),
        )
        self.computes[hostname] = started
        started.start()
        self._map(hostname)
        return hostname

    def _settings(self, host: str, address: str) -> compute.Settings:
        return compute.Settings(
            host,
            address,
            self._nodes[host],
            self.state_path(host),
            self.log_of(host),
            {
                group: {
                    name: (CONF if group is None else CONF[group])[name]
                    for name in names
                }
                for group, names in _OPTIONS.items()
            },
        )

    def log_of(self, host: str) -> pathlib.Path:
        """Tell to which file the nova-compute of a host logs."""
        return self._folder / f'{host}.log'

    def _show_logs(self, *exc_info: Any) -> None:
        """Show what each nova-compute has logged, when a test fails."""
        for host in self.computes:
            log = self.log_of(host)
            if log.exists():
                found = content.content_from_file(str(log), buffer_now=True)
                self.addDetail(log.name, found)

    def _map(self, host: str) -> None:
        """Let the control plane know a host, when it is there first."""
        if host in self.host_mappings:
            return
        context = nova_context.get_admin_context()
        cell = self.cell_mappings[_CELL]
        mapping = objects.HostMapping(
            context=context, host=host, cell_mapping=cell
        )
        mapping.create()
        self.host_mappings[host] = mapping
        with nova_context.target_cell(context, cell) as in_cell:
            node = objects.ComputeNode.get_by_host_and_nodename(
                in_cell, host, host
            )
            node.mapped = 1
            node.save()
        self.compute_rp_uuids[host] = node.uuid

    def restart_compute_service(self, hostname: str, **kw: Any) -> Any:
        """Kill the nova-compute of a host, and start another."""
        self.computes[hostname].stop()
        self._use_sysfs_of(hostname)
        self.start_compute(hostname)
        return self.computes[hostname]

    def connection(self, host: str) -> Any:
        """Connect to a host's libvirt."""
        return self._connections[host]

    def tracked(self, host: str) -> sides.Tracked:
        """Ask a host's nova-compute what its tracker has."""
        found: sides.Tracked = self.computes[host].order('tracked')
        return found

    def audit(self, host: str) -> disagreement.Comparison:
        """Let a host's nova-compute compare all sides, at this moment."""
        found: disagreement.Comparison = self.computes[host].order('audit')
        return found

    def _holdings(self, host: str) -> Any:
        return self.computes[host].order('holdings')

    def run_periodic(self, *hosts: str) -> None:
        """Run the periodic update of these hosts' resources, or of all."""
        for host in hosts or self.computes:
            self.computes[host].order('update')
