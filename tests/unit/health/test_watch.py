"""A card falls sick in each way, and is well again when that is over."""

import dataclasses
import errno
import logging
import unittest.mock

import fixtures
import testtools

from nova_gpuvirt import model
from nova_gpuvirt.health import reading
from nova_gpuvirt.simulation import hosts as hosts_
from tests.unit.health import hosts

_T4 = '0000:3b:00.0'
_OTHER_T4 = '0000:5e:00.0'
_PORT = '0000:3a:00.0'
_H100 = '0000:1b:00.0'
_L40S = '0000:41:00.0'
_HGX = '0000:0f:00.0'
_READ = reading.Reader.read
_LINES = {
    'NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus.': (
        'xid'
    ),
    'nvidia {}: not ready 65535ms after FLR; giving up': 'reset-failed',
    'nvidia {}: Unable to change power state from D3hot to D0, device '
    'inaccessible': 'power',
    'amdgpu {}: amdgpu: GPU reset(1) failed': 'reset-failed',
    'xe {}: [drm] *ERROR* CRITICAL: Xe has declared device {} as wedged.': (
        'wedged'
    ),
}


class Base(testtools.TestCase):
    def start(self, name, **counts):
        self.watched = self.useFixture(hosts.Watched(name, **counts))
        self.assertEqual({}, self.watched.look())

    def assert_sick(self, card, *names):
        self.assertEqual({card: [*names]}, self.watched.look())

    def assert_well_after_three(self):
        self.assertEqual(1, len(self.watched.look(2)))
        self.assertEqual({}, self.watched.look())


class HealthyTest(testtools.TestCase):
    def test_no_healthy_host_shows_a_sign(self):
        for name in hosts_.names():
            expected = (
                {'0000:5e:00.0': ['all-ones']} if name == 'off-bus' else {}
            )
            with hosts.Watched(name, sick_after=1) as watched:
                self.assertEqual(expected, watched.look(3), name)


class SickTest(Base):
    def test_card_off_the_bus_without_a_word(self):
        self.start('t4')
        sickness = self.watched.sickness(_T4)
        sickness.answer_with_ones()
        self.assert_sick(_T4, 'all-ones')
        why = self.watched.watch.why_not(model.PciAddress.parse(_T4))
        self.assertEqual(
            'it is sick: it answers with nothing but ones: it has fallen off '
            'the bus',
            why,
        )
        sickness.heal()
        self.assert_well_after_three()

    def test_card_that_is_gone(self):
        self.start('t4')
        self.watched.host.unplug(_T4)
        self.assert_sick(_T4, 'gone')
        self.assert_sick(_T4, 'gone')
        self.watched.host.plug(_T4)
        self.assert_well_after_three()

    def test_card_that_another_one_has_replaced_is_well(self):
        self.start('t4')
        self.watched.host.unplug(_T4)
        self.assert_sick(_T4, 'gone')
        old = self.watched.host.description.named(_T4)
        other = dataclasses.replace(old, aer=False, subsystem=(0x10DE, 1))
        self.watched.host.plug(_T4, other)
        self.assert_well_after_three()

    def test_fatal_errors_of_a_card_and_of_its_port(self):
        for where in (_T4, _PORT):
            self.start('t4')
            self.watched.sickness(_T4).count('fatal', at=where)
            self.assert_sick(_T4, 'fatal-error')
            self.assert_well_after_three()

    def test_other_errors_must_come_again(self):
        self.start('t4')
        sickness = self.watched.sickness(_T4)
        sickness.count('nonfatal', 5)
        self.assertEqual({}, self.watched.look(5))
        for expected in ({}, {_T4: ['error']}):
            sickness.count('nonfatal')
            self.assertEqual(expected, self.watched.look())

    def test_errors_that_come_and_go(self):
        self.start('t4')
        sickness = self.watched.sickness(_T4)
        sickness.count('nonfatal', at=_PORT)
        self.assertEqual({}, self.watched.look(2))
        sickness.count('nonfatal', at=_PORT)
        self.assert_sick(_T4, 'error')
        self.assertIn(_T4, self.watched.look(2))
        sickness.count('nonfatal', at=_PORT)
        self.assertIn(_T4, self.watched.look(3))
        self.assertEqual({}, self.watched.look())

    def test_missing_node_of_vfio(self):
        self.start('h100')
        sickness = self.watched.sickness(_H100)
        sickness.lose_node()
        self.assertEqual({}, self.watched.look())
        self.assert_sick(_H100, 'no-node')
        sickness.heal()
        self.assert_well_after_three()

    def test_card_that_flaps_is_sick_throughout(self):
        self.start('t4')
        sickness = self.watched.sickness(_T4)
        for _ in range(4):
            sickness.answer_with_ones()
            self.assertIn(_T4, self.watched.look())
            sickness.heal()
            self.assertIn(_T4, self.watched.look(2))
        self.assertEqual({}, self.watched.look())


