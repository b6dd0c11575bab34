"""A layout that can't be gone by says nothing of cards, and why."""

import testtools

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import layout_file
from nova_gpuvirt.layout import document
from tests.unit.checks import subjects

PLACE = 'etc/nova-gpuvirt/layout.yaml'


class LayoutFileTest(testtools.TestCase):
    def read(self, texts):
        """Read the layout of a host with these files."""
        folder = self.useFixture(subjects.Folder(texts))
        return layout_file.of(folder.files, f'/{PLACE}')

    def test_one_that_can_be_gone_by(self):
        found = self.read({PLACE: 'version: 1\ncards: [{vfs: 4}]\n'})
        self.assertIsNone(found.instead)
        (entry,) = found.layout.entries
        self.assertEqual(4, entry.wish.vfs)

    def test_none(self):
        found = self.read({})
        self.assertEqual(document.NONE, found.layout)
        self.assertIs(finding.Level.PASS, found.instead.level)

    def test_none_whose_place_is_known(self):
        found = layout_file.of(
            self.useFixture(subjects.Folder({})).files, None
        )
        self.assertIs(finding.Level.WARN, found.instead.level)

    def test_one_that_says_what_can_not_be(self):
        found = self.read({PLACE: 'version: 1\ncards: [{vfs: many}]\n'})
        self.assertEqual(document.NONE, found.layout)
        self.assertIs(finding.Level.FAIL, found.instead.level)
        self.assertIn(f'/{PLACE}, line 2: wanted', found.instead.found)

    def test_one_that_can_not_be_read(self):
        found = self.read({f'{PLACE}/x': ''})
        self.assertEqual(document.NONE, found.layout)
        self.assertIs(finding.Level.WARN, found.instead.level)
        self.assertIn(f'/{PLACE} can not be read', found.instead.found)
