"""What is reset when a guest closes it, and when root asks for a reset."""

import errno
import time

from nova_gpuvirt.simulation import root
from nova_gpuvirt.simulation import sickness
from nova_gpuvirt.simulation.hosts import navi
from tests.unit.simulation import base

_H100 = '0000:1b:00.0'
_T4 = '0000:3b:00.0'
_OTHER_T4 = '0000:5e:00.0'


class TestCase(base.TestCase):
    def move_to_vfio(self, address):
        self.host.write(self.device(address, 'driver_override'), 'vfio-pci')
        self.host.write(self.device(address, 'driver/unbind'), address)
        self.host.write(f'{base.PCI}/drivers_probe', address)

    def use(self, *addresses):
        for address in addresses:
            self.host.hold(address)
        for address in addresses:
            self.host.release_hold(address)


class ResetsTest(TestCase):
    def test_function_with_a_reset_of_its_own_is_reset(self):
        self.start('h100')
        self.use('0000:1b:00.0')
        self.assertEqual(frozenset(), self.host.unclean())

    def test_bus_is_reset_when_all_of_it_is_with_vfio(self):
        self.start('navi')
        self.move_to_vfio(navi.DISPLAY)
        self.use(navi.DISPLAY)
        self.assertEqual({navi.DISPLAY}, self.host.unclean())
        self.move_to_vfio(navi.AUDIO)
        self.use(navi.DISPLAY, navi.AUDIO)
        self.assertEqual(frozenset(), self.host.unclean())

    def test_bus_is_not_reset_while_one_of_it_is_open(self):
        self.start('navi')
        for address in (navi.DISPLAY, navi.AUDIO):
            self.move_to_vfio(address)
        self.host.hold(navi.AUDIO)
        self.use(navi.DISPLAY)
        self.assertEqual({navi.DISPLAY}, self.host.unclean())

    def test_close_that_resets_nothing_leaves_it_unclean_until_a_reset(self):
        self.start('h100')
        self.host.let_close_not_reset(_H100)
        self.use(_H100)
        self.assertEqual({_H100}, self.host.unclean())
        root.Root(self.host).reset_function(_H100)
        self.assertEqual(frozenset(), self.host.unclean())


class ResetFileTest(TestCase):
    def reset(self, address, text='1'):
        self.host.write(self.device(address, 'reset'), text)

    def test_it_is_where_the_kernel_knows_a_way_and_resets_with_a_1(self):
        self.start('navi')
        self.assertIn('reset', self.names(self.device(navi.DISPLAY)))
        self.assertNotIn('reset', self.names(self.device(navi.AUDIO)))
        self.start('h100')
        for text in ('0', '2', 'x'):
            self.assert_refused(errno.EINVAL, self.reset, _H100, text)

    def test_bus_is_no_way_while_others_are_on_it(self):
        self.start('navi')
        self.assert_refused(errno.ENOTTY, self.reset, navi.DISPLAY)
        self.host.unplug(navi.AUDIO)
        self.reset(navi.DISPLAY)

    def test_reset_under_a_guest_is_told(self):
        self.start('h100')
        self.reset(_H100)
        self.assertEqual((), self.host.reset_under_a_guest())
        self.host.hold(_H100)
        self.reset(_H100)
        self.assertEqual((_H100,), self.host.reset_under_a_guest())

    def test_a_pf_is_reset_with_its_vfs(self):
        self.start('b50')
        vf = '0000:17:00.1'
        self.host.hold(vf)
        self.reset('0000:17:00.0')
        self.assertEqual((vf,), self.host.reset_under_a_guest())


class BusTest(TestCase):
    def setUp(self):
        super().setUp()
        self.start('navi')
        self.power = root.Root(self.host)

    def reset(self, *addresses):
        self.power.reset_bus(addresses)

    def test_all_of_the_bus_is_reset(self):
        self.move_to_vfio(navi.DISPLAY)
        self.use(navi.DISPLAY)
        self.move_to_vfio(navi.AUDIO)
        self.reset(navi.DISPLAY, navi.AUDIO)
        self.assertEqual(frozenset(), self.host.unclean())

    def test_without_vfio_there_is_no_node(self):
        self.assert_refused(errno.ENOENT, self.reset, navi.DISPLAY)

    def test_one_that_is_not_named_or_not_with_vfio_is_in_the_way(self):
        self.move_to_vfio(navi.DISPLAY)
        self.assert_refused(errno.EINVAL, self.reset, navi.DISPLAY)
        self.move_to_vfio(navi.AUDIO)
        self.assert_refused(errno.EINVAL, self.reset, navi.DISPLAY)

    def test_guest_is_in_the_way(self):
        for address in (navi.DISPLAY, navi.AUDIO):
            self.move_to_vfio(address)
        self.host.hold(navi.AUDIO)
        both = (navi.DISPLAY, navi.AUDIO)
        self.assert_refused(errno.EBUSY, self.reset, *both)
        self.host.release_hold(navi.AUDIO)
        self.host.fail('/dev/vfio/33', errno.EIO)
        self.assert_refused(errno.EIO, self.reset, *both)
        self.reset(*both)
        self.assertEqual((), self.host.reset_under_a_guest())


