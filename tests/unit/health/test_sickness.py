"""One record that makes no sense keeps no other card in quarantine."""

import pathlib

import fixtures
import testtools

from nova_gpuvirt import model
from nova_gpuvirt.health import dirt
from nova_gpuvirt.health import record
from nova_gpuvirt.health import records
from nova_gpuvirt.health import sickness
from nova_gpuvirt.health import signs

_SICK, _WELL = map(model.PciAddress.parse, ('0000:3b:00.0', '0000:5e:00.0'))


class Watch:
    """Somebody who has seen one card sick, and all others well."""

    sick = {_SICK: (signs.Sign(signs.Name.GONE, 'it is gone', True),)}

    def __init__(self):
        self.forgotten = []

    def is_well(self, card):
        return card not in self.sick

    def look(self, gpus, sick, unclean):
        self.taken_for_sick = sick

    def forget(self, card):
        self.forgotten.append(card)


class SicknessTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.log = self.useFixture(fixtures.FakeLogger())
        self.records = records.Records(folder)
        self.cards = folder / 'cards'
        self.watch = Watch()
        self.sickness = sickness.Sickness(
            self.watch, self.records, dirt.Dirt(self.records)
        )

    def quarantined(self):
        return {
            card: found.quarantine.reason
            for card, found in self.records.read().items()
            if isinstance(found, record.Record) and found.quarantine
        }

    def test_sick_card_is_remembered(self):
        self.sickness.look(())
        self.assertEqual({_SICK: 'it is gone'}, self.quarantined())

    def test_bad_record_of_another(self):
        self.records.change(
            _WELL,
            lambda one: one.put(
                record.Quarantine(
                    'x', '2026-11-30T02:56:03Z', record.By.NOVA_GPUVIRT
                )
            ),
        )
        (self.cards / f'{_SICK}.json').write_text('{')
        for _ in range(3):
            self.sickness.look(())
        self.assertEqual({}, self.quarantined())
        self.assertEqual(1, self.log.output.count('is not remembered'))

    def test_released_by_an_operator(self):
        self.sickness.look(())
        self.records.change(
            _SICK, lambda one: one.released(record.By.OPERATOR)
        )
        self.sickness.look(())
        self.assertEqual([_SICK], self.watch.forgotten)
