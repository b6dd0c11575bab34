"""What NVIDIA's VFs could become is counted for the card that has them."""

import dataclasses
import unittest
from collections import Counter

from nova_gpuvirt import model
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.vendors import nvidia_smi
from nova_gpuvirt.vendors import nvidia_types
from nova_gpuvirt.vendors import nvidia_vfs

_LIST = """\
ID    : vGPU Name
1145  : NVIDIA L40S-1B
1147  : NVIDIA L40S-1Q
1148  : NVIDIA L40S-2Q
1156  : NVIDIA L40S-48Q
"""
_NAMES = {
    number: f'NVIDIA L40S-{size}Q'
    for number, size in ((1, 1), (8, 8), (24, 24), (48, 48))
}


def vf(number, current=0, creatable=None, gpu_instance=None):
    """A VF, 0000:41:00.<number>."""
    address = model.PciAddress(0, 0x41, number >> 3, number & 7)
    if creatable is None:
        creatable = {} if current else _NAMES
    return nvidia_vfs.Vf(address, current, creatable, gpu_instance)


def card(types=(), mixed=False, instances=None):
    """What the command says: (number, name, most, GI profile, per GI)."""
    return nvidia_smi.Card(
        {
            number: nvidia_types.VgpuType(number, name, gi, most, 1, per, None)
            for number, name, most, gi, per in types
        },
        mixed,
        Counter(instances) if instances is not None else None,
        None,
    )


_TIME_SLICED = [
    (1, 'NVIDIA L40S-1Q', 32, None, None),
    (8, 'NVIDIA L40S-8Q', 5, None, None),
    (24, 'NVIDIA L40S-24Q', 2, None, None),
    (48, 'NVIDIA L40S-48Q', 1, None, None),
]
_MIG = [
    (1, 'NVIDIA H100-1-10C', 7, 19, 1),
    (2, 'NVIDIA H100-1-5C', 14, 19, 2),
    (3, 'NVIDIA H100-3-40C', 2, 9, 1),
]
_MIG_NAMES = {number: name for number, name, *_ in _MIG}


def room(share):
    """How many more of each there is room for, by the last word."""
    return {p.slug.rpartition('-')[2]: p.available for p in share.profiles}


def share(vfs, told=None, names=_NAMES):
    """The share of a card with these VFs."""
    return nvidia_vfs.share('vendor-vfio', vfs, names, told)


class ListTest(unittest.TestCase):
    def test_lists_of_every_driver_are_read(self):
        expected = {
            1145: 'NVIDIA L40S-1B',
            1147: 'NVIDIA L40S-1Q',
            1148: 'NVIDIA L40S-2Q',
            1156: 'NVIDIA L40S-48Q',
        }
        for text in (
            _LIST,
            _LIST.replace('ID    : vGPU Name', 'ID  : VGPU Name'),
            _LIST.partition('\n')[2],
            # As NVIDIA's guide prints it.
            'NVIDIA L40S-1B  1145\nNVIDIA L40S-1Q\t 1147\n'
            '  NVIDIA L40S-2Q 1148  \nNVIDIA L40S-48Q 1156\n',
        ):
            self.assertEqual(expected, nvidia_vfs.parse_creatable(text))
        for nothing in (
            '',
            'ID    : vGPU Name\n',
            'no: number\n1147 :\n',
            '0 : NVIDIA nothing\nNVIDIA nothing 0\n557\n',
        ):
            self.assertEqual({}, nvidia_vfs.parse_creatable(nothing))


