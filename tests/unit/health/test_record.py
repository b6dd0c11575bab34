"""A record is read as it was written, or refused with its file's name."""

import datetime
import json
import unittest
import uuid

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt import exception
from nova_gpuvirt.health import record
from nova_gpuvirt.health import record_text

_SINCE = '2026-11-30T02:56:03Z'
_OPERATORS = record.Quarantine('it crashes', _SINCE, record.By.OPERATOR)
_OURS = record.Quarantine('Xid 79', _SINCE, record.By.NOVA_GPUVIRT)

_TIMES = st.datetimes(
    min_value=datetime.datetime(1970, 1, 1), timezones=st.just(datetime.UTC)
).map(record.time)
_TEXTS = st.text(st.characters(codec='utf-8'), min_size=1)
_QUARANTINES = st.builds(
    record.Quarantine, _TEXTS, _TIMES, st.sampled_from(record.By)
)
_DIRTY = st.builds(record.Dirty, _TEXTS, st.uuids().map(str), _TIMES)
_RECORDS = st.builds(
    record.Record,
    st.none() | _QUARANTINES,
    st.lists(_DIRTY, max_size=3).map(tuple),
    st.none() | st.builds(record.Layout, _TEXTS, st.just('{"vfs": 4}')),
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda some: st.lists(some) | st.dictionaries(st.text(), some),
    max_leaves=5,
)


class TextTest(unittest.TestCase):
    def refused(self, text):
        with self.assertRaises(exception.InvalidRecord) as caught:
            record_text.parse(text, '/x/0000:3b:00.0.json')
        self.assertEqual('/x/0000:3b:00.0.json', caught.exception.device)
        return caught.exception.found

    @given(_RECORDS)
    def test_what_was_written_is_read(self, one):
        self.assertEqual(one, record_text.parse(record_text.dump(one), 'x'))

    @given(st.text())
    def test_any_text_is_refused(self, text):
        self.refused(text)

    @given(
        _RECORDS,
        st.sampled_from(
            [
                ('version',),
                ('quarantine',),
                ('quarantine', 'reason'),
                ('quarantine', 'since'),
                ('quarantine', 'by'),
                ('dirty',),
                ('dirty', 0),
                ('dirty', 0, 'slot'),
                ('dirty', 0, 'instance'),
                ('dirty', 0, 'since'),
                ('layout',),
                ('layout', 'card'),
                ('layout', 'wish'),
            ]
        ),
        _JSON,
    )
    def test_any_other_value_is_refused_or_meant(self, one, way, value):
        whole = json.loads(record_text.dump(one))
        at = whole
        for step in way[:-1]:
            try:
                at = at[step]
            except (IndexError, KeyError, TypeError):
                return
        try:
            at[way[-1]] = value
        except (IndexError, TypeError):
            return
        text = json.dumps(whole)
        try:
            found = record_text.parse(text, 'x')
        except exception.InvalidRecord:
            return
        self.assertEqual(whole, json.loads(record_text.dump(found)))

    def test_cut_short_at_any_place_is_refused(self):
        one = record.Record(
            _OURS, (record.Dirty('x', str(uuid.UUID(int=7)), _SINCE),)
        )
        text = record_text.dump(one).rstrip()
        for end in range(len(text)):
            self.refused(text[:end])

    def test_later_version_is_not_guessed(self):
        whole = json.loads(record_text.dump(record.NOTHING))
        self.assertIn(
            'version 2', self.refused(json.dumps({**whole, 'version': 2}))
        )
        self.refused(json.dumps({**whole, 'version': True}))
        self.refused(json.dumps({**whole, 'more': 1}))

    def test_nested_without_end_is_refused(self):
        self.refused('[' * 100_000)


class QuarantineTest(unittest.TestCase):
    def test_operators_goes_before_ours(self):
        operators = record.NOTHING.put(_OPERATORS)
        ours = record.NOTHING.put(_OURS)
        self.assertEqual(operators, operators.put(_OURS))
        self.assertEqual(operators, ours.put(_OPERATORS))
        self.assertEqual(operators, operators.released(record.By.NOVA_GPUVIRT))

    def test_operator_ends_each(self):
        for one in (_OPERATORS, _OURS):
            ended = record.NOTHING.put(one).released(record.By.OPERATOR)
            self.assertTrue(ended.is_empty)
        self.assertTrue(
            record.NOTHING.put(_OURS).released(record.By.NOVA_GPUVIRT).is_empty
        )

    def test_same_again_goes_on_since_it_began(self):
        later = record.Quarantine(
            _OPERATORS.reason, '2027-01-01T00:00:00Z', record.By.OPERATOR
        )
        first = record.NOTHING.put(_OPERATORS)
        self.assertEqual(first, first.put(later))

    def test_what_is_dirty_stays(self):
        dirty = (record.Dirty('x', str(uuid.UUID(int=7)), _SINCE),)
        one = record.Record(dirty=dirty).put(_OURS)
        self.assertEqual(
            record.Record(dirty=dirty), one.released(record.By.OPERATOR)
        )
