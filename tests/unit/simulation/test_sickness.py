"""A card falls sick as a real one does, and reads as before when healed."""

import subprocess

from nova_gpuvirt.simulation import sickness
from tests.unit.simulation import base

_CARD = '0000:3b:00.0'
_QUERY = ('nvidia-smi', '-q', '-i', _CARD)


class SicknessTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.start('t4')
        self.sickness = sickness.Sickness(self.host, _CARD)

    def config(self):
        return self.path(self.device(_CARD, 'config')).read_bytes()

    def test_ones_are_in_the_configuration_space_alone(self):
        before, vendor = self.config(), self.device(_CARD, 'vendor')
        for _ in range(2):
            self.sickness.answer_with_ones()
        self.assertEqual({0xFF}, set(self.config()))
        self.assertEqual('0x10de\n', self.read(vendor))
        self.sickness.heal()
        self.assertEqual(before, self.config())

    def test_errors_add_up_to_the_total(self):
        for expected in (2, 4):
            self.sickness.count('nonfatal', 2)
            text = self.read(self.device(_CARD, 'aer_dev_nonfatal'))
            self.assertEqual(
                f'TOTAL_ERR_NONFATAL {expected}', text.splitlines()[-1]
            )

    def test_command_says_something_else_of_this_card_alone(self):
        other = (*_QUERY[:-1], '0000:5e:00.0')
        before = [self.host.run(argv) for argv in (_QUERY, other)]
        self.sickness.complain('GPU Recovery Action', 'Reset')
        self.assertRegex(
            self.host.run(_QUERY), '\n    GPU Recovery Action +: Reset\n'
        )
        self.assertEqual(before[1], self.host.run(other))
        self.sickness.heal()
        self.assertEqual(before[0], self.host.run(_QUERY))

    def test_command_fails_for_a_card_that_is_lost(self):
        self.sickness.be_lost()
        error = self.assertRaises(
            subprocess.CalledProcessError, self.host.run, _QUERY
        )
        self.assertEqual(15, error.returncode)
        self.assertIn('GPU is lost', error.output)

    def test_node_goes_and_comes(self):
        self.start('h100')
        ill = sickness.Sickness(self.host, '0000:1b:00.0')
        folder = self.device('0000:1b:00.0', 'vfio-dev')
        (name,) = self.names(folder)
        node = self.path(f'/dev/vfio/devices/{name}')
        self.assertTrue(node.exists())
        ill.lose_node()
        self.assertFalse(node.exists())
        ill.heal()
        self.assertTrue(node.exists())


class NodeTest(base.TestCase):
    def test_node_is_there_while_vfio_has_the_function(self):
        self.start('h100')
        address = '0000:1b:00.0'
        (name,) = self.names(self.device(address, 'vfio-dev'))
        self.host.write('/sys/bus/pci/drivers/vfio-pci/unbind', address)
        self.assertNotIn(name, self.names('/dev/vfio/devices'))
        self.host.reboot()
        self.assertIn(name, self.names('/dev/vfio/devices'))


class LogTest(base.TestCase):
    def test_reboot_begins_the_log_anew(self):
        self.start('t4')
        sickness.Sickness(self.host, _CARD).say('vfio-pci {}: x\x1b')
        *_, last = self.host.log.records()
        self.assertEqual(b'3,1,1000,-;vfio-pci 0000:3b:00.0: x\\x1b\n', last)
        self.host.reboot()
        (first,) = self.host.log.records()
        self.assertTrue(first.startswith(b'3,0,0,-;'))
