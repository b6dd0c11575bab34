"""Options are read, and what can't be meant is refused by name."""

import unittest

from oslo_config import cfg

from nova_gpuvirt import conf
from nova_gpuvirt import exception


class ConfTest(unittest.TestCase):
    def setUp(self):
        self.conf = cfg.ConfigOpts()
        conf.register_opts(self.conf)
        self.conf([])

    def set(self, name, value):
        self.conf.set_override(name, value, group='gpuvirt')

    def assert_refused(self, read, option, value):
        with self.assertRaises(exception.InvalidOption) as caught:
            read(self.conf)
        self.assertEqual(f'[gpuvirt]{option}', caught.exception.device)
        self.assertIn(value, str(caught.exception))

    def test_nothing_has_to_be_set(self):
        allowed = conf.operator_filter(self.conf)
        self.assertEqual((), allowed.exclude)
        self.assertEqual((), allowed.default_profile)

    def test_wishes_are_what_was_set(self):
        self.set('exclude', ['0000:3b:*', '0001:C8:00.0'])
        self.set('default_profile', ['nvidia-t4-2q', 'GRID *'])
        allowed = conf.operator_filter(self.conf)
        self.assertEqual(('0000:3b:*', '0001:C8:00.0'), allowed.exclude)
        self.assertEqual(('nvidia-t4-2q', 'GRID *'), allowed.default_profile)

    def test_address_that_is_none_is_refused(self):
        self.set('exclude', ['0000:3b:00.0', 'tesla'])
        self.assert_refused(conf.operator_filter, 'exclude', "'tesla'")

    def test_cards_without_a_reset_are_addresses(self):
        self.set('without_reset', ['0000:05:*'])
        self.assertEqual(('0000:05:*',), conf.without_reset(self.conf))
        self.set('without_reset', ['navi'])
        self.assert_refused(conf.without_reset, 'without_reset', "'navi'")

    def test_kind_that_is_none_is_refused(self):
        self.set('kinds', ['mdev', 'vgpu'])
        self.assert_refused(conf.operator_filter, 'kinds', "'vgpu'")

    def test_empty_profile_is_refused(self):
        for option in ('profiles', 'default_profile'):
            self.set(option, ['a', ''])
            self.assert_refused(conf.operator_filter, option, "'a,'")
            self.set(option, [])

    def test_accelerators_are_numbers_as_lspci_prints_them(self):
        self.set('accelerators', ['10ee:5004', '1ED5:0222'])
        self.assertEqual(
            {(0x10EE, 0x5004), (0x1ED5, 0x0222)}, conf.accelerators(self.conf)
        )
        for value in ('10ee', '10ee:*', '0x10ee:0x5004'):
            self.set('accelerators', [value])
            self.assert_refused(conf.accelerators, 'accelerators', value)

    def test_places_of_cards_on_their_board(self):
        self.set('gpu_modules', ['0000:0F:00.0=5', '0000:10:00.0=7'])
        self.assertEqual(
            {'0000:0f:00.0': 5, '0000:10:00.0': 7},
            {str(a): m for a, m in conf.gpu_modules(self.conf).items()},
        )

    def test_place_that_is_none_is_refused(self):
        for value in ('5', '0000:0f:00.0', '0000:0f:00.0=x'):
            self.set('gpu_modules', [value])
            self.assert_refused(conf.gpu_modules, 'gpu_modules', value)
        self.set('gpu_modules', ['0000:0f:00.0=5', '0000:10:00.0=5'])
        self.assert_refused(conf.gpu_modules, 'gpu_modules', '=5')
        self.assert_refused(conf.gpu_modules, 'gpu_modules', 'physicalId')

    def test_root_without_sysfs_is_refused(self):
        self.set('sysfs_root', '/nowhere')
        self.assert_refused(conf.sysfs_root, 'sysfs_root', '/nowhere')

    def test_options_are_listed_for_the_sample_file(self):
        ((group, options),) = conf.list_opts()
        self.assertEqual('gpuvirt', group)
        for option in options:
            self.assertTrue(option.help.strip(), option.name)
