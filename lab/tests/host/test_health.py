"""Cards that are sick, that can't be reset, and that are replaced."""

from __future__ import annotations

from typing import Any

from openstack import exceptions

from lab.host import machine
from lab.host import served
from lab.tests.host import base
from lab.tests.host import hardware
from lab.tests.host import kinds

_NAME = 't4'
_T4 = machine.address_of(_NAME)
_QUARANTINED = 'CUSTOM_GPU_QUARANTINED'


class HealthTest(base.HostTestCase):
    """One card, and what Placement says of it."""

    def setUp(self) -> None:
        super().setUp()
        self.provider = self.providers()[_T4]

    def test_fatal_error_of_a_card(self) -> None:
        hardware.inject(_T4, hardware.Error.DATA_LINK_PROTOCOL)
        self.wait_for_quarantine()
        self.wait_for_offer()

    def test_errors_of_a_port_that_are_not_fatal(self) -> None:
        """It takes as many updates of nova-compute as [gpuvirt]sick_after."""
        port = machine.port_of(_NAME)
        hardware.inject(port, hardware.Error.COMPLETION_TIMEOUT)

        def is_quarantined() -> bool:
            hardware.inject(port, hardware.Error.COMPLETION_TIMEOUT)
            return self.is_quarantined()

        self.until(is_quarantined, 90, 'the T4 to be quarantined')
        self.wait_for_quarantine()
        self.wait_for_offer()

    def test_card_is_drained_and_replaced(self) -> None:
        flavor = self.flavor(kinds.T4)
        server = self.wait_on_host(self.boot(flavor))
        self.addCleanup(hardware.command, 'release', _T4)
        hardware.command('quarantine', _T4, '--reason', '"its fan rattles"')
        self.wait_for_quarantine()
        self.assert_agreed(server)
        self.delete(server)

        self.addCleanup(hardware.card, _NAME, served.State.ON)
        hardware.card(_NAME, served.State.OUT)
        self.assertNotIn(_T4, hardware.state().functions)
        hardware.card(_NAME, served.State.ON)
        self.until(
            lambda: _T4 in hardware.state().functions,
            30,
            'the kernel to find the new T4',
        )
        self.assertTrue(self.is_quarantined())
        hardware.command('release', _T4)
        self.wait_for_offer()
        server = self.wait_on_host(self.boot(flavor))
        self.assert_agreed(server)
        self.assert_sees(server, kinds.T4_SEEN)

    def test_card_that_can_not_be_reset(self) -> None:
        """Nobody gets it while it may hold what its last guest has left."""
        server = self.wait_on_host(self.boot(self.flavor(kinds.T4)))
        self.addCleanup(hardware.command, 'release', _T4)
        self.addCleanup(hardware.reset_by, _T4, 'default')
        self.addCleanup(hardware.card, _NAME, served.State.ON)
        # One way alone: the kernel waits 71 s for the card after each.
        hardware.reset_by(_T4, 'flr')
        hardware.card(_NAME, served.State.STUCK)
        self.delete_at_last(server)
        self.assert_nothing_left()
        self.wait_for_quarantine(600)

        hardware.card(_NAME, served.State.ON)
        hardware.command('release', _T4)
        self.wait_for_offer()

    def delete_at_last(self, server: Any) -> None:
        """Delete a server whose guest takes minutes to end.

        Nova gives up before that, and the server is in ERROR: so it is asked
        again, as by the server's user.
        """

        def is_gone() -> bool:
            try:
                found = self.api.compute.get_server(server.id)
            except exceptions.NotFoundException:
                return True
            if found.status == 'ERROR' and not found.task_state:
                self.api.compute.delete_server(found)
            self.assert_nothing_left()
            return False

        self.api.compute.delete_server(server)
        self.until(is_gone, self.status_seconds, f'{server.id} to be deleted')

    def is_quarantined(self) -> bool:
        return _QUARANTINED in self.of_provider(self.provider, 'traits')

    def wait_for_quarantine(self, seconds: float = 90) -> None:
        """Wait until the card is in quarantine, and nothing of it is left.

        Nova writes the traits after the inventories.
        """
        self.until(self.is_quarantined, seconds, 'the T4 to be quarantined')
        self.assert_nothing_left()

    def assert_nothing_left(self) -> None:
        """Make sure that nobody can have the card."""
        (left,) = self.left()[_T4].values()
        self.assertLessEqual(left, 0)

    def wait_for_offer(self) -> None:
        """Wait until all is as before."""
        self.until(
            lambda: not self.is_quarantined(),
            120,
            'the T4 to be in quarantine no more',
        )
        self.assertEqual(self.left_before, self.left())
