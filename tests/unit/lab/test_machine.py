"""QEMU's command line has every card where the table says."""

import json
import unittest

from lab.host import machine


def _options():
    return machine.options(
        *('vmlinuz', 'initrd', 'disk', 'console'), ssh_port=2222, kvm=False
    )


def _devices():
    words = _options()
    pairs = zip(words, words[1:], strict=False)
    return [value for option, value in pairs if option == '-device']


class MachineTest(unittest.TestCase):
    def test_each_card_is_behind_a_port_of_its_own(self):
        ports = [d for d in _devices() if d.startswith('pcie-root-port')]
        self.assertEqual(len(machine.CARDS), len(ports))
        self.assertEqual(len(ports), len({p.split('addr=')[1] for p in ports}))

    def test_the_audio_function_is_in_the_slot_of_its_display(self):
        display, audio = (d for d in _devices() if 'bus=port0' in d)
        self.assertIn('addr=0.0', display)
        self.assertIn('multifunction=on', display)
        self.assertTrue(audio.startswith('ich9-intel-hda'))
        self.assertIn('addr=0.1', audio)

    def test_virtual_functions_come_before_their_card(self):
        *vfs, card = (d for d in _devices() if 'bus=port3' in d)
        self.assertEqual(4, len(vfs))
        for number, vf in enumerate(vfs, 1):
            self.assertIn(f'addr=0.{number},sriov-pf=card3', vf)
        self.assertIn('id=card3,', card)

    def test_served_cards_have_the_sockets_of_their_servers(self):
        served = [json.loads(d) for d in _devices() if d.startswith('{')]
        self.assertEqual(
            [c.served for c in machine.CARDS if c.served],
            [d['socket']['path'].removesuffix('.sock') for d in served],
        )

    def test_an_address_counts_the_rows(self):
        self.assertEqual('0000:01:00.0', machine.address(0))
        self.assertEqual('0000:08:00.0', machine.address_of('t4'))

    def test_only_ssh_goes_in_and_nothing_out(self):
        (network,) = (w for w in _options() if w.startswith('user,'))
        self.assertIn('restrict=on', network)
        self.assertEqual(1, network.count('hostfwd='))
        self.assertIn('hostfwd=tcp:127.0.0.1:2222-:22', network)
