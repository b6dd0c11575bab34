"""Layout files are read, and each error names its line."""

import json
import pathlib
import textwrap
import unittest

import fixtures
import hypothesis
import jsonschema
import yaml
from hypothesis import strategies as st

from nova_gpuvirt import backends
from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import vgpu
from nova_gpuvirt.host import root_changes
from nova_gpuvirt.layout import document
from nova_gpuvirt.layout import wish as wish_
from tests.unit import functions

_CLONE = pathlib.Path(__file__).parents[3]
_TEXT = """
    version: 1
    cards:
      - select: {model: '*L40S*', address: ['0000:4*', '0000:A1:00.0']}
        vfs: all
        profiles: '*-8q'
        mixed_sizes: yes
      - select:
          numa_node: 1
        whole: true
      - select: {vendor: Intel}
        vfs: 4
        vf_memory: 2 GiB
      - mig: [1g.10gb, 19, '1g.24gb+gfx:0']
        offer: [vendor-vfio, mdev]
"""


def parse(text):
    return document.parse(textwrap.dedent(text), 'layout.yaml')


def _schema_of_an_entry():
    schema = json.loads(document.SCHEMA.read_text())
    return schema['$defs']['entry']['properties']


class ReadingTest(unittest.TestCase):
    def test_each_entry_is_a_wish(self):
        entries = parse(_TEXT).entries
        self.assertEqual([4, 8, 11, 14], [entry.line for entry in entries])
        first, second, third, fourth = (entry.wish for entry in entries)
        self.assertEqual(
            wish_.Wish(vfs='all', profiles=('*-8q',), mixed_sizes=True),
            first,
        )
        self.assertEqual(
            wish_.Wish(kinds=('passthrough', 'set'), vfs=0, mig=False),
            second,
        )
        self.assertEqual(wish_.Wish(vfs=4, vf_memory=2 << 30), third)
        self.assertEqual(
            wish_.Wish(
                mig=True,
                gpu_instances=('1g.10gb', '19', '1g.24gb+gfx:0'),
                kinds=('vendor-vfio', 'mdev'),
            ),
            fourth,
        )

    def test_what_looks_like_another_type_is_the_text_it_is(self):
        """YAML 1.1 has dates, octal numbers, and some of base 60."""
        (entry,) = parse(
            """
            version: 1
            cards:
              - select: {address: 0000:41:00.0}
                mig: [19:4, 9:0]
            """
        ).entries
        self.assertEqual(('0000:41:00.0',), entry.selector.addresses)
        self.assertEqual(('19:4', '9:0'), entry.wish.gpu_instances)
        for value in ('2026-99-99', '0x_', '2.0', '0o17', '1_000', '.inf'):
            with self.assertRaises(exception.InvalidLayout):
                parse(f'version: 1\ncards: [{{vfs: {value}}}]')

    def test_two_entries_in_one_line(self):
        layout = parse(
            'version: 1\n'
            'cards: [{select: {vendor: a}, vfs: 1}, {vfs: 2, mig: []}]'
        )
        function = functions.function('0000:41:00.0')
        card = model.Gpu(function, (), 'a', 'b')
        self.assertEqual([2], [e.wish.vfs for e in layout.unused([card])])

    def test_profiles_are_those_that_root_takes(self):
        mig = _schema_of_an_entry()['mig']['anyOf'][1]
        pattern = root_changes.PROFILE.pattern
        self.assertEqual(f'^{pattern}$', mig['items']['pattern'])
        self.assertEqual(root_changes._MOST_INSTANCES, mig['maxItems'])

    def test_lists_and_bounds_are_those_of_who_takes_them(self):
        entry = _schema_of_an_entry()
        self.assertEqual(
            sorted(backends.KINDS), sorted(entry['offer']['items']['enum'])
        )
        for name, words in (
            ('partition', root_changes.PARTITIONS),
            ('memory_mode', root_changes.MEMORY_MODES),
        ):
            self.assertEqual([*words], entry[name]['enum'])
        vfs, _ = entry['vfs']['anyOf']
        self.assertEqual(root_changes._MOST_VFS, vfs['maximum'])
        self.assertEqual(vgpu.MAX_INDEX, entry['api_sessions']['maximum'])

    def test_file_that_is_not_there_says_nothing(self):
        folder = fixtures.TempDir()
        with folder:
            file = pathlib.Path(folder.path, 'layout.yaml')
            self.assertEqual(document.NONE, document.read(file))
            file.mkdir()
            with self.assertRaisesRegex(exception.InvalidLayout, 'a file'):
                document.read(file)

    def test_file_that_is_no_text(self):
        folder = fixtures.TempDir()
        with folder:
            file = pathlib.Path(folder.path, 'layout.yaml')
            file.write_bytes(b'version: \xff')
            with self.assertRaisesRegex(exception.InvalidLayout, 'decode'):
                document.read(file)

    def test_schema_is_one(self):
        jsonschema.Draft202012Validator.check_schema(
            yaml.safe_load(document.SCHEMA.read_text())
        )