class EqualSizeTest(unittest.TestCase):
    def test_command_says_how_many_an_empty_card_holds(self):
        found = share([vf(n) for n in range(16)], card(_TIME_SLICED))
        self.assertEqual({'1q': 16, '8q': 5, '24q': 2, '48q': 1}, room(found))

    def test_names_tell_it_where_the_command_is_missing(self):
        found = share([vf(n) for n in range(16)])
        self.assertEqual({'1q': 16, '8q': 6, '24q': 2, '48q': 1}, room(found))

    def test_what_exists_is_counted_and_the_list_has_the_last_word(self):
        left = {8: _NAMES[8]}
        vfs = [vf(0, 8), *(vf(n, creatable=left) for n in range(1, 16))]
        found = share(vfs, card(_TIME_SLICED))
        self.assertEqual({'1q': 0, '8q': 4, '24q': 0, '48q': 0}, room(found))
        (made,) = found.vgpus
        self.assertEqual(
            'vendor-vfio:0000:41:00.0@nvidia-l40s-8q', str(made.slot)
        )

    def test_one_at_a_time_where_nothing_tells_the_size_of_the_card(self):
        left = {8: _NAMES[8]}
        vfs = [vf(0, 8), *(vf(n, creatable=left) for n in range(1, 16))]
        found = share(vfs, None, left)
        self.assertEqual(1, room(found)['8q'])
        pending = Counter(['nvidia-l40s-8q'])
        self.assertEqual(
            {'nvidia-l40s-8q': 0}, found.rule.left(found.profiles, pending)
        )

    def test_type_that_has_no_name_is_not_guessed(self):
        vfs = [vf(0, 999), vf(1, creatable={8: _NAMES[8]})]
        found = share(vfs, card(_TIME_SLICED))
        self.assertEqual(1, room(found)['8q'])
        (made, *_) = found.vgpus
        self.assertIsNone(made.profile)
        self.assertEqual('nvidia-type-999', made.slot.profile)

    def test_type_in_use_is_named_by_the_command_alone(self):
        found = share([vf(0, 48)], card(_TIME_SLICED), {})
        self.assertEqual('nvidia-l40s-48q', found.vgpus[0].profile)
        self.assertEqual({'48q': 0}, room(found))

    def test_more_than_a_card_holds_leave_no_room(self):
        vfs = [vf(n, 48) for n in range(2)]
        self.assertEqual(0, room(share(vfs, card(_TIME_SLICED)))['48q'])

    def test_size_that_nothing_tells_is_taken_one_by_one(self):
        names = {5: 'NVIDIA L40S-X', 24: _NAMES[24], 48: _NAMES[48]}
        vfs = [vf(n, creatable=names) for n in range(16)]
        self.assertEqual(
            {'x': 1, '24q': 2, '48q': 1}, room(share(vfs, names=names))
        )


class WordTest(unittest.TestCase):
    """What is said of a card whose VFs are all taken, or none can be."""

    def test_card_that_is_full_is_not_refused(self):
        found = share([vf(0, 48), vf(1, creatable={})], card(_TIME_SLICED))
        self.assertIsNone(found.refusal)

    def test_card_whose_vfs_are_refused_has_their_reasons_alone(self):
        refused = dataclasses.replace(vf(0, creatable={}), refusal='broken')
        found = share([refused], card(_TIME_SLICED))
        self.assertIsNone(found.refusal)
        self.assertEqual({refused.address: 'broken'}, found.withheld)

    def test_guest_gets_as_many_as_the_type_allows(self):
        types = {
            number: nvidia_types.VgpuType(
                number, f'NVIDIA L40S-{number}Q', None, 4, limit, None, None
            )
            for number, limit in ((1, 16), (8, None), (24, 1))
        }
        types[48] = dataclasses.replace(
            types[1], number=48, name='NVIDIA L40S-48Q', exclusive=True
        )
        found = share([vf(0)], nvidia_smi.Card(types, False, Counter(), None))
        self.assertEqual(
            {'1q': (16, 16), '8q': (1, None), '24q': (1, 1), '48q': (1, 1)},
            {
                p.slug.rpartition('-')[2]: (p.per_card, p.per_guest)
                for p in found.profiles
            },
        )
        self.assertEqual({'Q'}, {p.series for p in found.profiles})


