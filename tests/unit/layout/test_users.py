"""What is remembered of a card tells who has it, or left it dirty."""

import pathlib

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.health import record
from nova_gpuvirt.health import records
from nova_gpuvirt.layout import users

_CARD = model.PciAddress.parse('0000:3b:00.0')
_SLOT = f'passthrough:{_CARD}'
_SERVER = '155d900f-4e14-4e4c-a73d-069cbf4541e6'
_DIRTY = record.Dirty(_SLOT, _SERVER, '2026-11-30T02:56:03Z')


class RememberedTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.records = records.Records(self.folder)

    def told(self):
        return users.remembered(self.records, _CARD)

    def test_nobody(self):
        self.assertIsNone(self.told())
        self.assertIsNone(users.remembered(None, _CARD))
        renderer = model.RenderNode.parse('renderD128')
        self.assertIsNone(users.remembered(self.records, renderer))

    def test_server_and_why_it_could_not_be_cleaned(self):
        self.records.change(_CARD, lambda r: r.with_dirty(_DIRTY))
        self.assertIn(f'the server {_SERVER} has {_SLOT}', self.told())
        self.records.change(
            _CARD, lambda r: r.failed(r.dirty[0], 'it did not reset')
        )
        self.assertIn('(it did not reset)', self.told())
        self.records.change(_CARD, lambda r: r.cleaned(_DIRTY))
        self.assertIsNone(self.told())

    def test_what_can_not_be_read_is_not_nobody(self):
        cards = self.folder / 'cards'
        cards.mkdir()
        (cards / f'{_CARD}.json').write_text('{')
        self.assertRaises(exception.InvalidRecord, self.told)
        (cards / f'{_CARD}.json').unlink()
        cards.rmdir()
        cards.write_text('')
        self.assertRaises(exception.InvalidRecord, self.told)