class SampleTest(unittest.TestCase):
    def test_sample_can_be_read_and_has_each_word(self):
        sample = _CLONE / 'etc/nova-gpuvirt/layout.yaml.sample'
        layout = document.read(sample)
        self.assertGreater(len(layout.entries), 3)
        entry = _schema_of_an_entry()
        for word in (*entry, *entry['select']['properties']):
            self.assertRegex(
                sample.read_text(), rf'(?m)^\s*-? *{word}:|[{{ ]{word}:'
            )


class ErrorTest(unittest.TestCase):
    def refused(self, old, new):
        self.assertIn(old, _TEXT)
        with self.assertRaises(exception.InvalidLayout) as raised:
            parse(_TEXT.replace(old, new, 1))
        return raised.exception

    def test_line_and_what_is_allowed_are_named(self):
        for old, new, line, wanted, found in (
            ('vfs: all', 'vf: all', 5, 'vfs', "'vf' (is 'vfs' meant?)"),
            ('vfs: all', 'vfs: -1', 5, 'at least 0', '-1'),
            ('vfs: all', 'vfs: some', 5, '"all"', "'some'"),
            ('vfs: all', 'vfs: true', 5, '"all"', 'True'),
            ('version: 1', 'version: 2', 2, '1', '2'),
            ('version: 1', '', 3, "the key 'version'", 'none'),
            ('cards:', 'card:', 3, 'cards', "'card' (is 'cards' meant?)"),
            ('numa_node: 1', 'numa_node: []', 9, 'not empty', '[]'),
            ('numa_node: 1', '', 8, 'object', 'None'),
            ('2 GiB', '2GB', 13, 'such as 2000 MiB, 4 GiB', "'2GB'"),
            ('2 GiB', '0 GiB', 13, 'such as', "'0 GiB'"),
            ('2 GiB', '2001 MiB', 13, 'a multiple of 2 MiB', "'2001 MiB'"),
            ('1g.10gb', '1g.10gb;x', 14, 'such as 1g.10gb', '1g.10gb;x'),
            ('2 GiB', '|\n          2 GiB', 13, 'such as', r"'2 GiB\n'"),
            ('1g.10gb', r'"1g.10gb\n"', 14, 'such as', r"'1g.10gb\n'"),
            ('19', '!!float 19.0', 14, 'such as 1g.10gb', '19.0'),
            ('numa_node: 1', 'numa_node: !!float 1.0', 9, 'integer', '1.0'),
            ('[vendor-vfio', '[vgpu', 15, 'vendor-vfio', "'vgpu'"),
            ('whole: true', 'whole: false', 10, 'true', 'False'),
            ('whole: true', 'whole: true\n        vfs: 1', 11, 'whole', 'vfs'),
            ('whole: true', 'left_alone: true\n        vfs: 1', 11, '', 'vfs'),
        ):
            with self.subTest(repr(new)):
                error = self.refused(old, new)
                self.assertEqual(f'layout.yaml, line {line}', error.device)
                self.assertIn(wanted, error.wanted)
                self.assertIn(found, error.found)

    def test_what_is_no_yaml(self):
        for old, new, found in (
            ('vfs: all', 'vfs: [', 'expected'),
            ('vfs: all', 'vfs: all\n        vfs: 0', 'a second time'),
            ('vfs: all', 'vfs: !!python/name:os.system', 'constructor'),
            ('vfs: all', 'vfs: &a all\n        mig: *a', 'alias'),
            ('vfs: all', f'vfs: {"[" * 60}{"]" * 60}', 'without end'),
            ('vfs: all', '? [a]\n        : 1', 'no text'),
            ('vfs: all', 'vfs: "\x01"', 'special characters'),
        ):
            with self.subTest(repr(new)):
                self.assertIn(found, self.refused(old, new).found)
        for text in ('', '[]', '1', 'version: 1'):
            with self.assertRaises(exception.InvalidLayout):
                parse(text)

    @hypothesis.given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=9),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        ('version', 'cards', 'select', 'vfs', 'mig')
                    )
                    | st.text(max_size=5),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=20,
        )
    )
    def test_nothing_else_is_ever_raised(self, data):
        try:
            parse(yaml.safe_dump(data, allow_unicode=True))
        except exception.InvalidLayout as error:
            self.assertIn('layout.yaml, line ', str(error))


