"""A card that cleaning takes from its driver has its VFs again after it."""

import errno
import shutil

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.health import record
from nova_gpuvirt.host import processes
from tests.unit.cleaning import base

_B60 = '0000:17:00.0'
_L40S = '0000:41:00.0'
_SRIOV_MANAGE = '*sriov-manage*'


class VfsTestCase(base.CleanerTestCase):
    """A card whose VFs a unit of the operator's makes when the host starts.

    A guest has had the card whole; then that unit came, and the host was
    started anew.
    """

    kind = 'b60'
    address = _B60
    numvfs = f'/sys/bus/pci/devices/{_B60}/sriov_numvfs'

    def setUp(self):
        super().setUp()
        self.start(self.kind, bare=True)
        self.card, self.dirty = self.attach(f'passthrough:{self.address}')
        self.host.let_close_not_reset(self.address)
        self.guest(self.address)
        self.reboot(bare=False)
        self.before = self.vfs()

    def reboot(self, *, bare):
        self.host.bare = bare
        self.host.reboot()

    def vfs(self):
        return self.sysfs.virtfns(self.card)

    def remembered(self):
        """Read what the record of the card has of what is dirty."""
        (dirty,) = self.records.read()[self.card].dirty
        return dirty

    def clean_anew(self):
        """Clean it as a nova-compute does that was just started."""
        self.dirt.look()
        self.clean(self.card, self.remembered())

    def kill(self):
        """Kill nova-compute in the reset: the card is with vfio-pci then."""

        def end(*_):
            raise SystemExit

        reset, self.sysfs.reset_function = self.sysfs.reset_function, end
        self.assertRaises(SystemExit, self.clean, self.card, self.dirty)
        self.sysfs.reset_function = reset
        self.assertEqual('vfio-pci', self.driver(self.address))
        self.assertEqual((), self.vfs())


class VfsTest(VfsTestCase):
    def test_are_there_again(self):
        self.assertEqual(4, len(self.before))
        self.clean(self.card, self.dirty)
        self.assertEqual([self.address], self.libvirt.moved)
        self.assertEqual(self.before, self.vfs())

    def test_are_there_again_when_nova_compute_was_killed(self):
        self.kill()
        self.clean_anew()
        self.assertEqual(self.before, self.vfs())

    def test_are_not_made_when_the_host_was_started_without(self):
        self.kill()
        self.reboot(bare=True)
        self.clean_anew()
        self.assertEqual((), self.vfs())

    def test_those_of_a_later_start_count(self):
        self.kill()
        self.reboot(bare=True)
        self.host.write(self.numvfs, '2')
        self.clean_anew()
        self.assertEqual(2, len(self.vfs()))

    def test_none_are_made_where_there_were_none(self):
        self.host.write(self.numvfs, '0')
        self.clean(self.card, self.dirty)
        self.assertEqual((), self.vfs())
        self.assertIsNone(self.remembered().vfs)

    def test_driver_that_refuses_them(self):
        self.host.fail(self.numvfs, errno.ENOMEM)
        found = self.refused(self.card, self.dirty)
        self.assertIn('Cannot allocate memory', found)
        self.assertEqual('xe', self.driver(self.address))
        self.clean_anew()
        self.assertEqual(self.before, self.vfs())

    def test_driver_that_makes_none_without_a_word(self):
        self.host.ignore(self.numvfs)
        error = self.assertRaises(
            exception.CleanFailed, self.clean, self.card, self.dirty
        )
        self.assertIn('0 of them', error.found)
        self.assertIn('its 4 VFs', error.wanted)
        self.assertIn(f'release --clean {_B60}', error.remedy)

    def test_card_is_not_taken_while_they_can_not_be_remembered(self):
        shutil.rmtree(self.records._folder)
        self.assertRaises(
            exception.InvalidRecord, self.clean, self.card, self.dirty
        )
        self.assertEqual([], self.libvirt.moved)
        self.assertEqual(self.before, self.vfs())


