"""What the tests of the virtual GPU host have in common."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from testtools import content

from lab import exception
from lab.cloud import readiness
from lab.host import resets
from lab.host import ssh
from lab.host import vm
from lab.steps import step
from lab.tests import base
from lab.tests.host import hardware
from lab.tests.host import spoiled

HOST = 'gpu-host'
INFIX = f'{HOST}_gpuvirt_'
# The provider of the one set of cards that the host has, and these.
FABRIC = 'fabric0'
CARDS_OF_SET = frozenset({'0000:01:00.0', '0000:02:00.0'})
# QEMU's emulation of nested virtualisation fails so now and then.
_EMULATION_FAILED = 'KVM internal error'


class HostTestCase(spoiled.SpoiledOnceTestCase, base.CloudTestCase):
    """A test before and after which nobody has any of the host's GPUs."""

    status_seconds = 600
    ready_seconds = 400
    # Each answer may take the VM a second of its own.
    pause = 2.0

    def setUp(self) -> None:
        self.watch = self.faults = resets.Watch()
        super().setUp()
        self.begin = time.monotonic()
        self.addOnException(self._add_details)
        # It may have been reset by the end of the test before this one.
        self.until(lambda: ssh.wait(30, vm.runs), 600, f'{HOST} to answer')
        self.until(
            lambda: readiness.compute(HOST), 300, f'{HOST} to be up in Nova'
        )
        # What a test before this one has left, would it have failed. Of a
        # server that was deleted while the host was down the guest is there
        # until nova-compute reaps it.
        self.until(lambda: not self.usages(), 120, 'no server to be left')
        self.until(self._is_bare, 120, 'no guest and no vGPU to be left')
        self.before = hardware.state()
        self.left_before = self.left()
        # The last of all, when the servers are gone.
        self.addCleanup(self.assert_as_before)

    def spoiled_by(self) -> str:
        """Tell of a fault of the host's emulated processors."""
        return self.faults.told_of_a_fault()

    @staticmethod
    def _is_bare() -> bool:
        state = hardware.state()
        return not state.domains and not state.vgpus

    def until(
        self, check: Callable[[], bool], seconds: float, what: str
    ) -> None:
        """Wait until something holds.

        :raises HostReset: once, when the host was reset meanwhile: what was
            waited for may never be
        """

        def holds() -> bool:
            if said := self.watch.told():
                self.watch = resets.Watch()
                raise exception.HostReset(said)
            return check()

        super().until(holds, seconds, what)

    def _add_details(self, _: object) -> None:
        """Let what failed tell what the host knows of it."""
        if said := self.watch.told():
            self.addDetail('reset', content.text_content(said))
        try:
            said = hardware.errors(time.monotonic() - self.begin)
        except exception.CommandFailed as e:
            said = f'its errors could not be read: {e}'
        self.addDetail('nova-compute', content.text_content(said))

    def assert_as_before(self) -> None:
        """Make sure that nobody has any GPU, whomever is asked."""
        self.until(
            lambda: self.left() == self.left_before,
            120,
            f'{self.left_before} to be left',
        )
        self.assertEqual({}, self.usages())
        self.assertEqual(self.before, hardware.state())

    def assert_agreed(self, *servers: Any) -> None:
        """Make sure that all know of these servers' GPUs, and of no others.

        Placement has their allocations, libvirt their guests, and the kernel
        the devices that these have: mdevs, functions with another driver or
        as a vGPU.
        """
        now = hardware.state()
        self.assertEqual({server.id for server in servers}, {*now.domains})
        for server in servers:
            domain = now.domains[server.id]
            have = {now.card_of(device) for device in domain.devices}
            have |= {domain.node} if domain.node else set()
            self.assertEqual(self.allocated(server.id), have)
        devices = {
            device
            for domain in now.domains.values()
            for device in domain.devices
        }
        self.assertEqual(devices - {*now.functions}, {*now.mdevs})
        self.assertEqual(devices - {*now.mdevs}, self.changed(now))

    def changed(self, now: hardware.State) -> set[str]:
        """Name the functions that are not as they were before the test."""
        return {
            address
            for address, function in now.functions.items()
            if function != self.before.functions[address]
        }

    def allocated(self, consumer: str) -> set[str]:
        """Ask Placement of which GPUs a server, or a migration, has any.

        Of a set it has the cards.
        """
        answer = self.api.placement.get(f'/allocations/{consumer}')
        named = {uuid: address for address, uuid in self.providers().items()}
        found = {
            named[provider]
            for provider in answer.json()['allocations']
            if provider in named
        }
        return found - {FABRIC} | (CARDS_OF_SET if FABRIC in found else set())

    def flavor(self, specs: Mapping[str, str], ram: int = 256) -> str:
        """Make a flavor, and say its name."""
        compute = self.api.compute
        flavor = compute.create_flavor(
            name=f'lab-{uuid.uuid4()}', ram=ram, vcpus=1, disk=1
        )
        self.addCleanup(compute.delete_flavor, flavor)
        compute.create_flavor_extra_specs(flavor, {**specs})
        return str(flavor.name)

    def wait_on_host(self, server: Any) -> Any:
        """Wait until a server is ACTIVE, on the virtual host."""
        server = self.wait_for(server, 'ACTIVE')
        self.assertEqual(HOST, server.hypervisor_hostname)
        return server

    def console(self, server: Any) -> str:
        """Wait for the guest; start it again where QEMU failed it."""
        try:
            return super().console(server)
        except (exception.NotReady, self.failureException):
            domain = self.api.compute.get_server(server).instance_name
            if _EMULATION_FAILED not in hardware.log_of(domain):
                raise
        with step(f'{domain}: {_EMULATION_FAILED}, as TCG has it; once more'):
            self.api.compute.reboot_server(server, 'HARD')
            self.wait_for(server, 'ACTIVE')
        return super().console(server)

    def assert_sees(self, server: Any, *wanted: tuple[str, str]) -> None:
        """Make sure that a guest sees functions of these ids and classes."""
        seen = Counter(self.functions(server).values())
        self.assertEqual(Counter(), Counter(wanted) - seen, str(seen))

    def assert_refused(self, server: Any, action: str) -> Any:
        """Make sure that an action ended in an error, and changed nothing."""

        def has_ended() -> bool:
            actions = self.api.compute.server_actions(server)
            return any(
                one.action == action and one.message == 'Error'
                for one in actions
            )

        self.until(has_ended, 120, f'{action} to be refused')
        return self.wait_for(server, 'ACTIVE')

    def providers(self) -> dict[str, str]:
        """Find the UUIDs of the host's GPUs in Placement, by address."""
        return {
            provider.name.removeprefix(INFIX): provider.id
            for provider in self.api.placement.resource_providers()
            if provider.name.startswith(INFIX)
        }

    def of_provider(self, provider: str, what: str) -> Any:
        """Read the inventories, traits or usages of a provider."""
        answer = self.api.placement.get(
            f'/resource_providers/{provider}/{what}'
        )
        return answer.json()[what]

    def left(self) -> dict[str, dict[str, int]]:
        """Count what can be had of each GPU, class by class."""
        left = {}
        for address, provider in self.providers().items():
            usages = self.of_provider(provider, 'usages')
            left[address] = {
                class_: one['total'] - one['reserved'] - usages[class_]
                for class_, one in self.of_provider(
                    provider, 'inventories'
                ).items()
            }
        return left