class KernelLogTest(Base):
    def test_each_line_that_is_enough(self):
        for line, name in _LINES.items():
            self.start('t4')
            self.watched.sickness(_T4).say(line)
            self.assert_sick(_T4, name)

    def test_what_was_said_before_is_not_counted(self):
        watched = self.useFixture(hosts.Watched('t4'))
        watched.sickness(_T4).say(next(iter(_LINES)))
        self.assertEqual({}, watched.look(3))

    def test_user_can_not_take_a_card_away(self):
        self.start('t4', sick_after=1)
        self.watched.host.log.say(next(iter(_LINES)), facility=1)
        self.watched.sickness(_T4).say(
            'NVRM: Xid (PCI:0000:3b:00): 31, pid=9, name=NVRM: Xid '
            '(PCI:0000:3b:00): 79, MMU Fault'
        )
        self.assertEqual({}, self.watched.look(3))

    def test_card_that_needs_a_reset_is_sick_until_it_had_one(self):
        self.start('t4')
        sickness = self.watched.sickness(_T4)
        said = 'NVRM: Xid (PCI:0000:3b:00): '
        sickness.say(f'{said}95, pid=7, Uncontained')
        self.assertEqual({_T4: ['xid']}, self.watched.look(9))
        sickness.say(
            f'{said}154, GPU recovery action changed from 0x1 (GPU Reset '
            'Required) to 0x0 (None)'
        )
        self.assert_well_after_three()

    def test_card_that_went_to_another_driver_has_had_a_reset(self):
        self.start('t4')
        self.watched.sickness(_T4).say(next(iter(_LINES)))
        self.assertEqual({_T4: ['xid']}, self.watched.look(9))
        drivers = '/sys/bus/pci/drivers'
        self.watched.host.write(f'{drivers}/nvidia/unbind', _T4)
        self.assert_well_after_three()

    def test_operator_knows_better(self):
        self.start('t4')
        self.watched.sickness(_T4).say(next(iter(_LINES)))
        self.assert_sick(_T4, 'xid')
        self.watched.watch.forget(model.PciAddress.parse(_T4))
        self.assertEqual({}, dict(self.watched.watch.sick))
        self.assertEqual({}, self.watched.look(2))

    def test_switch_that_failed_is_told_of(self):
        self.start('hgx-h100')
        log = self.useFixture(fixtures.FakeLogger(level=logging.WARNING))
        self.watched.host.log.say(
            'nvidia-nvswitch0: SXid (PCI:0000:c3:00.0): 24007, Fatal, Link 3'
        )
        self.assertEqual({}, self.watched.look())
        self.assertIn('24007', log.output)


class NvidiaTest(Base):
    def test_what_the_command_says(self):
        for key, value, name in (
            ('GPU Recovery Action', 'Reset', 'recovery'),
            ('Remapping Failure Occurred', 'Yes', 'remapping'),
        ):
            self.start('l40s')
            self.watched.wait()
            sickness = self.watched.sickness(_L40S)
            sickness.complain(key, value)
            self.assert_sick(_L40S, name)
            sickness.heal()
            self.assert_well_after_three()

    def test_card_that_is_lost(self):
        for why in ('GPU is lost', 'GPU requires reset'):
            self.start('t4')
            self.watched.wait()
            sickness = self.watched.sickness(_T4)
            sickness.be_lost(why)
            self.assert_sick(_T4, 'lost')
            sickness.heal()
            self.assert_well_after_three()

    def test_fabric_that_failed(self):
        self.start('hgx-h100')
        self.watched.wait()
        sickness = self.watched.sickness(_HGX)
        sickness.complain('Status', 'Timeout')
        self.assertEqual({}, self.watched.look())
        self.assert_sick(_HGX, 'fabric')
        sickness.heal()
        self.assert_well_after_three()

    def test_command_is_not_run_where_its_answer_is_there(self):
        self.start('l40s')
        self.watched.look(5)
        question = f'nvidia-smi -q -i {_L40S}'
        self.assertEqual(1, self.watched.asked[question])
        self.watched.wait()
        self.watched.look(5)
        self.assertEqual(2, self.watched.asked[question])


