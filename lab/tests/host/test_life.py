"""What servers with GPUs live through."""

from __future__ import annotations

from lab.host import ssh
from lab.tests.host import base
from lab.tests.host import hardware

_1Q = 'resources:CUSTOM_VGPU_NVIDIA_SIM_1Q'
_MDEV = {_1Q: '1', 'trait:CUSTOM_GPU_ID_1234_1111': 'required'}
_T4 = {
    'resources:PGPU': '1',
    'trait:CUSTOM_GPU_MODEL_TESLA_T4': 'required',
}


class LifeTest(base.HostTestCase):
    def test_the_only_card_is_had_once(self) -> None:
        flavor = self.flavor(**_T4)
        server = self.wait_for(self.boot(flavor), 'ACTIVE')
        second = self.wait_for(self.boot(flavor), 'ERROR')
        self.assertIn('No valid host', second.fault['message'])
        self.delete(server)
        self.until(
            lambda: self.left()['0000:08:00.0'] == {'PGPU': 1},
            60,
            'the T4 to be free again',
        )
        self.wait_for(self.boot(flavor), 'ACTIVE')

    def test_reboots_keep_the_vgpu(self) -> None:
        server = self.wait_for(self.boot(self.flavor(**_MDEV)), 'ACTIVE')
        seen = self.functions(server)
        mdevs = hardware.mdevs()
        self.assertEqual(1, len(mdevs))

        self.api.compute.reboot_server(server, 'HARD')
        self.wait_for(server, 'ACTIVE')
        self.assertEqual(mdevs, hardware.mdevs())
        self.assertEqual(seen, self.functions(server))

        self.api.compute.stop_server(server)
        self.wait_for(server, 'SHUTOFF')
        self.assertEqual(mdevs, hardware.mdevs())
        self.api.compute.start_server(server)
        self.wait_for(server, 'ACTIVE')
        self.assertEqual(mdevs, hardware.mdevs())
        self.assertEqual(seen, self.functions(server))

    def test_card_that_falls_off_the_bus(self) -> None:
        self.addCleanup(hardware.card, 't4', 'on')
        hardware.card('t4', 'off')
        provider = self.providers()['0000:08:00.0']
        self.until(
            lambda: (
                'CUSTOM_GPU_QUARANTINED'
                in self.of_provider(provider, 'traits')
            ),
            90,
            'the T4 to be quarantined',
        )
        left = self.left()
        self.assertEqual({'PGPU': 0}, left['0000:08:00.0'])
        self.assertEqual({'PGPU': 1}, left['0000:09:00.0'])

        hardware.card('t4', 'on')
        self.until(
            lambda: self.left()['0000:08:00.0'] == {'PGPU': 1},
            90,
            'the T4 to be offered again',
        )
        self.assertNotIn(
            'CUSTOM_GPU_QUARANTINED', self.of_provider(provider, 'traits')
        )

    def test_nova_compute_is_killed_while_it_boots_a_server(self) -> None:
        flavor = self.flavor(**_MDEV)
        left = self.left()
        server = self.boot(flavor)
        self.until(lambda: bool(hardware.mdevs()), 120, 'the mdev to be made')
        ssh.run('systemctl kill --signal=KILL nova-compute')

        self.wait_for(server, 'ERROR')
        self.delete(server)
        self.until(lambda: not hardware.mdevs(), 120, 'no mdev to be left')
        self.until(lambda: self.left() == left, 60, f'{left} to be left')
        self.wait_for(self.boot(flavor), 'ACTIVE')
