"""How a function is built is compared with the same function alone."""

import pathlib

import fixtures
import testtools

from nova_gpuvirt import model
from nova_gpuvirt.health import footprint
from nova_gpuvirt.health import record
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_

_T4 = model.PciAddress.parse('0000:3b:00.0')
_IDS = 0x10DE, 0x1EB8
_TEXT = (
    'ids=10de:1eb8 subsystem=10de:12a2 class=030200 type=00 bars=f8000000 '
    'caps=01@60 extended=0001.1@100'
)


class ReadTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = hosts.simulated('t4', root)
        self.sysfs = sysfs.Sysfs(root, root_.Root(self.host, 1.0))

    def test_is_the_same_each_time(self):
        found = footprint.read(self.sysfs, _T4)
        self.assertEqual(found, footprint.read(self.sysfs, _T4))
        self.assertEqual((), footprint.differences(found, found))
        self.assertTrue(found.startswith('ids=10de:1eb8 '), found)

    def test_of_one_that_answers_with_ones(self):
        self.host.break_file(str(_T4), 'config', b'\xff' * 64)
        self.assertIsNone(footprint.read(self.sysfs, _T4))

    def test_of_one_that_is_not_there(self):
        self.host.unplug(str(_T4))
        self.assertIsNone(footprint.read(self.sysfs, _T4))


class DifferencesTest(testtools.TestCase):
    def test_are_told_in_words(self):
        now = _TEXT.replace('f8000000', '00000000')
        self.assertEqual(
            ('BAR 0 was 0xf8000000 and is 0x00000000',),
            footprint.differences(_TEXT, now),
        )

    def test_from_nonsense_are_none(self):
        self.assertEqual((), footprint.differences('nonsense', _TEXT))


class IsAnotherTest(testtools.TestCase):
    def test_same_ids(self):
        self.assertFalse(footprint.is_another(_TEXT, _IDS))

    def test_another_vendor_or_device(self):
        for ids in ((0x1002, 0x1EB8), (0x10DE, 0x26B9)):
            self.assertTrue(footprint.is_another(_TEXT, ids), ids)

    def test_vf_has_no_ids_of_its_own(self):
        vf = _TEXT.replace('10de:1eb8', 'ffff:ffff')
        self.assertFalse(footprint.is_another(vf, (0x8086, 0x56C0)))

    def test_nonsense_is_no_other(self):
        self.assertFalse(footprint.is_another('nonsense', _IDS))


class IsOfAnotherBootTest(testtools.TestCase):
    def test_is_only_where_both_are_known(self):
        for before, now, expected in (
            ('a', 'a', False),
            ('a', 'b', True),
            (None, 'b', False),
            ('a', None, False),
            (None, None, False),
        ):
            dirty = record.Dirty('x', 'y', 'z', boot=before)
            found = footprint.is_of_another_boot(dirty, now)
            self.assertEqual(expected, found, (before, now))
