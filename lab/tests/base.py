"""What the tests on the running cloud have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import libvirt
import testtools
from openstack import exceptions

from lab import exception
from lab import waits
from lab.cloud import api
from lab.cloud import images
from lab.cloud import values
from lab.steps import step

_READY = 'GUEST-READY'
# A power_state of Nova's API.
_PAUSED = 3
# The first status of HTTP that says that a service failed.
_SERVER_FAILED = 500
_FUNCTION = re.compile(
    r'^PCI ([0-9a-f:.]+) ([0-9a-f]{4}:[0-9a-f]{4}) (0x[0-9a-f]+)\s*$',
    re.MULTILINE,
)


class CloudTestCase(testtools.TestCase):
    """A test that has servers, which are gone when it ends."""

    # How long a server may take to get a status, and its guest to be up, on a
    # machine with little to do.
    status_seconds = 180
    ready_seconds = 120
    # Seconds between two questions.
    pause = 0.3

    def setUp(self) -> None:
        super().setUp()
        self.cloud = values.Cloud()
        self.api = api.connect()

    def boot(
        self, flavor: str, image_name: str = images.IMAGE, **more: Any
    ) -> Any:
        """Ask for a server, without a network.

        :param more: what else the API is told of it
        """
        compute = self.api.compute
        image = self.api.image.find_image(image_name, ignore_missing=False)
        server = compute.create_server(
            name=self.id().rpartition('.')[2],
            flavor_id=compute.find_flavor(flavor, ignore_missing=False).id,
            image_id=image.id,
            networks='none',
            **more,
        )
        self.addCleanup(self.delete, server)
        return server

    def wait_for(self, server: Any, status: str) -> Any:
        """Wait until a server has a status and nothing to do."""

        def has_it() -> bool:
            nonlocal server
            server = self.api.compute.get_server(server.id)
            if server.status == 'ERROR' != status:
                self.fail(_found(server, status))
            return bool(server.status == status and not server.task_state)

        with step(f'{self._testMethodName}: {status}'):
            try:
                self.until(has_it, self.status_seconds, status)
            except exception.NotReady as e:
                self.fail(f'{_found(server, status)}; {e}')
        return server

    def delete(self, server: Any) -> None:
        """Delete a server, and wait until it is gone."""

        def is_gone() -> bool:
            try:
                self.api.compute.get_server(server.id)
            except exceptions.NotFoundException:
                return True
            return False

        self.api.compute.delete_server(server, ignore_missing=True)
        self.until(is_gone, self.status_seconds, f'{server.id} to be deleted')

    def console(self, server: Any) -> str:
        """Wait until the guest is up, and give all that it said."""
        said = ''

        def is_ready() -> bool:
            nonlocal said
            answer = self.api.compute.get_server_console_output(server)
            said = answer['output'] or ''
            return _READY in said or self.is_paused(server)

        with step(f'{self._testMethodName}: {_READY}'):
            self.until(
                is_ready, self.ready_seconds, f'{_READY} on the console'
            )
        self.assertIn(_READY, said, 'the guest was paused')
        return said

    def is_paused(self, server: Any) -> bool:
        """Ask Nova whether QEMU has stopped a guest by itself."""
        found = self.api.compute.get_server(server)
        return bool(found.power_state == _PAUSED)

    def functions(self, server: Any) -> dict[str, tuple[str, str]]:
        """Wait for the guest's own word of the PCI functions it has.

        :return: by address: ``vendor:device``, and the class
        """
        return {
            address: (ids, class_)
            for address, ids, class_ in _FUNCTION.findall(self.console(server))
        }

    def domain(self, server: Any) -> str:
        """Ask libvirt for a server's domain: running, defined or none."""
        connection = libvirt.open(self.cloud.libvirt_uri)
        self.addCleanup(connection.close)
        for domain in connection.listAllDomains():
            if domain.UUIDString() == server.id:
                return 'running' if domain.isActive() else 'defined'
        return 'none'

    def usages(self) -> dict[str, dict[str, int]]:
        """Ask Placement what is used of each provider, where anything is."""
        used = {}
        for provider in self.api.placement.resource_providers():
            answer = self.api.placement.get(
                f'/resource_providers/{provider.id}/usages'
            )
            usages = {
                class_: amount
                for class_, amount in answer.json()['usages'].items()
                if amount
            }
            if usages:
                used[provider.name] = usages
        return used

    def until(
        self, check: Callable[[], bool], seconds: float, what: str
    ) -> None:
        """Wait until something holds.

        A check that one of the cloud's services failed to answer, which it
        does when another of them takes too long, is made again.

        :param seconds: of a machine with little to do
        :raises NotReady: when it does not hold in time
        """
        failed = ''

        def holds() -> bool:
            nonlocal failed
            try:
                held = check()
            except exceptions.HttpException as e:
                if not e.status_code or e.status_code < _SERVER_FAILED:
                    raise
                failed = f'; the last answer was: {e}'
                return False
            failed = ''
            return held

        try:
            waits.until(holds, seconds, what, self.pause)
        except exception.NotReady as e:
            raise exception.NotReady(f'{e}{failed}') from e


def _found(server: Any, wanted: str) -> str:
    return (
        f'{server.id}: wanted {wanted}, found {server.status}'
        f' ({server.task_state}): {server.fault}'
    )
