"""A document is printed and read again as it was, and nonsense is refused."""

import contextlib
import dataclasses
import errno
import json
import unittest

import hypothesis
from hypothesis import strategies as st

from nova_gpuvirt import exception
from nova_gpuvirt.capture import document

_TEXT = st.binary(max_size=40).map(
    lambda data: data.decode(errors='surrogateescape')
)
_WORD = st.text(
    st.characters(codec='utf-8', exclude_categories=('Cc', 'Cs')), min_size=1
)
_LINES = st.lists(_WORD, max_size=4).map('\n'.join)
_REFUSAL = st.sampled_from(sorted(errno.errorcode.values())).map(
    document.Refusal
)
_FILES = st.fixed_dictionaries(
    {},
    optional={
        document.Question(method, 'sys/x'): answer | _REFUSAL
        for method, answer in (
            ('read', _TEXT),
            ('names', st.lists(_WORD).map(tuple)),
            ('target', _WORD),
            ('changed', st.integers()),
            ('exists', st.booleans()),
        )
    },
)
_DIALOGUE = st.dictionaries(
    st.lists(_WORD, min_size=1, max_size=3).map(tuple),
    st.builds(
        document.Said, st.sampled_from(['prints', 'fails', 'hangs']), _LINES
    ),
    max_size=2,
)
_DOCUMENTS = st.builds(
    document.Document,
    st.dictionaries(_WORD, _WORD, max_size=2),
    _LINES,
    _DIALOGUE,
    _DIALOGUE,
    _FILES,
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
_GOOD = {
    'format': 'nova-gpuvirt capture',
    'version': 1,
    'made': {'by': 'nobody'},
    'pci.ids': '',
    'commands': [{'argv': ['fmpm', '-l'], 'fails': 'no such command'}],
    'libvirt': [],
    'files': {'names sys/class/iommu': []},
}


class DocumentTest(unittest.TestCase):
    @hypothesis.given(_DOCUMENTS)
    def test_what_is_printed_is_read_again(self, found):
        text = document.dump(found)
        self.assertTrue(text.isascii())
        self.assertEqual(found, document.parse(text, 'x.json'))

    def test_lines_of_a_text_stand_below_each_other(self):
        found = document.parse(json.dumps(_GOOD), 'x.json')
        text = document.dump(dataclasses.replace(found, names='a\nb\n'))
        self.assertIn('"a",\n', text)


class NonsenseTest(unittest.TestCase):
    def refused(self, text):
        with self.assertRaises(exception.InvalidCapture) as caught:
            document.parse(text, 'x.json')
        return str(caught.exception)

    def test_good_one_is_read(self):
        document.parse(json.dumps(_GOOD), 'x.json')

    def test_other_formats(self):
        for text in ('', '[]', '{', '"x"', '[' * 100_000, '9' * 10_000):
            self.assertIn('x.json', self.refused(text))
        for change in ({'version': 2}, {'format': 'tar'}):
            self.refused(json.dumps({**_GOOD, **change}))

    def test_each_part_has_its_type(self):
        for key, value in (
            ('made', []),
            ('made', {'by': 1}),
            ('pci.ids', 7),
            ('pci.ids', 'a\x1b[2J'),
            ('pci.ids', 'a\udc9b2J'),
            ('commands', {'x': 1}),
            ('commands', [{'argv': ['x'], 'explodes': ''}]),
            ('commands', [{'argv': [], 'prints': ''}]),
            ('commands', [{'argv': ['x'], 'prints': '\x07'}]),
            ('files', {'write sys/x': 'y'}),
            ('files', {'read sys/x': 1}),
            ('files', {'read sys/x': '\ud800'}),
            ('files', {'names sys/x': 'y'}),
            ('files', {'names sys/x': ['a\nb']}),
            ('files', {'target sys/x': ['y']}),
            ('files', {'changed sys/x': float('nan')}),
            ('files', {'read sys/x': {'error': 'EASY'}}),
            ('files', {'read sys/x': {'error': 'errorcode'}}),
            ('files', {'target sys/x': 'a\udc80'}),
            ('files', {'read sys/x': {'error': 'ENOENT', 'and': 'more'}}),
        ):
            with self.subTest(key=key, value=value):
                self.refused(json.dumps({**_GOOD, key: value}))

    @hypothesis.given(st.sampled_from(sorted(_GOOD)), _JSON)
    def test_whatever_stands_anywhere_raises_nothing_else(self, key, value):
        with contextlib.suppress(exception.InvalidCapture):
            document.parse(json.dumps({**_GOOD, key: value}), 'x.json')

    @hypothesis.given(st.text())
    def test_any_text_raises_nothing_else(self, text):
        self.refused(text)
