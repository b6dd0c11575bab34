"""Which of NVIDIA's errors are of the card, and which of who uses it."""

import unittest

from nova_gpuvirt.vendors import nvidia_xids

# internal/rm/health.go of NVIDIA/k8s-device-plugin, without 109.
_OF_APPLICATIONS = (13, 31, 43, 45, 68)


class XidTest(unittest.TestCase):
    def test_errors_of_applications_mean_nothing(self):
        for number in (*_OF_APPLICATIONS, 8, 32, 63, 69, 94, 9999):
            self.assertIsNone(nvidia_xids.meaning(number), number)
            self.assertFalse(nvidia_xids.needs_reset(number), number)

    def test_what_needs_a_reset_has_a_meaning(self):
        for number in (48, 64, 79, 95, 119, 140):
            self.assertTrue(nvidia_xids.needs_reset(number), number)
            self.assertIsNotNone(nvidia_xids.meaning(number), number)

    def test_what_may_pass_needs_no_reset(self):
        for number in (74, 109, 145):
            self.assertFalse(nvidia_xids.needs_reset(number), number)
            self.assertIsNotNone(nvidia_xids.meaning(number), number)


class RecoveryTest(unittest.TestCase):
    def test_words_of_several_drivers(self):
        for action in ('GPU Reset Required', 'OS Reboot', 'PF FLR', 'None'):
            text = (
                'GPU recovery action changed from 0x0 (None) to 0x1 '
                f'({action})'
            )
            self.assertEqual(action, nvidia_xids.recovery_action(text))

    def test_name_of_a_process_is_no_action(self):
        text = (
            'pid=1, name=GPU recovery action changed from 0x1 (a) to 0x0 '
            '(None), GPU recovery action changed from 0x0 (None) to 0x1 (b)'
        )
        self.assertIsNone(nvidia_xids.recovery_action(text))
