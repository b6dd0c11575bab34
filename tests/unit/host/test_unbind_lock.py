"""NVIDIA's lock is asked where it is there."""

import os
import threading

from nova_gpuvirt import model
from nova_gpuvirt.host import files
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.host import unbind_lock
from nova_gpuvirt.simulation import root
from tests.unit.simulation import base

_T4 = model.PciAddress.parse('0000:3b:00.0')


class UnbindLockTest(base.TestCase):
    def hold(self, card, *, wanted):
        seen = sysfs.Sysfs(self.host.root, root.Root(self.host))
        return seen.hold_unbind_lock(card, wanted=wanted)

    def test_it_is_held_when_nobody_has_the_card(self):
        self.start('t4')
        pid = self.host.start('x', '/dev/nvidia0')
        self.assertIs(False, self.hold(_T4, wanted=True))
        self.host.stop(pid)
        for _ in range(2):
            self.assertIs(True, self.hold(_T4, wanted=True))
        self.assertTrue(unbind_lock.is_held(files.OnDisk(self.host.root), _T4))
        for _ in range(2):
            self.assertIs(False, self.hold(_T4, wanted=False))

    def test_driver_that_waits_for_a_card_is_not_waited_for(self):
        class Hanging:
            def hold_unbind_lock(self, address, wanted):
                raise TimeoutError('the privsep daemon does not answer')

        self.start('t4')
        (self.host.root / unbind_lock._path(_T4)).unlink()
        os.mkfifo(self.host.root / unbind_lock._path(_T4))
        seen = sysfs.Sysfs(self.host.root, Hanging())
        answers = []

        def ask():
            for wanted in (True, False):
                try:
                    seen.hold_unbind_lock(_T4, wanted=wanted)
                except TimeoutError:
                    answers.append(wanted)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(5)
        self.assertEqual([True, False], answers)

    def test_a_card_of_another_driver_has_none(self):
        self.start('navi')
        card = model.PciAddress.parse('0000:44:00.0')
        self.assertIsNone(self.hold(card, wanted=True))

    def test_text_is_that_of_the_driver(self):
        self.start('t4')
        place = self.host.root / f'proc/driver/nvidia/gpus/{_T4}/unbindLock'
        self.assertIs(False, unbind_lock.hold(self.host.root, _T4, False))
        self.assertEqual('0\n', place.read_text())
