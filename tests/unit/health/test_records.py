"""What is remembered of cards is never lost, half written or guessed."""

import dataclasses
import multiprocessing
import os
import pathlib
import stat
import unittest
import uuid
from unittest import mock

import fixtures

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.health import record
from nova_gpuvirt.health import record_text
from nova_gpuvirt.health import records

_SINCE = '2026-11-30T02:56:03Z'
_CARD = model.PciAddress.parse('0000:3b:00.0')
_OTHER = model.PciAddress.parse('0000:86:00.0')
_QUARANTINE = record.Quarantine('it crashes', _SINCE, record.By.OPERATOR)
_IS_ROOT = os.geteuid() == 0
_TIMES = 40


def _put(one):
    return one.put(_QUARANTINE)


def _release(one):
    return one.released(record.By.OPERATOR)


def _add_dirt(one, number):
    dirt = record.Dirty('x', str(uuid.UUID(int=number)), _SINCE)
    return dataclasses.replace(one, dirty=(*one.dirty, dirt))


def _add_often(folder, first):
    """Add to a record, as one of several processes."""
    for number in range(first, first + _TIMES):
        records.Records(folder).change(
            _CARD, lambda one, n=number: _add_dirt(one, n)
        )


class RecordsTest(unittest.TestCase):
    def setUp(self):
        folder = fixtures.TempDir()
        folder.setUp()
        self.addCleanup(folder.cleanUp)
        self.folder = pathlib.Path(folder.path, 'state')
        self.folder.mkdir()
        self.cards = self.folder / 'cards'
        self.file = self.cards / '0000:3b:00.0.json'
        self.records = records.Records(self.folder)

    def why(self, card=_CARD):
        found = self.records.read()[card]
        self.assertIsInstance(found, exception.InvalidRecord)
        return str(found)

    def test_what_is_remembered_is_there_after_a_restart(self):
        self.records.change(_CARD, _put)
        again = records.Records(self.folder)
        self.assertEqual(
            {_CARD: record.Record(_QUARANTINE)}, dict(again.read())
        )
        self.assertEqual(['0000:3b:00.0.json'], os.listdir(self.cards))
        self.assertEqual(0o644, stat.S_IMODE(self.file.stat().st_mode))

    def test_nothing_to_remember_leaves_no_file(self):
        self.records.change(_CARD, _put)
        self.records.change(_OTHER, _release)
        self.records.change(_CARD, _release)
        self.assertEqual([], os.listdir(self.cards))
        self.assertEqual({}, self.records.read())

    def test_no_folder_remembers_nothing_and_says_how_to_make_it(self):
        self.folder.rmdir()
        self.assertEqual({}, self.records.read())
        with self.assertRaises(exception.InvalidRecord) as caught:
            self.records.change(_CARD, _put)
        self.assertIn(
            f'install -d -o nova -m 0755 {self.folder}', str(caught.exception)
        )

    def test_folder_that_is_none_is_not_taken_for_a_missing_one(self):
        self.cards.write_text('')
        with self.assertRaises(exception.InvalidRecord):
            self.records.read()
        with self.assertRaises(exception.InvalidRecord):
            self.records.change(_CARD, _put)

    def test_nonsense_is_told_by_its_file_and_hides_no_other(self):
        self.records.change(_OTHER, _put)
        for text in (b'', b'{', b'\xff', b'{"version": 2}', b' ' * (2 << 20)):
            self.file.write_bytes(text)
            self.assertIn(str(self.file), self.why())
            self.assertEqual(
                record.Record(_QUARANTINE), self.records.read()[_OTHER]
            )
            with self.assertRaises(exception.InvalidRecord):
                self.records.change(_CARD, _put)
            self.assertEqual(text, self.file.read_bytes())

    def test_other_files_are_no_records(self):
        self.cards.mkdir()
        for name in ('x.json', '3b:00.0.json', '0000:3B:00.0.json', 'x'):
            (self.cards / name).write_text('')
        (self.cards / '0000:3b:00.0').write_text('')
        self.assertEqual({}, self.records.read())

    def test_links_are_not_followed(self):
        good = self.folder / 'elsewhere'
        good.write_text(record_text.dump(record.Record(_QUARANTINE)))
        self.cards.mkdir()
        self.file.symlink_to(good)
        self.assertIn(str(self.file), self.why())
        self.file.unlink()
        # Where the next one is written.
        (self.cards / '.new').symlink_to(good)
        before = good.read_text()
        self.records.change(_CARD, _add_dirt_7)
        self.assertEqual(before, good.read_text())
        self.assertFalse(self.file.is_symlink())

    def test_link_in_place_of_the_folder_is_not_followed(self):
        elsewhere = self.folder.with_name('elsewhere')
        elsewhere.mkdir()
        self.cards.symlink_to(elsewhere)
        for act in (
            self.records.read,
            lambda: self.records.change(_CARD, _put),
        ):
            with self.assertRaises(exception.InvalidRecord):
                act()
        self.assertEqual([], os.listdir(elsewhere))

    def test_pipe_is_not_waited_for(self):
        self.cards.mkdir()
        os.mkfifo(self.file)
        self.assertIn('it is no file', self.why())

    def test_who_is_killed_leaves_what_was(self):
        self.records.change(_CARD, _put)
        with (
            mock.patch.object(os, 'replace', side_effect=KeyboardInterrupt),
            self.assertRaises(KeyboardInterrupt),
        ):
            self.records.change(_CARD, _add_dirt_7)
        self.assertEqual(
            record.Record(_QUARANTINE), self.records.read()[_CARD]
        )
        self.records.change(_CARD, _add_dirt_7)
        self.assertEqual(1, len(self.records.read()[_CARD].dirty))

    def test_full_disk_leaves_what_was(self):
        self.records.change(_CARD, _put)
        full = OSError(28, 'No space left on device')
        with (
            mock.patch.object(os, 'fsync', side_effect=full),
            self.assertRaisesRegex(exception.InvalidRecord, 'No space left'),
        ):
            self.records.change(_CARD, _add_dirt_7)
        self.assertEqual(
            record.Record(_QUARANTINE), self.records.read()[_CARD]
        )

    def test_two_writers_at_once_lose_nothing(self):
        processes = [
            multiprocessing.get_context('fork').Process(
                target=_add_often, args=(self.folder, first)
            )
            for first in (0, _TIMES)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
            self.assertEqual(0, process.exitcode)
        found = self.records.read()[_CARD].dirty
        self.assertEqual(
            {str(uuid.UUID(int=n)) for n in range(2 * _TIMES)},
            {each.instance for each in found},
        )

    def test_who_holds_it_for_long_is_not_waited_for_without_end(self):
        with (
            self.records._locked(),
            mock.patch.object(records, '_SECONDS', 0.1),
            self.assertRaises(exception.Locked) as caught,
        ):
            self.records.change(_CARD, _put)
        self.assertIn(str(self.folder), str(caught.exception))

    def test_what_root_writes_is_the_owners(self):
        owner = self.folder.stat()
        given = []

        def chown(what, uid, gid, **kwargs):
            given.append((uid, gid))

        with (
            mock.patch.object(os, 'geteuid', return_value=0),
            mock.patch.object(os, 'chown', chown),
        ):
            self.records.change(_CARD, _put)
        self.assertEqual([(owner.st_uid, owner.st_gid)] * 2, given)

    @unittest.skipUnless(_IS_ROOT, 'only root gives files away')
    def test_root_gives_what_it_writes_to_the_folders_owner(self):
        os.chown(self.folder, 12345, 23456)
        self.records.change(_CARD, _put)
        for path in (self.cards, self.file):
            self.assertEqual(
                (12345, 23456), (path.stat().st_uid, path.stat().st_gid)
            )


def _add_dirt_7(one):
    return _add_dirt(one, 7)
