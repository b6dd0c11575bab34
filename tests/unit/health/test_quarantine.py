"""Cards in quarantine are withheld, and those of which nothing is known."""

import unittest

import fixtures

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.health import quarantine
from nova_gpuvirt.health import record
from nova_gpuvirt.health import record_text
from tests.unit import functions

_SINCE = '2026-11-30T02:56:03Z'
_IN = record.Quarantine('it crashes', _SINCE, record.By.OPERATOR)
_SICK = record.Quarantine('Xid 79', _SINCE, record.By.NOVA_GPUVIRT)
_BAD = record_text.invalid('/x/0000:3b:00.0.json', 'no sense')


def _gpu(address):
    function = functions.function(model.PciAddress.parse(address))
    return model.Gpu(function, (), 'NVIDIA', 'T4')


class QuarantineTest(unittest.TestCase):
    def setUp(self):
        self.known = {}
        self.quarantine = quarantine.Quarantine(self.read)
        self.log = fixtures.FakeLogger()
        self.log.setUp()
        self.addCleanup(self.log.cleanUp)

    def read(self):
        if isinstance(self.known, Exception):
            raise self.known
        return {model.PciAddress.parse(a): r for a, r in self.known.items()}

    def why(self, address='0000:3b:00.0'):
        self.quarantine.look()
        return self.quarantine.why_not(_gpu(address))

    def test_card_that_an_operator_or_we_put_there(self):
        for one in (_IN, _SICK):
            self.known = {'0000:3b:00.0': record.Record(one)}
            self.assertIn(f'it is in quarantine: {one.reason}', self.why())
            self.assertIn(one.by.value, self.why())
            self.assertIsNone(self.why('0000:86:00.0'))
        self.known = {}
        self.assertIsNone(self.why())

    def test_card_that_is_only_dirty_is_not_in_it(self):
        dirty = record.Dirty('x', 'y', _SINCE)
        self.known = {'0000:3b:00.0': record.Record(dirty=(dirty,))}
        self.assertIsNone(self.why())

    def test_card_that_is_not_there(self):
        self.known = {'0000:3b:00.0': record.Record(_IN)}
        self.quarantine.look()
        gone = model.PciAddress.parse('0000:3b:00.0')
        self.assertTrue(self.quarantine.is_quarantined(gone))
        other = model.PciAddress.parse('0000:86:00.0')
        self.assertFalse(self.quarantine.is_quarantined(other))

    def test_record_that_makes_no_sense_withholds_its_card_alone(self):
        self.known = {'0000:3b:00.0': _BAD}
        self.assertIn('/x/0000:3b:00.0.json', self.why())
        self.assertIn('delete it', self.why())
        self.assertIsNone(self.why('0000:86:00.0'))

    def test_while_nothing_is_known_nothing_is_offered(self):
        self.known = exception.InvalidRecord(
            '/x', wanted='to know', found='EACCES', remedy='chmod'
        )
        for _ in range(3):
            self.assertIn('EACCES', self.why('0000:86:00.0'))
        self.assertEqual(1, self.log.output.count('No GPU is offered'))
        self.known = {}
        self.assertIsNone(self.why())

    def test_renderer_without_pci_has_no_record(self):
        self.known = {'0000:3b:00.0': record.Record(_IN)}
        self.quarantine.look()
        renderer = model.Gpu(None, (), '', 'x', model.RenderNode(128))
        self.assertIsNone(self.quarantine.why_not(renderer))
