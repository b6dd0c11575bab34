"""A cloud of simulated GPU hosts in one process, with Nova's own harness.

Real are nova-api, nova-conductor, nova-scheduler, nova-compute with our
driver, and Placement; simulated are the hosts' kernels and libvirts, and
what Nova's harness stands in for: images, networks and volumes.
"""

from __future__ import annotations

import functools
import pathlib
import sys
import textwrap
import time
from collections.abc import Callable
from collections.abc import Collection
from typing import Any

import fixtures
from nova import context as nova_context
from nova import service
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional.api import client
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import utils as libvirt_utils

import nova_gpuvirt.compute.driver  # noqa: F401 (registers the options)
from nova_gpuvirt import gpus
from nova_gpuvirt import novavirt
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.health import records
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import function_resets
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.layout import document
from nova_gpuvirt.scheduler import state as scheduling
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import quick
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.simulation import settling
from nova_gpuvirt.simulation import sides
from nova_gpuvirt.simulation import simulated
from nova_gpuvirt.simulation.libvirt import connection as connection_

# How often the harness looks at a server: for a minute, or two.
_RETRIES = 900


class Cloud(sides.Sides):
    """A test case that can start GPU hosts, and restart them."""

    ADDITIONAL_FILTERS = (
        *sides.Sides.ADDITIONAL_FILTERS,
        'GpuFilter',
    )
    # Threads build servers while others report: locks have to be real.
    REQUIRES_LOCKING = True
    # Updates after which a card that was sick, or gone, is had again.
    well_after = 1
    # How long a reset may take.
    reset_seconds = function_resets.SECONDS

    def setUp(self) -> None:
        """Start the control plane."""
        # Nova's wheel puts the file where its harness does not look.
        self.flags(
            api_paste_config=f'{sys.prefix}/etc/nova/api-paste.ini',
            group='wsgi',
        )
        # Hosts with many GPUs hold more than a new project may have.
        self.flags(instances=-1, cores=-1, ram=-1, group='quota')
        # Nova's own schemas of what its API answers are Nova's to test.
        self.flags(response_validation='ignore', group='api')
        self._end_services_before_the_test()
        self._schedule_gpus()
        self._quick = self.useFixture(quick.Quick())
        self.simulated: dict[str, simulated.SimulatedHost] = {}
        super().setUp()
        self._stand_in_for_disks()
        self._give_root()
        self._let_hosts_know_their_names()
        self._bring_cpus_online()
        self._wait_long_for_notifications()

    def _end_services_before_the_test(self) -> None:
        """Wait for what a service does last, which would end all executors.

        Nova 34 does it in a thread, and its harness waits for none: one that
        is late spoils all further tests of the process. Of 20 seconds none
        is for tasks in progress. Nova 33 sleeps for all of them.
        """
        if hasattr(service.Service, '_run_manager_graceful_shutdown'):
            self.flags(manager_shutdown_timeout=20)

    def _bring_cpus_online(self) -> None:
        """Let guests have every CPU of a host, not the first 16."""
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova.virt.libvirt.host.Host.get_online_cpus',
                lambda host: {*range(connection_.CPUS)},
            )
        )

    def _schedule_gpus(self) -> None:
        """Give nova-scheduler our filter and our weigher, knowing nothing."""
        self.flags(
            available_filters=[
                'nova.scheduler.filters.all_filters',
                'nova_gpuvirt.scheduler.filters.GpuFilter',
            ],
            weight_classes=[
                'nova.scheduler.weights.all_weighers',
                'nova_gpuvirt.scheduler.weighers.GpuWeigher',
            ],
            group='filter_scheduler',
        )
        scheduling.fleet.cache_clear()

    def _let_hosts_know_their_names(self) -> None:
        """Give each host its own CONF.host, where Nova asks for it late."""
        cleanup_resize = libvirt_driver.LibvirtDriver._cleanup_resize

        def cleanup_resize_here(driver: Any, *args: Any) -> None:
            with nova_fixtures.ConfPatcher(host=driver._ledger.host):
                cleanup_resize(driver, *args)

        self.useFixture(
            fixtures.MonkeyPatch(
                'nova.virt.libvirt.driver.LibvirtDriver._cleanup_resize',
                cleanup_resize_here,
            )
        )

    def _stand_in_for_disks(self) -> None:
        """Make no disks: neither on a host, nor on the way to another."""

        def create_image(
            driver: Any, context: Any, instance: Any, *args: Any, **kwargs: Any
        ) -> tuple[bool, bool]:
            path = libvirt_utils.get_instance_path(instance)
            pathlib.Path(path).mkdir(exist_ok=True)
            return False, False

        def migrate_disk_and_power_off(
            driver: Any, context: Any, instance: Any, *args: Any, **kwargs: Any
        ) -> str:
            driver.power_off(instance)
            return '[]'

        for name, stand_in in (
            ('_create_image', create_image),
            ('migrate_disk_and_power_off', migrate_disk_and_power_off),
        ):
            self.useFixture(
                fixtures.MonkeyPatch(
                    f'nova.virt.libvirt.driver.LibvirtDriver.{name}', stand_in
                )
            )

    def _setup_compute_service(self) -> None:
        novavirt.extend()
        self.flags(compute_driver='gpuvirt.GpuLibvirtDriver')

    def _give_root(self) -> None:
        """Let what changes a host, and its commands, act on simulated ones."""

        def rootly(root: pathlib.Path) -> rootonly.Rootly:
            return root_.Root(self._simulated_at(root), self.reset_seconds)

        def commands_of(root: pathlib.Path) -> commands.Run:
            return root_.Root(self._simulated_at(root)).run

        self._put_in_place(rootly, commands_of)

    def _put_in_place(
        self,
        rootly: Callable[[pathlib.Path], rootonly.Rootly],
        commands_of: Callable[[pathlib.Path], commands.Run],
    ) -> None:
        for name, stand_in in (
            ('compute.parts._rootly', rootly),
            ('host.commands.of', commands_of),
        ):
            self.useFixture(
                fixtures.MonkeyPatch(f'nova_gpuvirt.{name}', stand_in)
            )

    def _simulated_at(self, root: pathlib.Path) -> simulated.SimulatedHost:
        return next(h for h in self.simulated.values() if h.root == root)

    def survey(self, host: str) -> discovery.Host:
        """Look at a host's hardware, past its nova-compute."""
        root = self.simulated[host].root
        power = root_.Root(self.simulated[host])
        seen = machine.Machine(
            sysfs.Sysfs(root, power),
            pciids.PciIds([root]),
            hypervisor.Absent(),
            power.run,
        )
        return gpus.survey(seen)

    def _get_connection(self, *args: Any, **kwargs: Any) -> Any:
        hostname = kwargs.get('hostname') or args[-1]
        return connection_.Connection(
            self.simulated[hostname], hostname=hostname
        )

    def start_gpu_host(
        self,
        name: str,
        kind: str,
        cell: str | None = None,
        *,
        without: Collection[str] = (),
        layout: str | None = None,
        bare: bool = False,
    ) -> simulated.SimulatedHost:
        """Start nova-compute on a new simulated host.

        :param name: the host's name
        :param kind: the name of a simulated host, see `hosts.names`
        :param cell: the name of its cell, the first where there is one alone
        :param without: functions that are plugged in later
        :param layout: the text of its layout file
        :param bare: whether nothing else prepares its cards
        """
        folder = fixtures.TempDir(simulated.memory())
        root = pathlib.Path(self.useFixture(folder).path)
        self.simulated[name] = hosts.simulated(kind, root, bare=bare)
        for address in without:
            self.simulated[name].unplug(address)
        if layout is not None:
            self.write_layout(name, layout)
        self.state_path(name).mkdir(parents=True)
        self._use_sysfs_of(name)
        self.start_compute(hostname=name, cell_name=cell)
        return self.simulated[name]

    def restart_compute_service(self, hostname: str, **kw: Any) -> Any:
        """Restart nova-compute on a host, with its guests running."""
        self._use_sysfs_of(hostname)
        return super().restart_compute_service(hostname, **kw)

    def _use_sysfs_of(self, name: str) -> None:
        self.flags(
            sysfs_root=str(self.simulated[name].root),
            layout=str(self._layout(name)),
            state_path=str(self.state_path(name)),
            well_after=self.well_after,
            group='gpuvirt',
        )

    def state_path(self, name: str) -> pathlib.Path:
        """Tell where a host remembers what it has to over a restart."""
        return self.simulated[name].root / records.PLACE.relative_to('/')

    def _layout(self, name: str) -> pathlib.Path:
        root = self.simulated[name].root
        return root / document.PLACE.relative_to('/')

    def write_layout(self, name: str, text: str) -> None:
        """Write a host's layout file."""
        file = self._layout(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))

    def _wait_for_server_parameter(
        self,
        server: Any,
        expected_params: Any,
        max_retries: int = 0,
        **kw: Any,
    ) -> Any:
        """Wait for as long as it takes on a busy machine, not five seconds."""
        with self._quick.often():
            return super()._wait_for_server_parameter(
                server, expected_params, max(max_retries, _RETRIES), **kw
            )

    def _wait_until_deleted(self, server: Any) -> None:
        """Wait for as long as it takes on a busy machine, not 20 seconds."""
        was_in_error = server.get('status') == 'ERROR'
        for _ in range(_RETRIES):
            try:
                found = self.api.get_server(server['id'])
            except client.OpenStackApiNotFoundException:
                return
            if found['status'] == 'ERROR' and not was_in_error:
                break
            time.sleep(quick.PAUSE)
        self.fail(f'server {server["id"]} was not deleted')

    def _delete_server(self, server: Any) -> None:
        """Delete a server, and wait until what it had is clean."""
        super()._delete_server(server)
        self.wait_until_clean()

    def wait_until_clean(self) -> bool:
        """Wait until nothing is dirty that nobody claims.

        :returns: whether anything was
        """
        return settling.wait_until_clean(
            {
                self.state_path(host): functools.partial(self._holdings, host)
                for host in self.computes
            }
        )

    def _holdings(self, host: str) -> Any:
        cell = self.host_mappings[host].cell_mapping
        with nova_context.target_cell(nova_context.get_admin_context(), cell):
            return self.computes[host].driver._ledger.holdings()

    def _wait_long_for_notifications(self) -> None:
        """Wait for as long as it takes on a busy machine, not ten seconds."""
        wait = self.notifier.wait_for_versioned_notifications
        self.notifier.wait_for_versioned_notifications = functools.partial(
            wait, timeout=_RETRIES * quick.PAUSE
        )

    def run_periodic(self, *hosts: str) -> None:
        """Run the periodic update of these hosts' resources, or of all."""
        for host in hosts or self.computes:
            compute = self.computes[host]
            cell = self.host_mappings[host].cell_mapping
            # What reads without a cell reads this one meanwhile.
            with nova_context.target_cell(
                nova_context.get_admin_context(), cell
            ) as context:
                compute.manager.update_available_resource(context)
