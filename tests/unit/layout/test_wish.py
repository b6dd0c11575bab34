"""A card is changed only where a mode of it is named."""

import dataclasses

import testtools

from nova_gpuvirt.layout import wish

_MODES = {
    'vfs': 0,
    'mig': False,
    'mixed_sizes': False,
    'partition': 'SPX',
    'memory_mode': 'NPS1',
    'vf_memory': 1 << 30,
}
_OTHERS = {
    'kinds': ('mdev',),
    'profiles': ('*',),
    'default_profile': ('*',),
    'api_sessions': 4,
    'gpu_instances': (),
}


class WishTest(testtools.TestCase):
    def test_each_mode_is_something_to_be_changed(self):
        for name, value in _MODES.items():
            named = wish.Wish(**{name: value})
            self.assertFalse(named.changes_nothing, name)
            alone = dataclasses.replace(named, left_alone=True)
            self.assertTrue(alone.changes_nothing, name)

    def test_what_is_offered_changes_no_card(self):
        self.assertTrue(wish.NOTHING.changes_nothing)
        self.assertTrue(wish.Wish(**_OTHERS).changes_nothing)

    def test_there_is_nothing_else(self):
        names = {field.name for field in dataclasses.fields(wish.Wish)}
        self.assertEqual(names, {*_MODES, *_OTHERS, 'left_alone'})
