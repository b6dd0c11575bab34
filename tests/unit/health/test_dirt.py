"""What is dirty goes to nobody else, whatever is asked and whoever reads."""

import pathlib

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.health import dirt
from nova_gpuvirt.health import record
from nova_gpuvirt.health import records
from nova_gpuvirt.health import ways
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_

_CARD = model.PciAddress.parse('0000:3b:00.0')
_WHOLE = model.Slot(model.WHOLE, _CARD)
_ONE, _TWO = (
    model.Slot('sriov', model.PciAddress.parse(f'0000:3b:00.{n}'), profile=p)
    for n, p in ((4, 'quarter'), (5, 'quarter'))
)
_HALF = model.Slot('sriov', _ONE.device, profile='half')
_MDEV = model.Slot('mdev', _CARD, 0, 'nvidia-t4-2q')
_A = '155d900f-4e14-4e4c-a73d-069cbf4541e6'
_B = '255d900f-4e14-4e4c-a73d-069cbf4541e6'


class DirtTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.records = records.Records(self.folder)
        self.dirt = self.read_anew()

    def read_anew(self, **chosen):
        return dirt.Dirt(self.records, ways.Ways(chosen))

    def refused(self, slot, instance=_B, error=exception.NotClean):
        return self.assertRaises(
            error, self.read_anew().mark, _CARD, slot, instance
        )

    def test_is_known_over_a_restart(self):
        self.dirt.mark(_CARD, _WHOLE, _A)
        again = self.read_anew()
        again.look()
        self.assertEqual({_WHOLE}, again.slots(_CARD))
        self.assertEqual({_WHOLE}, again.all_slots())
        ((card, one),) = again.entries()
        self.assertEqual(
            (_CARD, str(_WHOLE), _A), (card, one.slot, one.instance)
        )

    def test_same_instance_has_it_again(self):
        self.dirt.mark(_CARD, _WHOLE, _A)
        before = self.records.read()
        self.read_anew().mark(_CARD, _WHOLE, _A)
        self.assertEqual(before, self.records.read())

    def test_whole_and_parts_exclude_each_other(self):
        self.dirt.mark(_CARD, _ONE, _A)
        self.refused(_WHOLE)
        self.refused(_ONE)
        self.refused(_HALF)
        self.read_anew().mark(_CARD, _TWO, _B)
        self.dirt.look()
        self.assertEqual({_ONE, _TWO}, self.dirt.slots(_CARD))

    def test_part_of_a_dirty_whole(self):
        self.dirt.mark(_CARD, _WHOLE, _A)
        self.refused(_ONE)

    def test_two_instances_with_one_slot_are_both_kept(self):
        # As where a record was written by hand: neither hides the other.
        for instance in (_A, _B):
            new = record.Dirty(str(_WHOLE), instance, '2026-11-30T02:56:03Z')
            self.records.change(_CARD, lambda r, n=new: r.with_dirty(n))
        self.dirt.look()
        for _, one in list(self.dirt.entries()):
            self.refused(_WHOLE, 'c')
            self.dirt.cleaned(_CARD, one)
        self.assertEqual({}, self.records.read())

    def test_one_that_failed_is_not_waited_for(self):
        self.dirt.mark(_CARD, _WHOLE, _A)
        ((_, one),) = self.dirt.entries()
        self.dirt.failed(_CARD, one, 'its reset failed')
        error = self.refused(_WHOLE, error=exception.PrepareFailed)
        self.assertNotIsInstance(error, exception.NotClean)
        self.assertIn('its reset failed', str(error))
        self.assertEqual({_CARD: 'its reset failed'}, self.dirt.failures)
        found = self.records.read()[_CARD].quarantine
        self.assertEqual('its reset failed', found.reason)
        self.assertIs(record.By.NOVA_GPUVIRT, found.by)

    def test_failure_ends_no_quarantine_of_an_operator(self):
        self.records.change(
            _CARD,
            lambda r: r.put(
                record.Quarantine(
                    'mine', '2026-11-30T02:56:03Z', record.By.OPERATOR
                )
            ),
        )
        self.dirt.mark(_CARD, _WHOLE, _A)
        ((_, one),) = self.dirt.entries()
        self.dirt.failed(_CARD, one, 'its reset failed')
        self.assertEqual('mine', self.records.read()[_CARD].quarantine.reason)

    def test_identifier_of_a_later_version_may_be_all(self):
        new = record.Dirty('cdi:x?', _A, '2026-11-30T02:56:03Z')
        self.records.change(_CARD, lambda r: r.with_dirty(new))
        self.dirt.look()
        self.assertEqual({_WHOLE}, self.dirt.slots(_CARD))
        self.refused(_ONE)

    def test_what_can_not_be_remembered_goes_to_nobody(self):
        gone = dirt.Dirt(records.Records(self.folder / 'none'))
        error = self.assertRaises(
            exception.InvalidRecord, gone.mark, _CARD, _WHOLE, _A
        )
        self.assertIn('install -d', error.remedy)

    def test_what_is_not_cleaned_is_not_remembered(self):
        one = self.read_anew(passthrough=ways.Way.NONE)
        one.mark(_CARD, _WHOLE, _A)
        one.mark(_CARD, _MDEV, _A)
        self.assertEqual({}, self.records.read())

    def test_unreadable_records_leave_what_was_known(self):
        self.dirt.mark(_CARD, _WHOLE, _A)
        (self.folder / 'cards').rename(self.folder / 'away')
        (self.folder / 'cards').write_text('')
        self.dirt.look()
        self.assertEqual({_WHOLE}, self.dirt.slots(_CARD))

    def test_claims_stand_for_what_is_dirty(self):
        self.dirt.mark(_CARD, _ONE, _A)
        self.assertEqual(
            {_CARD: [model.Claim('', str(_ONE))]}, self.dirt.claims()
        )


class BootTest(testtools.TestCase):
    """What functions were is of one start of the host."""

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = hosts.simulated('t4', folder / 'root')
        (folder / 'state').mkdir()
        found = sysfs.Sysfs(self.host.root, root_.Root(self.host, 1.0))
        self.dirt = dirt.Dirt(records.Records(folder / 'state'), sysfs=found)
        self.path = self.host.root / 'proc/sys/kernel/random/boot_id'

    def mark(self):
        self.dirt.mark(_CARD, _WHOLE, _A, [_CARD])
        ((_, one),) = self.dirt.entries()
        return one

    def change(self):
        path = self.host.root / f'sys/bus/pci/devices/{_CARD}/config'
        raw = bytearray(path.read_bytes())
        raw[0x13] ^= 0x10
        self.host.break_file(str(_CARD), 'config', bytes(raw))

    def test_start_is_remembered(self):
        self.assertEqual(self.path.read_text().strip(), self.mark().boot)

    def test_functions_are_read_anew_after_a_reboot(self):
        before = self.mark()
        self.dirt.failed(_CARD, before, 'why')
        self.host.reboot()
        self.change()
        after = self.mark()
        self.assertEqual(self.path.read_text().strip(), after.boot)
        self.assertNotEqual(before.boot, after.boot)
        self.assertNotEqual(before.functions, after.functions)
        self.assertEqual((before.since, 'why'), (after.since, after.failed))

    def test_functions_are_not_read_anew_before(self):
        before = self.mark()
        self.change()
        self.assertEqual(before, self.mark())

    def test_start_that_can_not_be_read(self):
        self.path.unlink()
        before = self.mark()
        self.assertIsNone(before.boot)
        self.change()
        self.assertEqual(before, self.mark())
