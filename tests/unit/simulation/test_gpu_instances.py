"""GPU instances lie where NVIDIA's guide and users show them."""

import unittest

from nova_gpuvirt.simulation.drivers import gpu_instances
from nova_gpuvirt.simulation.hosts import mig_profiles

_TABLES = (
    mig_profiles.A100_40GB,
    mig_profiles.H100_80GB,
    mig_profiles.RTX_PRO_6000,
)


def _make(profiles, *names):
    """Make GPU instances, and tell which were made before one was refused."""
    made = []
    for name in names:
        one = gpu_instances.make(
            profiles, made, gpu_instances.named(profiles, name)
        )
        if one is None:
            break
        made.append(one)
    return [(i.number, f'{i.start}:{i.size}') for i in made]


class PlaceTest(unittest.TestCase):
    def test_examples_of_the_guide(self):
        for names, wanted in (
            ('9,9', [(2, '4:4'), (1, '0:4')]),
            ('19,14,5', [(13, '6:1'), (5, '4:2'), (1, '0:4')]),
            ('9,19,14,19', [(2, '4:4'), (7, '0:1'), (4, '2:2'), (8, '1:1')]),
            ('14,14,14,20', [(5, '4:2'), (3, '0:2'), (4, '2:2'), (13, '6:1')]),
            # What is refused at its end.
            ('19,19,14,9', [(13, '6:1'), (11, '4:1'), (3, '0:2')]),
        ):
            made = _make(mig_profiles.A100_40GB, *names.split(','))
            self.assertEqual(wanted, made, names)
        numbers = [n for n, _ in _make(mig_profiles.H100_80GB, *8 * ('19',))]
        self.assertEqual([13, 11, 12, 7, 8, 9, 10], numbers)

    def test_examples_of_users(self):
        self.assertEqual(
            [(1, '0:6'), (5, '6:3'), (6, '9:3')],
            _make(mig_profiles.RTX_PRO_6000, '2g.48gb', '14', '1g.24gb'),
        )
        self.assertEqual(
            [(3, '0:3'), (4, '3:3'), (5, '6:3'), (6, '9:3')],
            _make(mig_profiles.RTX_PRO_6000, *5 * ('14',)),
        )

    def test_engines_for_media_are_given_once(self):
        rtx = mig_profiles.RTX_PRO_6000
        self.assertEqual(1, len(_make(rtx, '1g.24gb+me.all', '1g.24gb')))
        self.assertEqual(
            4, len(_make(rtx, '1g.24gb+me.all', *4 * ('1g.24gb-me',)))
        )
        self.assertEqual(1, len(_make(rtx, '21', '21')))
        self.assertEqual(1, len(_make(mig_profiles.A100_40GB, '20', '20')))

    def test_place_that_is_asked_for_is_one_of_the_profiles(self):
        rtx = mig_profiles.RTX_PRO_6000
        half = gpu_instances.named(rtx, '35')
        first = gpu_instances.make(rtx, [], half, 6)
        self.assertEqual((2, 6), (first.number, first.start))
        for start in (6, 3, 12):
            self.assertIsNone(gpu_instances.make(rtx, [first], half, start))

    def test_room_is_what_the_tables_print(self):
        for profiles, most in zip(
            _TABLES,
            (
                *(2 * ([7, 1, 4, 3, 2, 1, 1],)),
                [4, 1, 4, 1, 4, 2, 2, 1, 2, 1, 1],
            ),
            strict=True,
        ):
            self.assertEqual(
                most, [gpu_instances.room(profiles, [], p) for p in profiles]
            )

    def test_numbers_of_what_lies_beside_each_other_differ(self):
        for profiles in _TABLES:
            for profile in profiles:
                made = _make(profiles, *9 * (str(profile.number),))
                self.assertEqual(len(made), len({n for n, _ in made}))

    def test_list_is_in_the_order_of_the_profiles(self):
        made = gpu_instances.instances(
            mig_profiles.A100_40GB, *('9', '19', '14', '19')
        )
        self.assertEqual(
            [(19, 7), (19, 8), (14, 4), (9, 2)],
            [(i.profile, i.number) for i in made.instances],
        )
