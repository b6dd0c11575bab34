"""A step is left out until what it is made from changes."""

import contextlib
import io
import pathlib
import tempfile
import unittest

from lab.host import cache


class CachedTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.source = self.folder / 'source'
        self.source.write_text('1')
        self.target = self.folder / 'target'
        self.made = 0

    def make(self, target):
        self.made += 1
        (target / 'file').write_text(self.source.read_text())

    def cached(self, *inputs, make=None):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            cache.kept('it', self.target, inputs, make or self.make)
        return said.getvalue()

    def test_it_is_made_once(self):
        self.assertIn('s  it\n', self.cached(self.source))
        self.assertIn('s  it: as it was\n', self.cached(self.source))
        self.assertEqual(1, self.made)

    def test_a_changed_file_makes_it_anew(self):
        self.cached(self.source)
        (self.target / 'old').touch()
        self.source.write_text('2')
        self.cached(self.source)
        self.assertEqual('2', (self.target / 'file').read_text())
        self.assertFalse((self.target / 'old').exists())

    def test_a_file_that_appears_in_a_folder_makes_it_anew(self):
        folder = self.folder / 'folder'
        self.cached(folder)
        folder.mkdir()
        (folder / 'new').touch()
        self.cached(folder)
        self.assertEqual(2, self.made)

    def test_a_changed_text_makes_it_anew(self):
        self.cached('1', '2')
        self.cached('12')
        self.assertEqual(2, self.made)

    def test_what_failed_is_not_taken_for_made(self):
        def fail(target):
            (target / 'half').touch()
            raise OSError

        self.cached(self.source)
        self.source.write_text('2')
        with self.assertRaises(OSError):
            self.cached(self.source, make=fail)
        self.cached(self.source)
        self.assertEqual('2', (self.target / 'file').read_text())
        self.assertFalse((self.target / 'half').exists())