class ChoosingTest(unittest.TestCase):
    def card(self, address='0000:41:00.0', node=0, **changes):
        function = functions.function(address, numa_node=node)
        words = {'vendor': 'NVIDIA', 'model': 'L40S', **changes}
        return model.Gpu(function, (), **words)

    def test_first_entry_that_fits_says_it(self):
        layout = parse(
            """
            version: 1
            cards:
              - select: {address: '0000:41:00.0'}
                vfs: 1
              - select: {address: '0000:4*', vendor: nvidia}
                vfs: 2
              - vfs: 3
            """
        )
        for card, vfs in (
            (self.card('0000:41:00.0'), 1),
            (self.card('0000:42:00.0', vendor='NVIDIA'), 2),
            (self.card('0000:42:00.0', vendor='AMD'), 3),
            (self.card('0000:51:00.0'), 3),
        ):
            self.assertEqual(vfs, layout.wish(card).vfs)
        self.assertEqual(
            [4, 6],
            [e.line for e in layout.unused([self.card('0000:51:00.0')])],
        )

    def test_address_as_commands_print_it(self):
        card = self.card('0000:a1:00.0')
        for glob, fits in (
            ('a1:00.0', True),
            ('A1:00.*', True),
            ('?1:*', True),
            ('00000000:A1:00.0', True),
            ('*:a1:00.0', True),
            ('a2:00.0', False),
            ('0001:a1:00.0', False),
        ):
            layout = parse(
                f"version: 1\ncards:\n- select: {{address: '{glob}'}}\n"
                '  vfs: 1'
            )
            self.assertEqual(fits, layout.wish(card).vfs == 1, glob)

    def test_card_that_nothing_selects(self):
        layout = parse(
            'version: 1\ncards:\n- select: {numa_node: 1}\n  vfs: 1'
        )
        self.assertEqual(wish_.NOTHING, layout.wish(self.card(node=0)))
        self.assertEqual(1, layout.wish(self.card(node=1)).vfs)
        node = model.Gpu(None, (), 'Linux', 'vgem', model.RenderNode(128))
        self.assertEqual(wish_.NOTHING, layout.wish(node))

    def test_model_by_its_name_or_its_ids(self):
        card = self.card(model='L40S')
        vendor, device = card.function.ids
        for glob, fits in (
            ('l40s', True),
            ('*40*', True),
            ('L40', False),
            (f'{vendor:04X}:{device:04x}', True),
            ('10de:*', vendor == 0x10DE),
        ):
            layout = parse(
                f'version: 1\ncards:\n- select: {{model: "{glob}"}}\n  vfs: 1'
            )
            self.assertEqual(fits, layout.wish(card).vfs == 1, glob)
