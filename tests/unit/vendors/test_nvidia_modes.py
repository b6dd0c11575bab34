"""The modes of a card are those that NVIDIA's command prints."""

import unittest

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.vendors import nvidia_modes
from tests.unit.vendors import outputs

_CARD = model.PciAddress.parse('0000:41:00.0')
_SETTINGS = """\
    MIG Mode
        Current                           : {}
        Pending                           : {}
"""
# Several of the second fit into a GPU instance.
_TYPES = """
    vGPU Type ID                          : 0x619
        Name                              : NVIDIA H100-1-10C
        GPU Instance Profile ID           : 19
        Max Instances Per GI              : 1
    vGPU Type ID                          : 0x61a
        Name                              : NVIDIA H100-1-5CME
        GPU Instance Profile ID           : 20
        Max Instances Per GI              : 2
        Supported Placement IDs           : 0 5
"""


class ModesTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.asked = []
        self.answers = {
            '-q': _SETTINGS.format('Enabled', 'Enabled'),
            'vgpu -s -v': _TYPES,
            'vgpu -gi 9 -ghm': 'GPU instance 9: Enabled\n',
        }

    def run_command(self, argv):
        self.assertEqual('nvidia-smi', argv[0])
        self.assertEqual(('-i', str(_CARD)), tuple(argv[-2:]))
        words = ' '.join(argv[1:-2])
        self.asked.append(words)
        if words not in self.answers:
            raise commands.CommandFailed(words)
        if isinstance(self.answers[words], Exception):
            raise self.answers[words]
        return self.answers[words]

    def modes(self, instances=outputs.INSTANCES):
        self.asked.clear()
        return nvidia_modes.read(
            self.run_command,
            lambda _: instances,
            lambda _: outputs.PROFILES,
            _CARD,
        )

    def test_sizes_are_asked_for_where_they_can_mix(self):
        modes = self.modes()
        self.assertEqual(4, len(modes.gpu_instances))
        self.assertEqual({9}, modes.shared_instances)
        self.assertEqual({9}, modes.mixed_instances)
        self.assertEqual(['-q', 'vgpu -s -v', 'vgpu -gi 9 -ghm'], self.asked)

    def test_host_that_makes_no_vgpus_mixes_none(self):
        del self.answers['vgpu -s -v']
        modes = self.modes()
        self.assertEqual(4, len(modes.gpu_instances))
        self.assertIsNone(modes.shared_instances)
        self.assertEqual(frozenset(), modes.mixed_instances)

    def test_command_that_hangs_is_no_answer(self):
        for words in ('vgpu -s -v', 'vgpu -gi 9 -ghm'):
            self.answers[words] = commands.CommandHangs(words)
            with self.assertRaises(commands.CommandHangs):
                self.modes()

    def test_card_without_gpu_instances_is_asked_no_more(self):
        for text in outputs.NONE:
            self.assertEqual((), self.modes(text).gpu_instances)
            self.assertEqual(['-q'], self.asked)

    def test_profiles_are_asked_for_in_mig_mode(self):
        self.assertEqual(7, len(self.modes().gi_profiles))
        self.answers['-q'] = _SETTINGS.format('Disabled', 'Disabled')
        self.assertEqual((), self.modes().gi_profiles)

    def test_mode_may_be_another_after_a_reset(self):
        for now, soon, expected in (
            ('Disabled', 'Enabled', (False, True)),
            ('Enabled', 'Disabled', (True, False)),
            ('[N/A]', '[N/A]', (None, None)),
        ):
            self.answers['-q'] = _SETTINGS.format(now, soon)
            modes = self.modes()
            self.assertEqual(expected, (modes.mig, modes.mig_pending))

    def test_card_mixes_sizes_where_it_can(self):
        for can, mode, expected in (
            ('Supported', 'Enabled', True),
            ('Supported', 'Disabled', False),
            ('Not Supported', 'Enabled', None),
        ):
            self.answers['-q'] = (
                f'vGPU Heterogeneous Mode : {mode}\n'
                f'Heterogeneous Time-Slice Sizes : {can}\n'
            )
            self.assertIs(expected, self.modes().mixed_sizes)
