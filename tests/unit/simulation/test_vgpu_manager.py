"""NVIDIA's manager keeps a vGPU after its guest, and may be wedged."""

import errno

from tests.unit.simulation import base

_PF = '0001:c8:00.0'
_VF = '0001:c8:00.2'
_T4 = '0000:3b:00.0'
_CURRENT = 'nvidia/current_vgpu_type'


class VfTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.start('domain-1')
        self.before = self.host.snapshot()
        self.write('1535')
        self.host.hold(_VF)

    def write(self, text):
        self.host.write(self.device(_VF, _CURRENT), text)

    def current(self):
        return int(self.read(self.device(_VF, _CURRENT)))

    def test_vf_can_be_taken_back_when_its_guest_ended(self):
        self.host.release_hold(_VF)
        self.write('0')
        self.assertEqual(self.before, self.host.snapshot())

    def test_manager_keeps_it_for_a_while(self):
        self.host.linger(5)
        self.host.release_hold(_VF)
        for _ in range(2):
            self.assert_refused(errno.EBUSY, self.write, '0')
            self.host.advance(2)
        self.host.advance(1)
        self.write('0')
        self.assertEqual(self.before, self.host.snapshot())

    def test_manager_may_take_it_back_itself(self):
        self.host.linger(5, removes=True)
        self.host.release_hold(_VF)
        self.host.advance(5)
        self.assertEqual(0, self.current())
        self.assert_refused(errno.EPERM, self.write, '0')

    def test_what_no_guest_had_is_not_kept(self):
        self.host.release_hold(_VF)
        self.write('0')
        self.write('1535')
        self.host.linger(5)
        self.host.release_hold(_VF)
        self.write('0')

    def test_sigterm_is_heard_when_the_plugin_has_started(self):
        self.assertFalse(self.host.terminate([_VF], 10))
        self.assertFalse(self.host.terminate([_VF], 10))
        self.assertTrue(self.host.terminate([_VF], 10))
        self.assertTrue(self.host.terminate([_VF], 0))

    def test_sigkill_wedges_while_the_plugin_starts(self):
        self.host.advance(29)
        self.host.kill([_VF])
        self.host.release_hold(_VF)
        self.assertEqual({_VF}, self.host.wedged())
        self.write('0')
        self.assertEqual(self.before, self.host.snapshot())
        self.assertEqual({_VF}, self.host.wedged())

    def test_end_of_the_vfs_cures_it(self):
        self.host.kill([_VF])
        self.host.release_hold(_VF)
        self.host.write(self.device(_PF, 'driver/unbind'), _PF)
        self.assertEqual(frozenset(), self.host.wedged())

    def test_later_sigkill_does_no_harm(self):
        self.host.advance(30)
        self.host.kill([_VF])
        self.assertEqual(frozenset(), self.host.wedged())

    def test_reboot_ends_all_of_it(self):
        self.host.kill([_VF])
        self.host.reboot()
        self.assertEqual(frozenset(), self.host.wedged())


class MdevTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.start('t4')
        self.before = self.host.snapshot()
        self.create(_T4, 'nvidia-231', base.UUID_1)
        self.host.hold(base.UUID_1)

    def test_manager_keeps_it_for_a_while(self):
        self.host.linger(5)
        self.host.release_hold(base.UUID_1)
        self.assert_refused(errno.EBUSY, self.remove, base.UUID_1)
        self.host.advance(5)
        self.remove(base.UUID_1)
        self.assertEqual(self.before, self.host.snapshot())

    def test_manager_may_remove_it_itself(self):
        self.host.linger(5, removes=True)
        self.host.release_hold(base.UUID_1)
        self.host.advance(5)
        self.assertEqual(self.before, self.host.snapshot())

    def test_sigkill_wedges_it_whatever_is_removed(self):
        self.host.kill([base.UUID_1])
        self.host.release_hold(base.UUID_1)
        self.remove(base.UUID_1)
        self.create(_T4, 'nvidia-231', base.UUID_1)
        self.assertEqual({base.UUID_1}, self.host.wedged())
        self.host.reboot()
        self.assertEqual(frozenset(), self.host.wedged())

    def test_end_of_its_vf_cures_it(self):
        self.start('a40')
        self.create('0000:41:00.4', 'nvidia-558', base.UUID_1)
        self.host.hold(base.UUID_1)
        self.host.kill([base.UUID_1])
        self.host.release_hold(base.UUID_1)
        card = '0000:41:00.0'
        self.host.write(self.device(card, 'driver/unbind'), card)
        self.assertEqual(frozenset(), self.host.wedged())


class OthersTest(base.TestCase):
    def test_gvtg_has_no_such_manager(self):
        self.start('gvtg')
        self.create('0000:00:02.0', 'i915-GVTg_V5_4', base.UUID_1)
        self.host.linger(5)
        self.host.hold(base.UUID_1)
        self.assertTrue(self.host.terminate([base.UUID_1], 0))
        self.host.release_hold(base.UUID_1)
        self.remove(base.UUID_1)
