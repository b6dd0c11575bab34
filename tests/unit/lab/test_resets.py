"""A reset of the VM is told from what QEMU and the console's log say."""

import unittest

from lab.host import resets

_RESET = (
    '{"timestamp": {"seconds": 1795926773, "microseconds": 15923},'
    ' "event": "RESET", "data": {"guest": true, "reason": "guest-reset"}}\n'
)
_CARD = (
    '{"timestamp": {"seconds": 1795927571, "microseconds": 813768},'
    ' "event": "NIC_RX_FILTER_CHANGED", "data": {"path": "/machine"}}\n'
)
_FAULT = '2026-11-29T04:31:49.888884Z Triple fault\n'
_CPU = 'CPU Reset (CPU 0)\nEAX=00000000 EBX=00000000\n'
_BOOT = '[    0.000000] Linux version 6.12.118+deb13-amd64\n[    0.1] more\n'


class ResetsTest(unittest.TestCase):
    def test_where_there_was_none_nothing_is_told(self):
        self.assertEqual('', resets.told(_CARD, _CPU, 'login: '))

    def test_a_reset_has_a_time_and_what_the_console_said_before(self):
        console = f'reboot: Restarting system\r\n\x1b[0;32mlast{_BOOT}'
        told = resets.told(f'{_CARD}{_RESET}', _CPU, console)
        self.assertIn('2026-11-29T04:32:53Z RESET', told)
        self.assertIn('guest-reset', told)
        self.assertIn('  reboot: Restarting system\n  last', told)
        for other in ('NIC_RX', 'Triple fault', 'Linux version', 'EAX'):
            self.assertNotIn(other, told)

    def test_a_triple_fault_is_named_where_the_console_says_nothing(self):
        told = resets.told(_RESET, f'{_CPU}{_FAULT}{_CPU}', _BOOT)
        self.assertIn(f'  {_FAULT}', told)
        self.assertTrue(told.endswith('  (nothing)'), told)

    def test_the_end_of_a_long_console_is_told(self):
        console = ''.join(f'line {n}\n' for n in range(100))
        told = resets.told(_RESET, '', console)
        self.assertNotIn('line 79\n', told)
        self.assertIn('line 80\n', told)
        self.assertTrue(told.endswith('line 99'), told)
