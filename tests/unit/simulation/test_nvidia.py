"""NVIDIA's simulated card places vGPUs as the driver's own source does."""

import errno
import unittest

from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.drivers import nvidia_places
from tests.unit.simulation import base


def _kinds(*most):
    return {
        gib: nvidia.VgpuType(gib, f'NVIDIA X-{gib}C', gib << 10, count)
        for gib, count in most
    }


def _fill(memory, kind, made=()):
    """Make as many of a type as fit, and tell where they lie."""
    made = list(made)
    while one := memory.place(kind, made):
        made.append(one)
    return made


class MixedSizesTest(unittest.TestCase):
    def test_guides_places_are_fewer_than_the_sizes_would_allow(self):
        memory = nvidia.MixedSizes(94, blackwell=False)
        kinds = _kinds((15, 6), (6, 15), (47, 2))
        made = _fill(memory, kinds[15])
        self.assertEqual([0, 32, 47, 79], [m.placement for m in made])
        self.assertEqual(8, len(_fill(memory, kinds[6])))
        # In the holes that are left there is room for others.
        beside = _fill(memory, kinds[6], made)[4:]
        self.assertEqual([17, 23, 64, 70], [m.placement for m in beside])

    def test_sizes_that_mix_cost_nothing_on_blackwell(self):
        memory = nvidia.MixedSizes(96)
        for gib, most in ((2, 32), (4, 24), (32, 3), (96, 1)):
            kind = _kinds((gib, most))[gib]
            self.assertEqual(most, len(_fill(memory, kind)))

    def test_ids_are_computed_as_the_driver_does(self):
        self.assertEqual(
            nvidia_places.Places(3, tuple(range(0, 96, 3))),
            nvidia_places.since_blackwell(96, 2, 32),
        )
        self.assertEqual(
            nvidia_places.Places(2, tuple(range(0, 24, 2))),
            nvidia_places.since_blackwell(24, 2, 12),
        )

    def test_no_two_places_of_a_type_overlap(self):
        for memory, types in nvidia_places.GUIDE.items():
            for gib in types:
                places = nvidia_places.before_blackwell(memory, gib)
                ends = [i + places.size for i in places.ids]
                starts = [*places.ids[1:], memory + 1]
                self.assertTrue(
                    all(e <= s for e, s in zip(ends, starts, strict=True)),
                    (memory, gib),
                )

    def test_place_that_is_not_free_is_refused(self):
        memory = nvidia.MixedSizes(96)
        kinds = _kinds((48, 2), (24, 4))
        one = memory.place(kinds[24], [])
        other = memory.place(kinds[48], [one])
        self.assertEqual(48, other.placement)
        self.assertEqual(24, memory.move(one, [other], 24).placement)
        for placement in (48, 72, 12):
            self.assertIsNone(memory.move(one, [other], placement))


class FilesTest(base.TestCase):
    VF = '0000:41:00.2'

    def write(self, name, number, vf=VF):
        self.host.write(self.device(vf, f'nvidia/{name}'), f'{number}\n')

    def where(self, vf=VF):
        return tuple(
            self.read(self.device(vf, f'nvidia/{name}')).strip()
            for name in ('gpu_instance_id', 'placement_id')
        )

    def test_place_can_be_written_until_the_guest_starts(self):
        self.start('rtx-pro-6000')
        self.write('current_vgpu_type', 1531)
        self.assertEqual(('Not Applicable', '0'), self.where())
        self.write('placement_id', 72)
        self.assertEqual(('Not Applicable', '72'), self.where())
        self.assert_refused(errno.EIO, self.write, 'placement_id', 13)
        self.host.hold(self.VF)
        self.assert_refused(errno.EBUSY, self.write, 'placement_id', 24)

    def test_another_gpu_instance_means_its_first_place(self):
        self.start('rtx-pro-6000-mig')
        self.write('current_vgpu_type', 1555)
        self.write('placement_id', 12)
        self.assertEqual(('3', '12'), self.where())
        self.write('gpu_instance_id', 4)
        self.assertEqual(('4', '0'), self.where())
        for number in (2, 5):
            self.assert_refused(
                errno.EIO, self.write, 'gpu_instance_id', number
            )

    def test_command_prints_places(self):
        self.start('rtx-pro-6000')
        self.write('current_vgpu_type', 1531)
        asked = ('-i', '0000:41:00.0')
        told = self.host.run(('nvidia-smi', 'vgpu', '-s', '-v', *asked))
        self.assertIn('Placement Size                : 24\n', told)
        self.assertIn('Supported Placement IDs       : 0 24 48 72\n', told)