class ErrorTest(Base):
    """What can't be asked makes no card sick, and none well."""

    def test_command_that_hangs_changes_nothing(self):
        self.start('t4')
        sickness = self.watched.sickness(_T4)
        sickness.answer_with_ones()
        self.assertIn(_T4, self.watched.look())
        sickness.heal()
        self.watched.wait()
        self.watched.host.hang('nvidia-smi')
        self.assertEqual({_T4: ['all-ones']}, self.watched.look(5))

    def test_command_that_fails_is_no_sign(self):
        self.start('t4', sick_after=1)
        self.watched.wait()
        self.watched.host.fail('nvidia-smi', errno.EIO, 99)
        self.assertEqual({}, self.watched.look(3))

    def test_log_that_can_not_be_read_changes_nothing(self):
        self.start('t4')
        sickness = self.watched.sickness(_T4)
        sickness.count('fatal')
        self.assert_sick(_T4, 'fatal-error')
        with unittest.mock.patch.object(
            self.watched.power, 'kernel_log', side_effect=TimeoutError
        ):
            self.assertIn(_T4, self.watched.look(5))
        self.assert_well_after_three()

    def test_log_that_nobody_may_read_is_told_of_once(self):
        watched = self.useFixture(hosts.Watched('t4'))
        log = self.useFixture(fixtures.FakeLogger(level=logging.WARNING))
        with unittest.mock.patch.object(
            watched.power, 'kernel_log', side_effect=PermissionError(1, 'no')
        ):
            watched.sickness(_T4).count('fatal')
            watched.look()
            watched.sickness(_T4).count('fatal')
            self.assertIn(_T4, watched.look())
            self.assertEqual({}, watched.look(3))
        self.assertEqual(1, log.output.count('can not be read'))

    def test_files_that_can_not_be_read_change_nothing(self):
        self.start('t4', sick_after=1)
        for name in ('config', 'aer_dev_fatal', 'aer_dev_nonfatal'):
            self.watched.host.break_file(_T4, name, None)
        self.assertEqual({}, self.watched.look(3))

    def test_card_that_can_not_be_looked_at_hides_no_other(self):
        self.start('t4')
        sickness = self.watched.sickness(_T4)
        sickness.say(next(iter(_LINES)))
        self.watched.sickness(_OTHER_T4).answer_with_ones()
        with unittest.mock.patch.object(
            reading.Reader, 'read', autospec=True, side_effect=self.read
        ):
            self.assertEqual(
                {_T4: ['xid'], _OTHER_T4: ['all-ones']}, self.watched.look(5)
            )

    def read(self, reader, gpu):
        if str(gpu.address) == _T4:
            raise RuntimeError('a defect')
        return _READ(reader, gpu)

    def test_port_that_has_no_address_is_not_asked(self):
        self.start('t4', sick_after=1)
        gpus = self.watched.gpus.survey().gpus
        (gpu,) = (g for g in gpus if str(g.address) == _T4)
        # As behind Intel's VMD.
        above = ('pci0000:3a', '0000:3a:00.5', 'pci10000:00')
        function = dataclasses.replace(gpu.function, above=above)
        gpu = dataclasses.replace(gpu, function=function)
        log = self.useFixture(fixtures.FakeLogger(level=logging.WARNING))
        self.watched.sickness(_T4).count('fatal')
        self.watched.watch.look([gpu])
        self.assertEqual([gpu.address], [*self.watched.watch.sick])
        self.assertEqual('', log.output)

    def test_card_without_a_readable_class_is_not_gone(self):
        self.start('t4', sick_after=1)
        self.watched.host.break_file(_T4, 'class', None)
        self.assertEqual({}, self.watched.look(3))
