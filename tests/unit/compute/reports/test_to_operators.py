"""Operators are told once of each quarantine, whatever can't be told of it."""

import unittest
from unittest import mock

import fixtures
from nova import rpc

from nova_gpuvirt import model
from nova_gpuvirt.compute.reports import to_operators
from nova_gpuvirt.health import quarantine
from nova_gpuvirt.health import record
from nova_gpuvirt.health import record_text

_CARD = model.PciAddress.parse('0000:3b:00.0')
_IN = record.Quarantine(
    'it crashes', '2026-11-30T02:56:03Z', record.By.OPERATOR
)


class QuarantinesTest(unittest.TestCase):
    def setUp(self):
        self.known = {}
        self.servers = ['b', 'a']
        self.notifier = mock.Mock()
        for used in (
            fixtures.MockPatchObject(rpc, 'LEGACY_NOTIFIER', self.notifier),
            log := fixtures.FakeLogger(),
        ):
            used.setUp()
            self.addCleanup(used.cleanUp)
        self.log = log
        self.told = to_operators.Quarantines(
            'host1',
            quarantine.Quarantine(lambda: self.known),
            lambda address: to_operators.Card(address, 'T4', '7', '123'),
            self.servers_on,
        )

    def servers_on(self, card):
        if isinstance(self.servers, Exception):
            raise self.servers
        return self.servers

    def lines(self):
        return [x for x in self.log.output.splitlines() if 'quarantine' in x]

    def test_each_is_told_once(self):
        self.known = {_CARD: record.Record(_IN)}
        for _ in range(3):
            self.told.look()
        self.assertEqual(
            [
                '0000:3b:00.0 (T4, PCI slot 7, serial number 123) is in '
                'quarantine: it crashes (operator, 2026-11-30T02:56:03Z); '
                'servers that have something of it keep it: a, b'
            ],
            self.lines(),
        )
        self.known = {}
        for _ in range(3):
            self.told.look()
        (_, line) = self.lines()
        self.assertIn('(T4, PCI slot 7, serial number 123) is in quaran', line)
        self.assertIn('no more', line)

    def test_another_reason_is_told(self):
        self.known = {_CARD: record.Record(_IN)}
        self.told.look()
        other = record.Quarantine('it burns', _IN.since, _IN.by)
        self.known = {_CARD: record.Record(other)}
        self.told.look()
        self.assertIn('it burns', self.lines()[1])

    def test_who_has_it_may_not_be_known(self):
        self.servers = RuntimeError('no database')
        self.known = {_CARD: record.Record(_IN)}
        self.told.look()
        self.assertIn('who has it is not known', self.log.output)
        self.assertIn('no database', self.log.output)
        sent = self.notifier.prepare.return_value.warn.call_args.args
        self.assertIsNone(sent[2]['servers'])

    def test_nobody_has_it(self):
        self.servers = []
        self.known = {_CARD: record.Record(_IN)}
        self.told.look()
        self.assertIn('no server has anything of it', self.log.output)

    def test_notifier_that_fails_is_no_reason_to_tell_nothing(self):
        self.notifier.prepare.side_effect = RuntimeError('no broker')
        self.known = {_CARD: record.Record(_IN)}
        self.told.look()
        self.assertIn('is in quarantine: it crashes', self.log.output)
        self.assertIn('no broker', self.log.output)

    def test_record_that_makes_no_sense_is_told(self):
        self.known = {_CARD: record_text.invalid('/x/y.json', 'nonsense')}
        self.told.look()
        self.assertIn('/x/y.json', self.lines()[0])
        sent = self.notifier.prepare.return_value.warn.call_args.args
        self.assertIsNone(sent[2]['since'])

    def test_card_of_which_nothing_is_known(self):
        self.assertEqual(
            '0000:3b:00.0 (which is not there)', str(to_operators.Card(_CARD))
        )
        self.assertEqual(
            '0000:3b:00.0 (T4)', str(to_operators.Card(_CARD, 'T4'))
        )
