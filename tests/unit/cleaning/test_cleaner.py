"""What a guest had is clean when it is said to be, and else it is told why."""

import dataclasses
import errno

import fixtures

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cleaning import cleaner
from nova_gpuvirt.cleaning import hook
from nova_gpuvirt.health import record
from nova_gpuvirt.health import ways
from nova_gpuvirt.simulation import sickness
from nova_gpuvirt.simulation.hosts import navi
from nova_gpuvirt.simulation.hosts import t4
from tests.unit.cleaning import base

_T4 = '0000:3b:00.0'
_WHOLE = f'passthrough:{_T4}'


class CleanerTestCase(base.TestCase):
    def cleaner(self, way=ways.Way.RESET, program=None):
        how = ways.Ways(dict.fromkeys(ways.KINDS, way))
        return cleaner.Cleaner(
            self.machine,
            self.gpus,
            self.handover,
            how,
            program and hook.Hook(program, 10),
        )

    def clean(self, card, dirty, held=(), **options):
        self.cleaner(**options).clean(card, dirty, held)

    def waits(self, card, dirty, held=()):
        error = self.assertRaises(
            exception.ReleaseFailed, self.clean, card, dirty, held
        )
        return error.found

    def refused(self, card, dirty):
        error = self.assertRaises(
            exception.CleanFailed, self.clean, card, dirty
        )
        return error.found


class WholeCardTest(CleanerTestCase):
    def setUp(self):
        super().setUp()
        self.start('t4')
        self.card, self.dirty = self.attach(_WHOLE)
        self.host.let_close_not_reset(_T4)
        self.guest(_T4)

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

    def test_another_model_in_its_place_is_clean(self):
        before = record.Function(
            _T4,
            'nvidia',
            'ids=10de:26b9 subsystem=10de:0000 class=030200 type=00 bars=- '
            'caps=- extended=-',
        )
        dirty = record.Dirty(
            _WHOLE, base.INSTANCE, self.dirty.since, (before,)
        )
        self.clean(self.card, dirty)
        self.assertEqual([], self.libvirt.moved)

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

    def test_identifier_of_a_later_version(self):
        dirty = record.Dirty('cdi:x?', base.INSTANCE, self.dirty.since)
        self.assertIn('cdi:x?', self.refused(self.card, dirty))


class RendererTest(CleanerTestCase):
    """A card of a host that has a renderer which is not on PCI, too."""

    def test_unknown_before_is_the_card_as_it_is(self):
        described = dataclasses.replace(
            t4.host(), platform_drm={'vgem': ('card9', 'renderD137')}
        )
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_gpuvirt.simulation.hosts.HOSTS', {'t4': lambda: described}
            )
        )
        self.start('t4')
        card, dirty = self.attach(_WHOLE)
        self.host.let_close_not_reset(_T4)
        self.guest(_T4)
        self.clean(card, record.Dirty(_WHOLE, base.INSTANCE, dirty.since))
        self.assertEqual(frozenset(), self.host.unclean())


class BusTest(CleanerTestCase):
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


class LetBeTest(CleanerTestCase):
    def test_card_that_can_not_be_reset_is_let_be(self):
        self.start('gvtd', without_reset=('*',))
        self.host.break_file('0000:00:02.0', 'reset_method', '\n')
        card, dirty = self.attach('passthrough:0000:00:02.0')
        self.clean(card, dirty)
        self.assertEqual([], self.libvirt.moved)


class VfTest(CleanerTestCase):
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

    def test_vf_that_is_not_there_any_more_is_clean(self):
        self.host.write(f'/sys/bus/pci/devices/{self.card}/sriov_numvfs', '0')
        self.clean(self.card, self.dirty)

    def test_broken_vf(self):
        sick = sickness.Sickness(self.host, str(self.vf))
        sick.reset_breaks('config')
        self.assertIn('does not answer', self.refused(self.card, self.dirty))


class HiveTest(CleanerTestCase):
    def setUp(self):
        super().setUp()
        self.start('mi300x-hive')
        survey = self.gpus.survey(refresh=True)
        self.cards = [g.address for g in survey.gpus]
        self.card, self.dirty = self.attach(f'passthrough:{self.cards[0]}')

    def test_reset_that_takes_down_other_tenants_waits(self):
        self.host.break_file(str(self.card), 'reset_method', 'pm\n')
        found = self.waits(self.card, self.dirty, held=self.cards[1:2])
        self.assertIn(str(self.cards[1]), found)
        self.clean(self.card, self.dirty)

    def test_reset_of_one_function_or_bus_waits_for_nobody(self):
        for methods in ('flr pm\n', 'bus\n'):
            self.host.break_file(str(self.card), 'reset_method', methods)
            self.clean(self.card, self.dirty, held=self.cards[1:2])
