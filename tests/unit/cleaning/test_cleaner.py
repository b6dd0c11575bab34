"""What a guest had is clean when it is said to be, and else it is told why."""

import dataclasses
import errno

import fixtures

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.cleaning import resetting
from nova_gpuvirt.health import record
from nova_gpuvirt.health import ways
from nova_gpuvirt.simulation import sickness
from nova_gpuvirt.simulation.hosts import navi
from nova_gpuvirt.simulation.hosts import t4
from tests.unit.cleaning import base

_T4 = base.T4
_WHOLE = base.WHOLE


class WholeCardTest(base.CleanerTestCase):
    def setUp(self):
        super().setUp()
        self.have_a_whole_card()

    def test_is_reset_and_has_its_driver_again(self):
        self.assertEqual({_T4}, self.host.unclean())
        self.clean(self.card, self.dirty)
        self.assertEqual(frozenset(), self.host.unclean())
        self.assertEqual('nvidia', self.driver(_T4))
        self.assertEqual([_T4], self.libvirt.moved)

    def test_one_that_was_left_with_vfio_has_its_driver_again(self):
        # nova-compute was killed before it had given the card back.
        self.libvirt.detach(self.card)
        self.clean(self.card, self.dirty)
        self.assertEqual('nvidia', self.driver(_T4))

    def test_guest_that_has_it(self):
        self.libvirt.guest = 'a guest without a claim'
        self.assertIn('a guest without', self.waits(self.card, self.dirty))
        self.assertEqual([], self.libvirt.moved)

    def test_process_that_has_it_through_vfio(self):
        self.libvirt.detach(self.card)
        self.host.hold(_T4)
        self.assertIn('process', self.waits(self.card, self.dirty))
        self.assertEqual((), self.host.reset_under_a_guest())

    def test_process_of_the_host_that_has_it(self):
        pid = self.host.start('python3', '/dev/nvidia0')
        self.assertIn(f'process {pid}', self.waits(self.card, self.dirty))
        self.assertEqual([], self.libvirt.moved)
        self.host.stop(pid)
        self.clean(self.card, self.dirty)

    def test_one_that_is_not_there(self):
        self.host.unplug(_T4)
        self.assertIn('not there', self.waits(self.card, self.dirty))
        self.host.plug(_T4)
        self.clean(self.card, self.dirty)

    def test_another_model_in_its_place_is_clean_and_let_be(self):
        before = record.Function(
            _T4,
            'nouveau',
            'ids=10de:26b9 subsystem=10de:0000 class=030200 type=00 bars=- '
            'caps=- extended=-',
        )
        dirty = record.Dirty(
            _WHOLE, base.INSTANCE, self.dirty.since, (before,)
        )
        self.clean(self.card, dirty)
        self.assertEqual([], self.libvirt.moved)
        self.assertEqual('nvidia', self.driver(_T4))

    def test_ids_that_a_guest_has_changed_make_no_other_card(self):
        self.change_config(0x2E, 0xFF)
        self.assertIn('subsystem was', self.refused(self.card, self.dirty))
        self.assertEqual(frozenset(), self.host.unclean())

    def test_device_that_a_guest_has_changed_makes_no_other_card(self):
        self.change_config(0x02, 0xFF)
        self.assertIn('device id was', self.refused(self.card, self.dirty))
        self.assertEqual(frozenset(), self.host.unclean())

    def test_class_that_a_reset_has_changed_is_refused_each_time(self):
        reset = self.sysfs.reset_bus

        def broken(addresses):
            reset(addresses)
            self.change_config(0x0A, 0x02)
            self.sysfs.reset_bus = reset

        self.sysfs.reset_bus = broken
        self.assertIn('class was', self.refused(self.card, self.dirty))
        self.assertIn('class was', self.refused(self.card, self.dirty))

    def change_config(self, place, bits):
        path = self.host.root / f'sys/bus/pci/devices/{_T4}/config'
        raw = bytearray(path.read_bytes())
        raw[place] ^= bits
        self.host.break_file(_T4, 'config', bytes(raw))

    def test_one_whose_reset_failed_stays_with_vfio(self):
        sick = sickness.Sickness(self.host, _T4)
        sick.reset_fails(errno.ENOTTY)
        self.assertIn('Errno', self.refused(self.card, self.dirty))
        self.assertEqual('vfio-pci', self.driver(_T4))
        sick.heal()
        self.clean(self.card, self.dirty)
        self.assertEqual('nvidia', self.driver(_T4))

    def test_driver_that_can_not_be_moved(self):
        self.host.fail('*/driver/unbind', errno.EIO)
        self.libvirt.detach = self.libvirt_refuses
        self.assertIn('libvirt says no', self.refused(self.card, self.dirty))
        self.assertEqual({_T4}, self.host.unclean())

    def test_driver_that_stays_though_libvirt_moved_it(self):
        self.libvirt.detach = lambda function: None
        self.assertIn('it with nvidia', self.refused(self.card, self.dirty))
        self.assertEqual({_T4}, self.host.unclean())

    def test_card_that_does_not_answer_after_its_reset(self):
        """Nobody knows what it was before, so nothing else would tell."""
        sickness.Sickness(self.host, _T4).reset_breaks('config')
        dirty = record.Dirty(_WHOLE, base.INSTANCE, self.dirty.since)
        self.assertIn('does not answer', self.refused(self.card, dirty))

    def libvirt_refuses(self, function):
        raise exception.ReleaseFailed(
            str(function), wanted='it', found='libvirt says no', remedy='see'
        )

    def test_memory_that_makes_no_sense_is_not_compared(self):
        before = record.Function(_T4, 'nvidia', 'nonsense')
        dirty = record.Dirty(
            _WHOLE, base.INSTANCE, self.dirty.since, (before,)
        )
        self.clean(self.card, dirty)

    def test_unknown_before_is_the_card_as_it_is(self):
        dirty = record.Dirty(_WHOLE, base.INSTANCE, self.dirty.since)
        self.clean(self.card, dirty)
        self.assertEqual(frozenset(), self.host.unclean())
        self.assertEqual('nvidia', self.driver(_T4))

    def test_none_does_nothing(self):
        self.clean(self.card, self.dirty, way=ways.Way.NONE)
        self.assertEqual({_T4}, self.host.unclean())

    def test_hook_that_fails_keeps_from_the_reset(self):
        self.assertRaises(
            exception.CleanFailed,
            self.clean,
            self.card,
            self.dirty,
            way=ways.Way.HOOK,
            program='/bin/false',
        )
        self.assertEqual({_T4}, self.host.unclean())
        self.clean(
            self.card, self.dirty, way=ways.Way.HOOK, program='/bin/true'
        )
        self.assertEqual(frozenset(), self.host.unclean())

    def test_function_that_is_gone_for_good(self):
        gone = record.Function('0000:3b:00.1', None, None)
        dirty = record.Dirty(
            _WHOLE,
            base.INSTANCE,
            self.dirty.since,
            (*self.dirty.functions, gone),
        )
        self.clean(self.card, dirty)
        self.assertEqual([_T4], self.libvirt.moved)

    def test_function_of_another_card_is_not_reset(self):
        # A record that is wrong, or older than a renumbering.
        (before,) = self.dirty.functions
        wrong = record.Function('0000:5e:00.0', 'nvidia', before.config)
        for functions in ((wrong,), (before, wrong)):
            dirty = record.Dirty(
                _WHOLE, base.INSTANCE, self.dirty.since, functions
            )
            self.libvirt.moved.clear()
            self.clean(self.card, dirty)
            self.assertEqual([_T4], self.libvirt.moved)

    def test_identifier_of_a_later_version(self):
        dirty = record.Dirty('cdi:x?', base.INSTANCE, self.dirty.since)
        self.assertIn('cdi:x?', self.refused(self.card, dirty))


