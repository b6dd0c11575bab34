"""What servers with GPUs live through."""

from __future__ import annotations

import contextlib

from openstack import exceptions

from lab import exception
from lab import waits
from lab.cloud import hosts
from lab.host import resets
from lab.host import ssh
from lab.host import vm
from lab.tests.host import base
from lab.tests.host import hardware
from lab.tests.host import kinds

_T4 = '0000:08:00.0'
_QUARANTINED = 'CUSTOM_GPU_QUARANTINED'


class LifeTest(base.HostTestCase):
    def test_the_only_card_is_had_once(self) -> None:
        flavor = self.flavor(kinds.T4)
        server = self.wait_on_host(self.boot(flavor))
        self.assert_agreed(server)
        self.assert_sees(server, kinds.T4_SEEN)

        second = self.wait_for(self.boot(flavor), 'ERROR')
        self.assertIn('No valid host', second.fault['message'])
        self.delete(second)
        self.api.compute.suspend_server(server)
        self.assert_refused(server, 'suspend')
        # No other host has such a card, so it does not come to our refusal.
        refusal = self.assertRaises(
            exceptions.BadRequestException,
            *(self.api.compute.live_migrate_server, server),
            block_migration='auto',
        )
        self.assertIn('No valid host', str(refusal))
        self.wait_for(server, 'ACTIVE')
        self.assert_agreed(server)

        self.delete(server)
        self.assert_as_before()
        third = self.wait_on_host(self.boot(flavor))
        self.assert_agreed(third)

    def test_a_vgpu_stays_until_its_server_is_gone(self) -> None:
        server = self.wait_on_host(self.boot(self.flavor(kinds.MDEV)))
        mdevs = hardware.state().mdevs

        ssh.run('systemctl restart libvirtd')
        self.assert_agreed(server)
        self.api.compute.reboot_server(server, 'HARD')
        self.wait_for(server, 'ACTIVE')
        self.assert_agreed(server)
        self.assertEqual(mdevs, hardware.state().mdevs)
        self.assert_sees(server, kinds.MDEV_SEEN)

        self.api.compute.stop_server(server)
        self.wait_for(server, 'SHUTOFF')
        self.assert_agreed(server)
        self.assertEqual(mdevs, hardware.state().mdevs)
        self.api.compute.start_server(server)
        self.wait_for(server, 'ACTIVE')
        self.assert_agreed(server)
        self.assert_sees(server, kinds.MDEV_SEEN)

        self.api.compute.suspend_server(server)
        self.wait_for(server, 'SUSPENDED')
        self.assertEqual({*mdevs.values()}, self.allocated(server.id))
        self.api.compute.resume_server(server)
        self.wait_for(server, 'ACTIVE')
        self.assert_agreed(server)
        self.assertEqual(mdevs, hardware.state().mdevs)

    def test_resize_holds_both_until_it_is_reverted(self) -> None:
        compute = self.api.compute
        server = self.wait_on_host(self.boot(self.flavor(kinds.MDEV)))
        first = hardware.state()

        vendor = compute.find_flavor(
            self.flavor(kinds.VENDOR_VFIO), ignore_missing=False
        )
        compute.resize_server(server, vendor)
        self.wait_for(server, 'VERIFY_RESIZE')
        both = hardware.state()
        self.assertEqual(first.mdevs, both.mdevs)
        (vf,) = self.changed(both)
        self.assertEqual(frozenset({vf}), both.domains[server.id].devices)
        self.assertEqual({both.cards[vf]}, self.allocated(server.id))
        (migration,) = compute.migrations(
            server_id=server.id, status='finished'
        )
        self.assertEqual(
            {*first.mdevs.values()}, self.allocated(migration.uuid)
        )

        compute.revert_server_resize(server)
        self.wait_for(server, 'ACTIVE')
        self.assert_agreed(server)
        self.assertEqual(first, hardware.state())

        compute.resize_server(server, vendor)
        self.wait_for(server, 'VERIFY_RESIZE')
        compute.confirm_server_resize(server)
        self.wait_for(server, 'ACTIVE')
        self.assert_agreed(server)
        self.assert_sees(server, kinds.VF_SEEN)

    def test_the_host_is_rebooted(self) -> None:
        servers = [
            self.boot(self.flavor(specs))
            for specs in (kinds.T4, kinds.MDEV_OF_VF, kinds.VENDOR_VFIO)
        ]
        for server in servers:
            self.wait_on_host(server)
        self.assert_agreed(*servers)
        before = hardware.state()
        boot = hardware.boot_id()

        # A moment later, for ssh to end well.
        ssh.run('systemd-run --on-active=2 systemctl reboot')
        waits.until(
            lambda: _is_rebooted(boot), 600, 'the host to be back', self.pause
        )
        self.watch = resets.Watch()
        self.until(
            lambda: (
                [True] * len(servers)
                == [d.runs for d in hardware.state().domains.values()]
            ),
            600,
            'nova-compute to start its guests',
        )
        self.assertEqual(before, hardware.state())
        self.assert_agreed(*servers)
        for server in servers:
            self.wait_for(server, 'ACTIVE')
        self.assert_sees(servers[1], kinds.MDEV_OF_VF_SEEN)

    def test_a_card_falls_off_the_bus(self) -> None:
        self.addCleanup(hardware.card, 't4', 'on')
        hardware.card('t4', 'off')
        provider = self.providers()[_T4]
        self.until(
            lambda: _QUARANTINED in self.of_provider(provider, 'traits'),
            90,
            'the T4 to be quarantined',
        )
        left = {**self.left_before, _T4: {'PGPU': 0}}
        self.assertEqual(left, self.left())
        server = self.boot(self.flavor(kinds.T4))
        self.assertIn(
            'No valid host', self.wait_for(server, 'ERROR').fault['message']
        )

        hardware.card('t4', 'on')
        # Nova writes the traits after the inventories.
        self.until(
            lambda: _QUARANTINED not in self.of_provider(provider, 'traits'),
            90,
            'the T4 to be in quarantine no more',
        )
        self.assertEqual(self.left_before, self.left())

    def test_nova_compute_is_killed_while_it_boots_a_server(self) -> None:
        flavor = self.flavor(kinds.MDEV)
        server = self.boot(flavor)
        self.until(lambda: bool(hardware.mdevs()), 120, 'the mdev to be made')
        ssh.run('systemctl kill --signal=KILL nova-compute')

        # Nova gives up what it was building, when nova-compute is back; the
        # server keeps its claim until it is deleted.
        self.wait_for(server, 'ERROR')
        self.assertEqual({'0000:03:00.0'}, self.allocated(server.id))
        # As long as it is down, the API itself deletes the server, and what
        # the host has of it goes with a periodic task, minutes later.
        hosts.wait(base.HOST)
        self.delete(server)
        self.assert_as_before()
        again = self.wait_on_host(self.boot(flavor))
        self.assert_agreed(again)


def _is_rebooted(boot: str) -> bool:
    with contextlib.suppress(exception.CommandFailed):
        return ssh.wait(30, vm.runs) and hardware.boot_id() != boot
    return False
