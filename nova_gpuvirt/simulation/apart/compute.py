"""nova-compute with our driver, alone in its process.

It has of Nova's harness what is around a nova-compute, and neither a database
nor another service: those are behind the socket, as in production.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import pathlib
import sys
import traceback
from collections.abc import Collection
from collections.abc import Mapping
from typing import Any
from unittest import mock

import fixtures
from nova import context as nova_context
from nova.conductor import rpcapi as conductor_rpcapi
from nova.objects import base as objects_base

from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.simulation import cloud
from nova_gpuvirt.simulation import sides
from nova_gpuvirt.simulation.apart import files
from nova_gpuvirt.simulation.apart import host as host_
from nova_gpuvirt.simulation.apart import libvirt
from nova_gpuvirt.simulation.apart import messages
from nova_gpuvirt.simulation.apart import orders
from nova_gpuvirt.simulation.apart import placement
from nova_gpuvirt.simulation.apart import wire


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What a nova-compute is told when it starts.

    :ivar address: of the socket behind which the world is
    :ivar node: the UUID of its compute node
    :ivar state_path: where it remembers what it has to over a restart
    :ivar log: the file that it logs to
    :ivar options: those that its nova.conf has, by group
    """

    host: str
    address: str
    node: str
    state_path: pathlib.Path
    log: pathlib.Path
    options: Mapping[str | None, Mapping[str, Any]]


def main(settings: Settings) -> None:
    """Run it, until the process is killed."""
    _write_to(settings.log)
    # Of the test that started it: it has its own time.
    os.environ.pop('OS_TEST_TIMEOUT', None)
    client = wire.Client(settings.address)
    compute = _Alone(client, settings)
    try:
        compute.setUp()
        compute.start()
    except BaseException:
        answer = orders.STARTED, False, traceback.format_exc()
        client.call(orders.NAME, 'answer', *answer)
        os._exit(1)
    client.call(orders.NAME, 'answer', orders.STARTED, True, None)
    while True:
        order = client.call(orders.NAME, 'next')
        if order is not None:
            client.call(orders.NAME, 'answer', *compute.obey(*order))


def _write_to(log: pathlib.Path) -> None:
    """Let all that it says go to a file, also what a library prints."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(file, stream)


def _log() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.INFO)
    handler.setFormatter(
        logging.Formatter('%(asctime)s %(levelname)s %(name)s: %(message)s')
    )
    logging.getLogger().addHandler(handler)


class _Alone(cloud.Cloud):
    """A cloud of which only one nova-compute is in this process."""

    USES_DB = False
    USES_DB_SELF = True
    CAST_AS_CALL = False

    def __init__(self, client: wire.Client, settings: Settings) -> None:
        super().__init__('start')
        self._client = client
        self._settings = settings

    def setUp(self) -> None:
        """Put what is behind the socket in the place of what is not here."""
        for name, stand_in in (
            (
                'oslo_messaging._drivers.impl_fake.FakeDriver',
                functools.partial(messages.RemoteDriver, self._client),
            ),
            (
                'nova.tests.functional.fixtures.PlacementFixture',
                functools.partial(placement.RemotePlacement, self._client),
            ),
            ('nova.db.main.api.DISABLE_DB_ACCESS', True),
        ):
            fixtures.MonkeyPatch(name, stand_in).setUp()
        super().setUp()
        # A nova-compute knows no API database.
        self.flags(connection=None, group='api_database')
        for group, options in self._settings.options.items():
            self.flags(group=group, **options)
        _log()

    def _setup_services(self) -> None:
        """Start none yet; its database is the conductor's."""
        self._setup_compute_service()
        objects_base.NovaObject.indirection_api = (
            conductor_rpcapi.ConductorAPI()
        )

    def _give_root(self) -> None:
        """Let what changes a host act behind the socket."""
        root = host_.RemoteRoot(self._client)

        def rootly(path: pathlib.Path) -> rootonly.Rootly:
            return root

        def commands_of(path: pathlib.Path) -> commands.Run:
            return root.run

        self._put_in_place(rootly, commands_of)

    def start(self) -> None:
        """Start nova-compute."""
        watch = files.Watch(self._client, self._settings.state_path)
        sys.addaudithook(watch)
        self.mock_conn.return_value = libvirt.connection(self._client)
        with mock.patch(
            'nova.virt.node.get_local_node_uuid',
            return_value=self._settings.node,
        ):
            self._service = self.start_service(
                'compute', host=self._settings.host
            )
            self._service.driver._host.get_node_uuid()

    def obey(
        self, number: int, name: str, args: Collection[Any]
    ) -> tuple[int, bool, Any]:
        """Obey an order, and return what is answered."""
        try:
            return number, True, getattr(self, f'obey_{name}')(*args)
        except Exception:
            return number, False, traceback.format_exc()

    def obey_update(self) -> None:
        """Run the periodic update of the host's resources."""
        self._service.manager.update_available_resource(
            nova_context.get_admin_context()
        )

    def obey_holdings(self) -> Any:
        """Tell who holds what of the host."""
        return self._service.driver._ledger.holdings()

    def obey_audit(self) -> disagreement.Comparison:
        """Compare all sides."""
        found: disagreement.Comparison = self._service.driver._auditing.look()
        return found

    def obey_tracked(self) -> sides.Tracked:
        """Tell what Nova's tracker has."""
        return sides.tracked(self._service.manager.rt)