class RebootTest(base.CleanerTestCase):
    """What a reboot has changed is not what a guest has changed."""

    def setUp(self):
        super().setUp()
        self.start('t4')
        self.card, self.dirty = self.attach(_WHOLE)

    def before(self, **changes):
        (function,) = self.dirty.functions
        function = dataclasses.replace(function, **changes)
        self.dirty = dataclasses.replace(self.dirty, functions=(function,))

    def end_guest(self):
        self.host.let_close_not_reset(_T4)
        self.guest(_T4)

    def move_bar(self):
        path = self.host.root / f'sys/bus/pci/devices/{_T4}/config'
        raw = bytearray(path.read_bytes())
        raw[0x13] ^= 0x10
        self.host.break_file(_T4, 'config', bytes(raw))

    def test_bars_that_the_firmware_moved(self):
        self.host.reboot()
        self.end_guest()
        self.move_bar()
        self.clean(self.card, self.dirty)
        self.assertEqual(frozenset(), self.host.unclean())

    def test_bars_that_moved_without_a_reboot(self):
        self.end_guest()
        self.move_bar()
        self.assertIn('BAR 0 was', self.refused(self.card, self.dirty))

    def test_driver_that_is_another_since_then(self):
        self.before(driver='nouveau')
        self.host.reboot()
        self.end_guest()
        self.clean(self.card, self.dirty)
        self.assertEqual('nvidia', self.driver(_T4))

    def test_driver_that_is_another_without_a_reboot(self):
        self.before(driver='nouveau')
        self.end_guest()
        found = self.refused(self.card, self.dirty)
        self.assertIn('it with nvidia', found)

    def test_try_that_failed_half_way_since_then(self):
        self.host.reboot()
        self.end_guest()
        self.libvirt.detach(self.card)
        self.clean(self.card, self.dirty)
        self.assertEqual('nvidia', self.driver(_T4))

    def test_vfio_that_has_it_from_each_start_keeps_it(self):
        self.before(driver='vfio-pci')
        self.host.reboot()
        self.end_guest()
        self.libvirt.detach(self.card)
        self.clean(self.card, self.dirty)
        self.assertEqual('vfio-pci', self.driver(_T4))


