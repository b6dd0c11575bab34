"""A layout file is read again when it changes, and no wrong one counts."""

import os
import pathlib
import unittest
from unittest import mock

import fixtures

from nova_gpuvirt.layout import document
from nova_gpuvirt.layout import followed

_GOOD = 'version: 1\ncards: [{vfs: 1}]'


class FollowedTest(unittest.TestCase):
    def setUp(self):
        folder = fixtures.TempDir()
        folder.setUp()
        self.addCleanup(folder.cleanUp)
        self.file = pathlib.Path(folder.path, 'layout.yaml')
        self.followed = followed.Followed(self.file)

    def read(self):
        return [e.wish.vfs for e in self.followed.read().entries]

    def test_it_comes_and_changes_and_goes(self):
        self.assertEqual([], self.read())
        self.assertIsNone(self.followed.invalid)
        self.file.write_text(_GOOD)
        self.assertEqual([1], self.read())
        self.file.write_text(_GOOD.replace('1}', '22}'))
        self.assertEqual([22], self.read())
        with mock.patch.object(document, 'read') as read:
            self.read()
        read.assert_not_called()
        self.file.unlink()
        self.assertEqual([], self.read())

    def test_wrong_one_at_first_lets_nothing_be_offered(self):
        self.file.write_text('version: 2')
        self.assertEqual([], self.read())
        self.assertIn('line 1', self.followed.invalid)
        self.file.write_text(_GOOD)
        self.assertEqual([1], self.read())
        self.assertIsNone(self.followed.invalid)

    def test_wrong_one_later_changes_nothing(self):
        self.file.write_text(_GOOD)
        self.read()
        self.file.write_text('version: 2')
        self.assertEqual([1], self.read())
        self.assertIsNone(self.followed.invalid)

    def test_whatever_is_raised_at_first_lets_nothing_be_offered(self):
        with mock.patch.object(document, 'read', side_effect=ValueError('x')):
            self.assertEqual([], self.read())
        self.assertIsNotNone(self.followed.invalid)
        self.file.write_text(_GOOD)
        self.assertEqual([1], self.read())

    def test_mode_that_is_put_right_is_seen(self):
        self.file.write_text(_GOOD)
        error = PermissionError(13, 'Permission denied')
        with mock.patch.object(pathlib.Path, 'read_bytes', side_effect=error):
            self.read()
        self.assertIn('Permission denied', self.followed.invalid)
        os.chmod(self.file, 0o600)
        os.chmod(self.file, 0o644)
        self.assertEqual([1], self.read())
        self.assertIsNone(self.followed.invalid)
