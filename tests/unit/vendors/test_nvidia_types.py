"""The types of vGPU are read as NVIDIA's command prints them."""

import unittest

from nova_gpuvirt.vendors import nvidia_types

_TYPES = """
GPU 00000000:41:00.0
    vGPU Type ID                      : 0x619
        Name                          : NVIDIA RTX Pro 6000 Blackwell DC-1-24Q
        Class                         : Quadro
        GPU Instance Profile ID       : 47
        Max Instances                 : 4
        Max Instances Per VM          : 1
        Max Instances Per GI          : 1
        FB Memory                     : 24576 MiB
    vGPU Type ID                      : 0x5ef
        Name                          : NVIDIA RTX Pro 6000 Blackwell DC-3Q
        GPU Instance Profile ID       : N/A
        Max Instances                 : 32
        Max Instances Per VM          : 1
        Max Instances Per GI          : N/A
        FB Memory                     : 3072 MiB
        Placement Size                : 3
        Supported Placement IDs       : 0 3 6 and so on
    vGPU Type ID                      : ?
        Name                          : NVIDIA nonsense
"""


class ParseTest(unittest.TestCase):
    def test_types_have_decimal_numbers(self):
        types = nvidia_types.parse(_TYPES)
        self.assertEqual([1561, 1519], list(types))
        self.assertEqual(
            nvidia_types.VgpuType(
                1561,
                'NVIDIA RTX Pro 6000 Blackwell DC-1-24Q',
                gi_profile=47,
                max_instances=4,
                per_vm=1,
                per_gi=1,
                framebuffer_mib=24576,
            ),
            types[1561],
        )
        self.assertIsNone(types[1519].gi_profile)
        self.assertEqual(32, types[1519].max_instances)

    def test_places_are_those_of_mixed_sizes(self):
        types = nvidia_types.parse(_TYPES)
        self.assertEqual(3, types[1519].placement_size)
        self.assertEqual((0, 3, 6), types[1519].placement_ids)
        self.assertEqual((), types[1561].placement_ids)

    def test_places_are_counted_once(self):
        self.assertEqual((0, 3), self.ids('0 3 0 3'))

    def test_more_places_than_any_card_has_are_none(self):
        # Each would be compared with each, of each type: for minutes.
        self.assertEqual((), self.ids(' '.join(map(str, range(1000)))))
        self.assertEqual(48, len(self.ids(' '.join(map(str, range(48))))))

    def ids(self, text):
        printed = _TYPES.replace('0 3 6 and so on', text)
        return nvidia_types.parse(printed)[1519].placement_ids