class MigTest(unittest.TestCase):
    def mig(self, *vfs):
        free = [vf(n, creatable=_MIG_NAMES) for n in range(10, 20)]
        told = card(_MIG, instances={19: 3, 9: 1})
        return share([*vfs, *free], told, _MIG_NAMES)

    def test_gpu_instances_that_there_are_count(self):
        self.assertEqual({'10c': 3, '5c': 6, '40c': 1}, room(self.mig()))

    def test_gpu_instance_holds_one_size(self):
        found = self.mig(vf(0, 2, gpu_instance=7))
        self.assertEqual({'10c': 2, '5c': 5, '40c': 1}, room(found))
        found = self.mig(
            vf(0, 2, gpu_instance=7),
            vf(1, 2, gpu_instance=7),
            vf(2, 1, gpu_instance=8),
        )
        self.assertEqual({'10c': 1, '5c': 2, '40c': 1}, room(found))

    def test_without_a_number_each_has_a_gpu_instance_of_its_own(self):
        found = self.mig(vf(0, 2), vf(1, 2))
        self.assertEqual({'10c': 1, '5c': 4, '40c': 1}, room(found))

    def test_types_without_gpu_instances_have_no_room_beside_them(self):
        names = _MIG_NAMES | {8: _NAMES[8]}
        told = card(
            [*_MIG, (8, _NAMES[8], 5, None, None), (9, 'not seen', 1, 9, 1)],
            instances={19: 3, 9: 1},
        )
        vfs = [vf(0, 8), *(vf(n, creatable=names) for n in range(10, 20))]
        self.assertEqual(
            {'10c': 3, '5c': 6, '40c': 1, '8q': 0},
            room(share(vfs, told, names)),
        )

    def test_made_type_that_has_no_name_leaves_its_instances_alone(self):
        found = self.mig(vf(0, 999, gpu_instance=7))
        self.assertEqual({'10c': 3, '5c': 6, '40c': 1}, room(found))

    def test_vf_whose_type_nobody_knows_takes_nothing_of_the_count(self):
        unknown = nvidia_vfs.Vf(vf(0).address, None, {}, None, 'unreadable')
        self.assertEqual(
            {'10c': 3, '5c': 6, '40c': 1}, room(self.mig(unknown))
        )

    def test_what_is_pending_may_take_any_gpu_instance(self):
        found = self.mig()
        left = found.rule.left(
            found.profiles, Counter({'nvidia-h100-1-5c': 1})
        )
        self.assertEqual(
            {
                'nvidia-h100-1-10c': 0,
                'nvidia-h100-1-5c': 5,
                'nvidia-h100-3-40c': 1,
            },
            left,
        )

    def test_without_the_command_one_at_a_time(self):
        found = share([vf(0, creatable=_MIG_NAMES)], None, _MIG_NAMES)
        self.assertEqual({'10c': 1, '5c': 1, '40c': 1}, room(found))
        self.assertIn('one at a time', found.doubt)

    def test_gpu_instances_that_nobody_told_are_counted_one_at_a_time(self):
        vfs = [vf(n, creatable=_MIG_NAMES) for n in range(3)]
        found = share(vfs, card(_MIG), _MIG_NAMES)
        self.assertIs(size_rules.ONE_AT_A_TIME, found.rule)
        self.assertIn('root must ask', found.doubt)

    def test_nothing_is_in_doubt_where_gpu_instances_are_known(self):
        self.assertIsNone(self.mig().doubt)
        self.assertIsNone(share([vf(0)], card(_TIME_SLICED)).doubt)

    def test_mode_without_gpu_instances_is_told(self):
        found = share([vf(0, creatable={}), vf(1, creatable={})], card(_MIG))
        self.assertIn('nvidia-smi mig -cgi', found.refusal)


class TraitTest(unittest.TestCase):
    def test_compute_capability_has_a_standard_trait_where_there_is_one(self):
        self.assertEqual(
            'HW_GPU_CUDA_COMPUTE_CAPABILITY_V7_0', trait_names.cuda('7.0')
        )
        self.assertEqual(
            'CUSTOM_GPU_CUDA_COMPUTE_CAPABILITY_V8_9',
            trait_names.cuda('8.9'),
        )