class InUseTest(VfsTestCase):
    """VFs are not taken from under who has them."""

    def assert_waits(self, why):
        self.assertIn(why, self.waits(self.card, self.dirty))
        self.assertEqual([], self.libvirt.moved)
        self.assertEqual(self.before, self.vfs())

    def test_process_that_has_one(self):
        vf = self.before[1]
        self.libvirt.detach(vf)
        self.libvirt.moved.clear()
        self.host.hold(str(vf))
        self.assert_waits(f'has {vf}')
        self.host.release_hold(str(vf))
        self.clean(self.card, self.dirty)
        self.assertEqual(self.before, self.vfs())

    def test_processes_that_can_not_be_seen(self):
        # As from a container: libvirt knows its guests.
        def openers(_):
            raise processes.Hidden

        self.libvirt.detach(self.before[1])
        self.sysfs.openers = openers
        self.clean(self.card, self.dirty)
        self.assertEqual(self.before, self.vfs())

    def test_domain_that_has_one(self):
        self.libvirt.domain_with = lambda devices, _: (
            'a guest' if self.before[2] in devices else None
        )
        self.assert_waits('a guest')

    def test_libvirt_that_does_not_answer(self):
        def answer(*_):
            raise RuntimeError('no connection')

        self.libvirt.domain_with = answer
        self.assert_waits('no connection')


class NvidiaTest(VfsTestCase):
    """NVIDIA's script makes all VFs or none."""

    kind = 'l40s'
    address = _L40S

    def test_are_there_again(self):
        self.assertEqual(32, len(self.before))
        self.clean(self.card, self.dirty)
        self.assertEqual(self.before, self.vfs())
        self.assertEqual('nvidia', self.driver(self.address))

    def test_script_that_fails(self):
        self.host.fail(_SRIOV_MANAGE, errno.EIO)
        self.refused(self.card, self.dirty)
        self.clean_anew()
        self.assertEqual(self.before, self.vfs())

    def test_script_that_ends_well_and_makes_none(self):
        # As users of vGPU 17.2 tell.
        self.host.ignore(_SRIOV_MANAGE)
        self.assertIn('0 of them', self.refused(self.card, self.dirty))

    def test_vgpu_that_was_made_on_one(self):
        vf = self.before[0]
        types = f'/sys/bus/pci/devices/{vf}/nvidia'
        listed = self.host.root / f'{types[1:]}/creatable_vgpu_types'
        number = next(
            word.strip()
            for line in listed.read_text().splitlines()
            if (word := line.partition(':')[0]).strip().isdecimal()
        )
        self.host.write(f'{types}/current_vgpu_type', number)
        self.assertIn('vGPU', self.waits(self.card, self.dirty))
        self.assertEqual(self.before, self.vfs())


class RecordTest(VfsTestCase):
    def test_what_an_earlier_version_wrote_is_read(self):
        file = self.records._folder / 'cards' / f'{_B60}.json'
        self.assertNotIn('vfs', file.read_text())
        self.assertIsNone(self.remembered().vfs)

    def test_count_is_read_as_it_was_written(self):
        vfs = record.Vfs(4, 'a start')
        self.dirt.note_vfs(self.card, self.dirty, vfs)
        self.assertEqual(vfs, self.remembered().vfs)

    def test_count_that_is_none_is_refused(self):
        for count in (0, -1, True, '4'):
            self.dirt.note_vfs(self.card, self.dirty, record.Vfs(count, None))
            found = self.records.read()[self.card]
            self.assertIsInstance(found, exception.InvalidRecord)
            self.assertIn('vfs', found.found)
            file = self.records._folder / 'cards' / f'{_B60}.json'
            file.unlink()
            self.attach_again()

    def attach_again(self):
        self.dirt.look()
        self.records.change(
            model.PciAddress.parse(_B60),
            lambda one: one.with_dirty(self.dirty),
        )
