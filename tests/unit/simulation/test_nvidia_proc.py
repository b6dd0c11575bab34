"""NVIDIA's driver lets a card go only when nobody has it open."""

import errno

from tests.unit.simulation import base

CARD = '0000:5e:00.0'
NODE = '/dev/nvidia1'
PLACE = f'/proc/driver/nvidia/gpus/{CARD}'


class NvidiaProcTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.start('t4')

    def unbind(self):
        self.host.write(self.device(CARD, 'driver/unbind'), CARD)

    def lock(self, value):
        self.host.write(f'{PLACE}/unbindLock', f'{value}\n')
        return self.read(f'{PLACE}/unbindLock')

    def test_each_card_has_its_minor(self):
        text = self.read(f'{PLACE}/information')
        self.assertIn('\nDevice Minor: \t 1\n', text)
        self.unbind()
        self.assertFalse(self.path(PLACE).exists())
        self.host.write(f'{base.PCI}/drivers_probe', CARD)
        self.assertEqual(text, self.read(f'{PLACE}/information'))

    def test_unbinding_waits_for_who_has_it_open(self):
        pid = self.host.start('python3', NODE)
        self.host.start('python3', '/dev/nvidia0')
        self.assert_waits(lambda: self.host.stop(pid), self.unbind)
        self.assertIsNone(self.driver(CARD))

    def test_lock_is_granted_while_nobody_has_it_open(self):
        pid = self.host.start('python3', NODE)
        self.assertEqual('0\n', self.lock(1))
        self.host.stop(pid)
        self.assertEqual('1\n', self.lock(1))
        error = self.assertRaises(OSError, self.host.start, 'x', NODE)
        self.assertEqual(errno.ENODEV, error.errno)
        self.assertEqual('0\n', self.lock(0))
        self.host.start('python3', NODE)

    def test_lock_goes_with_the_driver(self):
        self.lock(1)
        self.unbind()
        self.host.write(f'{base.PCI}/drivers_probe', CARD)
        self.assertEqual('0\n', self.read(f'{PLACE}/unbindLock'))
