"""What a card was made to be is known after a restart, of that card alone."""

import dataclasses
import pathlib
import unittest

import fixtures
import testtools
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.health import records
from nova_gpuvirt.layout import in_force
from nova_gpuvirt.layout import wish
from tests.unit import functions

_WORDS = st.lists(st.text()).map(tuple)
_WISHES = st.builds(
    wish.Wish,
    left_alone=st.booleans(),
    kinds=st.none() | _WORDS,
    api_sessions=st.none() | st.integers(),
    vfs=st.none() | st.integers() | st.just(wish.ALL),
    mig=st.none() | st.booleans(),
    gpu_instances=_WORDS,
    partition=st.none() | st.text(),
    vf_memory=st.none() | st.integers(),
)
_VFS = wish.Wish(vfs=4)


def card(device_id=0x26B9):
    function = functions.function(model.PciAddress.parse('0000:41:00.0'))
    function = dataclasses.replace(function, device_id=device_id)
    return model.Gpu(function, (), 'NVIDIA', 'L40S')


class TextTest(unittest.TestCase):
    @given(_WISHES)
    def test_what_was_written_is_read(self, one):
        self.assertEqual(one, in_force.parse(in_force.dump(one)))

    @given(st.text() | st.sampled_from(['[]', '{"vfs": {}}', '{"mig": 1}']))
    @example('[' * 100_000)
    def test_what_makes_no_sense_is_no_wish(self, text):
        self.assertIsNone(in_force.parse(text))

    def test_what_a_later_version_wishes_is_no_wish(self):
        self.assertIsNone(in_force.parse('{"vfs": 4, "color": "red"}'))


class InForceTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def start(self):
        made = in_force.InForce(records.Records(self.folder))
        made.look()
        return made

    def test_it_is_known_after_a_restart(self):
        made = self.start()
        self.assertIsNone(made.of(card()))
        self.assertFalse(made.is_in_use)
        made.begin()
        made.put(card(), _VFS)
        for one in (made, self.start()):
            self.assertEqual(_VFS, one.of(card()))
            self.assertTrue(one.is_in_use)

    def test_another_card_in_its_place_was_made_nothing(self):
        self.start().put(card(), _VFS)
        self.assertIsNone(self.start().of(card(0x2BB5)))

    def test_it_is_kept_beside_a_quarantine(self):
        made = self.start()
        made.put(card(), _VFS)
        known = records.Records(self.folder)
        known.change(
            card().address,
            lambda r: dataclasses.replace(r, dirty=()),
        )
        self.assertEqual(_VFS, self.start().of(card()))

    def test_where_nothing_can_be_written_the_process_knows_it(self):
        self.folder = self.folder / 'nowhere'
        log = self.useFixture(fixtures.FakeLogger())
        made = self.start()
        made.put(card(), _VFS)
        made.put(card(), wish.NOTHING)
        made.look()
        self.assertEqual(wish.NOTHING, made.of(card()))
        self.assertEqual(1, log.output.count('install -d -o nova'))

    def test_what_could_not_be_written_counts_and_is_written_later(self):
        made = self.start()
        made.put(card(), _VFS)
        (file,) = (self.folder / 'cards').iterdir()
        hidden = self.folder.with_name('hidden')
        self.folder.rename(hidden)
        self.folder.write_text('')
        made.put(card(), wish.NOTHING)
        self.folder.unlink()
        hidden.rename(self.folder)
        made.look()
        self.assertEqual(wish.NOTHING, made.of(card()))
        made.put(card(), wish.NOTHING)
        self.assertEqual(wish.NOTHING, self.start().of(card()))

    def test_record_that_makes_no_sense_tells_nothing(self):
        made = self.start()
        made.put(card(), _VFS)
        (file,) = (self.folder / 'cards').iterdir()
        file.write_text('{')
        made.look()
        error = self.assertRaises(exception.InvalidRecord, made.of, card())
        self.assertIn(str(file), str(error))