class OpenOnTheHostTest(base.CleanerTestCase):
    """A card that NVIDIA's driver lets go only when nobody has it open."""

    def setUp(self):
        super().setUp()
        self.start('t4')
        self.card, self.dirty = self.attach(_WHOLE)
        self.guest(_T4)

    def lock(self):
        path = f'proc/driver/nvidia/gpus/{_T4}/unbindLock'
        return (self.host.root / path).read_text().strip()

    def test_process_that_can_not_be_seen(self):
        # As from a container: libvirt would wait without end.
        self.sysfs.hold_unbind_lock = lambda *a, **k: False
        self.sysfs.card_openers = lambda cards: dict.fromkeys(cards)
        found = self.waits(self.card, self.dirty)
        self.assertIn('can not be seen, by its unbindLock', found)
        self.assertEqual([], self.libvirt.moved)

    def test_lock_is_given_back_when_another_function_is_in_use(self):
        function = pci_function.read(self.sysfs, self.card, 0x030200)
        other = dataclasses.replace(
            function, address=model.PciAddress.parse('0000:5e:00.0')
        )
        pid = self.host.start('python3', '/dev/nvidia1')
        self.assertRaises(
            exception.ReleaseFailed,
            resetting.Resetting(self.machine).reset,
            [function, other],
            (),
        )
        self.assertEqual('0', self.lock())
        self.host.stop(pid)


class RendererTest(base.CleanerTestCase):
    """A card of a host that has a renderer which is not on PCI, too."""

    def test_unknown_before_is_the_card_as_it_is(self):
        described = dataclasses.replace(
            t4.host(), platform_drm={'vgem': ('card9', 'renderD137')}
        )
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_gpuvirt.simulation.hosts.HOSTS',
                {'t4': lambda: described},
            )
        )
        self.start('t4')
        card, dirty = self.attach(_WHOLE)
        self.host.let_close_not_reset(_T4)
        self.guest(_T4)
        self.clean(card, record.Dirty(_WHOLE, base.INSTANCE, dirty.since))
        self.assertEqual(frozenset(), self.host.unclean())


class BusTest(base.CleanerTestCase):
    """A card that only a reset of its bus resets, with all that is on it."""

    def setUp(self):
        super().setUp()
        self.start('navi')
        for function in (navi.DISPLAY, navi.AUDIO):
            self.host.let_close_not_reset(function)
        self.card, self.dirty = self.attach(f'passthrough:{navi.DISPLAY}')
        self.guest(navi.DISPLAY, navi.AUDIO)

    def test_both_functions_are_reset(self):
        self.clean(self.card, self.dirty)
        self.assertEqual(frozenset(), self.host.unclean())
        self.assertEqual('amdgpu', self.driver(navi.DISPLAY))

    def test_reset_of_a_bus_that_fails(self):
        sickness.Sickness(self.host, navi.DISPLAY).reset_fails(errno.EIO)
        self.assertIn('Errno', self.refused(self.card, self.dirty))

    def test_functions_that_are_not_the_guests_are_not_reset(self):
        alone = record.Dirty(
            self.dirty.slot,
            base.INSTANCE,
            self.dirty.since,
            self.dirty.functions[:1],
        )
        self.assertIn('Errno', self.refused(self.card, alone))
        self.assertNotEqual('vfio-pci', self.driver(navi.AUDIO))


class LetBeTest(base.CleanerTestCase):
    def test_card_that_can_not_be_reset_is_let_be(self):
        self.start('gvtd', without_reset=('*',))
        self.host.break_file('0000:00:02.0', 'reset_method', '\n')
        card, dirty = self.attach('passthrough:0000:00:02.0')
        self.clean(card, dirty)
        self.assertEqual([], self.libvirt.moved)


class VfTest(base.CleanerTestCase):
    def setUp(self):
        super().setUp()
        self.start('flex170')
        survey = self.gpus.survey(refresh=True)
        share = next(
            s for g in survey.gpus for s in g.shares if s.kind == 'sriov'
        )
        profile = share.profiles[0]
        self.vf = profile.places[0]
        self.slot = str(model.Slot('sriov', self.vf, profile=profile.slug))
        self.card, self.dirty = self.attach(self.slot)
        self.host.let_close_not_reset(str(self.vf))
        self.guest(str(self.vf))

    def test_the_vf_alone_is_reset(self):
        self.clean(self.card, self.dirty)
        self.assertEqual(frozenset(), self.host.unclean())
        self.assertEqual([str(self.vf)], self.libvirt.moved)

    def test_error_of_another_guests_vf_is_none_of_this_one(self):
        port = self.sysfs.above(self.card)[-1]
        sick = sickness.Sickness(self.host, str(self.card))
        reset = self.sysfs.reset_function

        def count(address):
            reset(address)
            sick.count('nonfatal', at=port)

        self.sysfs.reset_function = count
        self.clean(self.card, self.dirty)

    def test_vf_that_is_not_there_any_more_is_clean(self):
        self.host.write(f'/sys/bus/pci/devices/{self.card}/sriov_numvfs', '0')
        self.clean(self.card, self.dirty)

    def test_broken_vf(self):
        sick = sickness.Sickness(self.host, str(self.vf))
        sick.reset_breaks('config')
        self.assertIn('does not answer', self.refused(self.card, self.dirty))
