"""``nova-gpuvirt prove`` on a real kernel, with real guests."""

from __future__ import annotations

import re

from testtools import content

from lab.host import ssh
from lab.steps import step
from lab.tests.host import base
from lab.tests.host import hardware

_COMMAND = '/opt/nova/bin/nova-gpuvirt prove --yes --seconds 400'
# The host offers QEMU's display as a GPU.
_WITH_DISPLAYS = '--accelerator 1234:1111'
# The driver that plays NVIDIA has it by an override alone, so libvirt gives it
# back to another one.
_NOT_WHOLE = '0000:03:00.0'
# What it says of a guest that QEMU stops, and of one whose kernel never began:
# QEMU's emulation of nested virtualisation does both now and then.
_EMULATION_FAILED = re.compile("paused by QEMU|that it runs, and said ''")
_TRIES = 3
# A line of the report, with the class of the offer.
_PASSED = re.compile(r'^  passed  (\S+)  [\d./ ]+ s$', re.M)


class ProveTest(base.HostTestCase):
    """No servers are there; nova-compute runs."""

    def prove(self, card: str) -> tuple[int, str]:
        """Run the command for a card, and give its status and what it said.

        It is run again where QEMU's emulation fails a guest.
        """
        command = _COMMAND
        if card in base.CARDS_OF_SET:
            command = f'{_COMMAND} {_WITH_DISPLAYS}'
        for _ in range(_TRIES):
            with step(f'prove {card}'):
                said = ssh.run(f'{command} {card} 2>&1; echo $?')
            self.addDetail(f'prove {card}', content.text_content(said))
            report, _, last = said.rstrip().rpartition('\n')
            if not _EMULATION_FAILED.search(report):
                break
        return int(last), report

    def test_each_offer_passes_and_leaves_the_host_as_it_was(self) -> None:
        found, expected = {}, {}
        for card, left in self.left_before.items():
            if card != base.FABRIC and any(left.values()):
                status, said = self.prove(card)
                found[card] = (status, {*_PASSED.findall(said)})
                # What VGPU stands for has a class of its own, too.
                offered = {c for c, n in left.items() if n} - {'VGPU'}
                if card == _NOT_WHOLE:
                    offered -= {'PGPU'}
                expected[card] = (0, offered)
                self.assertEqual(self.before, hardware.state())
        self.assertEqual(expected, found)

    def test_driver_that_says_what_is_not_so_fails(self) -> None:
        """It says that a VF is a vGPU, which it is not."""
        card = '/sys/bus/pci/devices/0000:06:00.0'
        said = f'{card}/virtfn*/nvidia/current_vgpu_type'
        false = '/run/current_vgpu_type'
        ssh.run(
            f'echo 0 > {false}; '
            f'for file in {said}; do mount --bind {false} $file; done'
        )
        self.addCleanup(ssh.run, f'umount {said}')
        status, report = self.prove('0000:06:00.0')
        self.assertEqual(1, status)
        self.assertIn('  FAILED  CUSTOM_VGPU_NVIDIA_SIM_1Q', report)
        self.assertNotIn('  passed  CUSTOM_VGPU', report)
