"""What NVIDIA's command prints is read as it is printed."""

import unittest
from collections import Counter

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.vendors import nvidia_smi

_CARD = model.PciAddress.parse('0000:41:00.0')
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
    vGPU Type ID                      : ?
        Name                          : NVIDIA nonsense
"""
_INSTANCES = """\
+-------------------------------------------------------+
| GPU instances:                                        |
| GPU   Name             Profile  Instance   Placement  |
|                          ID       ID       Start:Size |
|=======================================================|
|   0  MIG 1g.10gb         19        7          0:1     |
+-------------------------------------------------------+
|   0  MIG 1g.10gb         19        8          1:1     |
+-------------------------------------------------------+
|   0  MIG 1g.10gb+me      20        9          2:1     |
+-------------------------------------------------------+
|   0  MIG 3g.40gb          9        2          4:4     |
+-------------------------------------------------------+
"""


def _settings(mode, sizes):
    return f"""
==============NVSMI LOG==============
GPU 00000000:41:00.0
    GPU Virtualization Mode
        Virtualization Mode               : Host VGPU
        Host VGPU Mode                    : SR-IOV
        vGPU Heterogeneous Mode           : {mode}
    vGPU Device Capability
        Fractional Multi-vGPU             : Not Supported
        Heterogeneous Time-Slice Profiles : Supported
        Heterogeneous Time-Slice Sizes    : {sizes}
"""


class Command:
    """A command that answers what it is told to, and counts."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = Counter()

    def __call__(self, argv):
        words = ' '.join(argv)
        for key in ('settings', 'types', 'instances', 'capability'):
            if _WORDS[key] in words:
                self.asked[key] += 1
                assert words.endswith('-i 0000:41:00.0'), words
                if key not in self.answers:
                    raise commands.CommandFailed(f'{words}: no')
                return self.answers[key]
        raise AssertionError(words)


_WORDS = {
    'settings': 'nvidia-smi -q ',
    'types': 'vgpu -s -v',
    'instances': 'mig -lgi',
    'capability': 'compute_cap',
}


class ParseTest(unittest.TestCase):
    def test_types_have_decimal_numbers(self):
        types = nvidia_smi.parse_types(_TYPES)
        self.assertEqual([1561, 1519], list(types))
        self.assertEqual(
            nvidia_smi.VgpuType(
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

    def test_gpu_instances_are_counted_by_profile(self):
        self.assertEqual(
            {19: 2, 20: 1, 9: 1}, nvidia_smi.parse_instances(_INSTANCES)
        )


class LearnTest(unittest.TestCase):
    def learned(self, **answers):
        smi = nvidia_smi.NvidiaSmi(Command(**answers))
        smi.learn(_CARD, 'a state')
        return smi.card(_CARD)

    def test_mixed_sizes_need_the_capability_and_the_mode(self):
        for mode, sizes, mixed in (
            ('Enabled', 'Supported', True),
            ('Enabled', 'Not Supported', False),
            ('Disabled', 'Supported', False),
        ):
            card = self.learned(settings=_settings(mode, sizes), types=_TYPES)
            self.assertEqual(mixed, card.mixed_sizes)

    def test_what_an_older_command_does_not_know_is_left_out(self):
        card = self.learned(settings='', types=_TYPES)
        self.assertIsNone(card.compute_capability)
        self.assertEqual(Counter(), card.gpu_instances)
        card = self.learned(settings='', types=_TYPES, capability='12.0\n')
        self.assertEqual('12.0', card.compute_capability)

    def test_card_in_the_same_state_is_not_asked_again(self):
        run = Command(settings='', types=_TYPES, instances=_INSTANCES)
        smi = nvidia_smi.NvidiaSmi(run)
        for state, times in (('a', 1), ('a', 1), ('b', 2)):
            smi.learn(_CARD, state)
            self.assertEqual(times, run.asked['types'])

    def test_failure_keeps_what_was_learned_and_is_told_once(self):
        run = Command(settings='', types=_TYPES)
        smi = nvidia_smi.NvidiaSmi(run)
        smi.learn(_CARD, 'a')
        run.answers.clear()
        with self.assertLogs('nova_gpuvirt.vendors.nvidia_smi') as logs:
            smi.learn(_CARD, 'b')
            smi.learn(_CARD, 'c')
        self.assertEqual(1, len(logs.records))
        self.assertIn('0000:41:00.0', logs.output[0])
        self.assertIn(1519, smi.card(_CARD).types)