class GroupTest(TestCase):
    """Functions of one IOMMU group need not all be named."""

    def setUp(self):
        super().setUp()
        self.start('workstation')
        self.power = root.Root(self.host)
        self.card = [
            f.address
            for f in self.host.description.functions
            if f.address.startswith('0000:01:00.')
        ]

    def test_one_that_its_own_driver_has_forbids_it(self):
        self.move_to_vfio(self.card[0])
        self.assert_refused(errno.EPERM, self.power.reset_bus, self.card[:1])

    def test_one_names_all_of_the_group(self):
        for address in self.card:
            self.move_to_vfio(address)
            self.host.let_close_not_reset(address)
            self.host.hold(address)
        for address in self.card:
            self.host.release_hold(address)
        self.assertEqual({*self.card}, self.host.unclean())
        self.power.reset_bus(self.card[:1])
        self.assertEqual(frozenset(), self.host.unclean())


class SickTest(TestCase):
    def setUp(self):
        super().setUp()
        self.start('t4')
        self.power = root.Root(self.host, reset_seconds=0.2)
        self.sickness = sickness.Sickness(self.host, _T4)
        self.before = self.power.config_space(_T4)

    def heal(self):
        self.sickness.heal()
        self.assertEqual(self.before, self.power.config_space(_T4))

    def test_reset_fails_until_it_is_healed(self):
        self.sickness.reset_fails(errno.EIO)
        for _ in range(2):
            self.assert_refused(errno.EIO, self.power.reset_function, _T4)
        self.heal()
        self.power.reset_function(_T4)

    def test_reset_hangs_and_is_left_alone_until_it_returns(self):
        self.host.let_close_not_reset(_T4)
        self.move_to_vfio(_T4)
        self.use(_T4)
        self.sickness.reset_hangs()
        for number, ask in (
            (errno.ETIMEDOUT, self.power.reset_function),
            (errno.EBUSY, self.power.reset_function),
            (errno.EBUSY, self.power.config_space),
        ):
            self.assert_refused(number, ask, _T4)
        self.assertEqual({_T4}, self.host.unclean())
        self.power.reset_function(_OTHER_T4)
        self.sickness.heal()
        for _ in range(100):
            if not self.host.unclean():
                break
            time.sleep(0.05)
        self.assertEqual(frozenset(), self.host.unclean())

    def test_reset_leaves_it_off_the_bus(self):
        self.sickness.reset_breaks('config')
        self.assertEqual(self.before, self.power.config_space(_T4))
        self.power.reset_function(_T4)
        self.assertEqual({0xFF}, set(self.power.config_space(_T4)))
        path = self.path(self.device(_T4, 'config'))
        self.assertEqual(b'\xff' * 64, path.read_bytes())
        self.heal()

    def test_it_falls_off_the_bus_again_after_it_was_healed(self):
        self.sickness.answer_with_ones()
        self.heal()
        self.test_reset_leaves_it_off_the_bus()

    def test_reset_loses_a_bar_or_capabilities(self):
        for what in ('bars', 'capabilities'):
            self.sickness.reset_breaks(what)
            self.power.reset_function(_T4)
            after = self.power.config_space(_T4)
            self.assertEqual(len(self.before), len(after))
            self.assertNotEqual(self.before, after)
            self.heal()

    def test_reset_counts_an_error(self):
        self.sickness.reset_breaks('error')
        self.power.reset_function(_T4)
        text = self.read(self.device(_T4, 'aer_dev_nonfatal'))
        self.assertTrue(text.endswith(' 1\n'), text)

    def test_driver_does_not_take_it_back_after_the_reset(self):
        self.sickness.reset_loses_driver()
        self.move_to_vfio(_T4)
        self.power.reset_function(_T4)
        self.host.write(self.device(_T4, 'driver_override'), '\n')
        self.host.write(self.device(_T4, 'driver/unbind'), _T4)
        for _ in range(2):
            self.host.write(f'{base.PCI}/drivers_probe', _T4)
            self.assertIsNone(self.driver(_T4))
        bind = f'{base.PCI}/drivers/nvidia/bind'
        self.assert_refused(errno.EIO, self.host.write, bind, _T4)
        self.heal()
        self.host.write(f'{base.PCI}/drivers_probe', _T4)
        self.assertEqual('nvidia', self.driver(_T4))


class ConfigSpaceTest(TestCase):
    def test_others_see_the_header_of_what_root_sees(self):
        self.start('h100')
        power = root.Root(self.host)
        whole = power.config_space(_H100)
        self.assertEqual(4096, len(whole))
        header = self.path(self.device(_H100, 'config')).read_bytes()
        self.assertEqual(whole[:64], header)
        self.assert_refused(errno.ENOENT, power.config_space, '0000:ff:00.0')

    def test_ones_are_in_all_of_it(self):
        self.start('h100')
        sickness.Sickness(self.host, _H100).answer_with_ones()
        whole = root.Root(self.host).config_space(_H100)
        self.assertEqual(b'\xff' * 4096, whole)
