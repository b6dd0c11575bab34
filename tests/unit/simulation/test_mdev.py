"""How vendors' drivers share a card."""

import errno

import testtools

from nova_gpuvirt.simulation.drivers import mdev
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.hosts import rtx_pro_6000
from nova_gpuvirt.simulation.hosts import t4
from tests.unit.simulation import base


def _mdevs(*groups):
    return [mdev.Mdev(group) for group in groups]


class NvidiaTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.behaviour = mdev.Nvidia(t4.TYPES)
        self.groups = {
            kind.name: kind.group for kind in self.behaviour.types()
        }

    def available(self, *existing):
        made = []
        for name in existing:
            made.append(self.behaviour.make(self.groups[name], made))
        counts = self.behaviour.available(made, made)
        return {name: counts[group] for name, group in self.groups.items()}

    def test_an_empty_card_gives_the_maximum_of_each_type(self):
        counts = self.available()
        self.assertEqual(16, counts['GRID T4-1Q'])
        self.assertEqual(8, counts['GRID T4-2B4'])
        self.assertEqual(4, counts['GRID T4-4C'])
        self.assertEqual(1, counts['GRID T4-16A'])

    def test_only_the_same_size_stays_creatable(self):
        counts = self.available('GRID T4-2Q')
        same = ('GRID T4-2Q', 'GRID T4-2B', 'GRID T4-2B4', 'GRID T4-2A')
        for name, count in counts.items():
            self.assertEqual(7 if name in same else 0, count, name)

    def test_series_of_one_size_draw_on_the_same_card(self):
        counts = self.available(*['GRID T4-4Q'] * 2, 'GRID T4-4C')
        self.assertEqual(1, counts['GRID T4-4A'])

    def test_a_full_card_gives_nothing(self):
        counts = self.available('GRID T4-16Q')
        self.assertEqual({0}, set(counts.values()))

    def test_the_description_is_one_line(self):
        kind = next(
            k for k in self.behaviour.types() if k.name == 'GRID T4-1Q'
        )
        self.assertEqual(
            'num_heads=4, frl_config=60, framebuffer=1024M, '
            'max_resolution=5120x2880, max_instance=16',
            kind.description,
        )

    def test_a_refused_create_is_an_io_error(self):
        self.assertEqual(errno.EIO, self.behaviour.no_capacity)


class MigTest(base.TestCase):
    """An A100 with GPU instances 3g, 2g and twice 1g."""

    def available(self, vf):
        types = self.device(vf, 'mdev_supported_types')
        return [
            int(self.read(f'{types}/{name}/available_instances'))
            for name in self.names(types)
        ]

    def test_vf_says_what_a_gpu_instance_has_room_for(self):
        self.start('a100-mig')
        one, two, three = (f'0000:41:00.{n}' for n in (4, 5, 6))
        self.assertEqual([1, 1, 1, 0, 0], self.available(one))
        self.create(one, 'nvidia-476', base.UUID_1)
        self.assertEqual([0] * 5, self.available(one))
        self.assertEqual([1, 1, 0, 0, 0], self.available(two))
        self.create(two, 'nvidia-474', base.UUID_2)
        self.create(three, 'nvidia-474', base.UUID_3)
        self.assertEqual([0, 1, 0, 0, 0], self.available('0000:41:00.7'))
        folder = f'{base.MDEVS}/{base.UUID_3}/nvidia'
        self.assertEqual('10\n', self.read(f'{folder}/gpu_instance_id'))
        self.assertEqual(
            'Not Applicable\n', self.read(f'{folder}/placement_id')
        )

    def test_place_of_an_mdev_can_be_written_until_its_guest_starts(self):
        self.start_described(rtx_pro_6000.on_mdevs(nvidia.MixedSizes(96)))
        self.create('0000:41:00.2', 'nvidia-1531', base.UUID_1)
        path = f'{base.MDEVS}/{base.UUID_1}/nvidia/placement_id'
        self.assertEqual('0\n', self.read(path))
        self.host.write(path, '72\n')
        self.assertEqual('72\n', self.read(path))
        self.assert_refused(errno.EIO, self.host.write, path, '12\n')
        self.host.hold(base.UUID_1)
        self.assert_refused(errno.EBUSY, self.host.write, path, '0\n')


class GvtgTest(testtools.TestCase):
    def test_types_too_big_for_the_aperture_are_not_listed(self):
        kinds = mdev.Gvtg(256).types()
        self.assertEqual(['GVTg_V5_8', 'GVTg_V5_4'], [k.name for k in kinds])

    def test_a_big_aperture_lists_all_types(self):
        counts = mdev.Gvtg(1024).available([], [])
        self.assertEqual(
            {'GVTg_V5_1': 1, 'GVTg_V5_2': 2, 'GVTg_V5_4': 5, 'GVTg_V5_8': 7},
            counts,
        )

    def test_broadwell_has_names_of_its_own(self):
        kinds = mdev.Gvtg(256, generation=4).types()
        self.assertEqual(['GVTg_V4_8', 'GVTg_V4_4'], [k.group for k in kinds])

    def test_types_shrink_each_other_and_stay_mixed(self):
        behaviour = mdev.Gvtg(1024)
        self.assertEqual(
            {'GVTg_V5_1': 0, 'GVTg_V5_2': 1, 'GVTg_V5_4': 3, 'GVTg_V5_8': 4},
            behaviour.available(_mdevs('GVTg_V5_2'), []),
        )
        self.assertEqual(
            {'GVTg_V5_1': 0, 'GVTg_V5_2': 1, 'GVTg_V5_4': 2, 'GVTg_V5_8': 3},
            behaviour.available(_mdevs('GVTg_V5_2', 'GVTg_V5_8'), []),
        )

    def test_fences_are_a_budget_too(self):
        behaviour = mdev.Gvtg(2048, ggtt=16384)
        counts = behaviour.available(_mdevs('GVTg_V5_8') * 6, [])
        self.assertEqual({1}, set(counts.values()))

    def test_the_description_has_a_line_for_each_key(self):
        kind = next(k for k in mdev.Gvtg(256).types() if k.name == 'GVTg_V5_4')
        self.assertEqual(
            'low_gm_size: 128MB\nhigh_gm_size: 512MB\nfence: 4\n'
            'resolution: 1920x1200\nweight: 4',
            kind.description,
        )
