"""What NVIDIA's command prints is read as it is printed."""

import subprocess
import unittest
from collections import Counter
from unittest import mock

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.vendors import nvidia_smi
from tests.unit.vendors import outputs

_CARD = model.PciAddress.parse('0000:41:00.0')
_TYPES = """
    vGPU Type ID                      : 0x619
        Name                          : NVIDIA RTX Pro 6000 Blackwell DC-1-24Q
        GPU Instance Profile ID       : 47
"""


def _failed(text):
    return commands.CommandFailed(
        f'… returned non-zero exit status 6.: {text}'
    )


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
        self.now = 0.0
        self.answers = answers
        self.asked = Counter()

    def __call__(self, argv):
        words = ' '.join(argv)
        for key in _WORDS:
            if _WORDS[key] in words:
                self.asked[key] += 1
                assert words.endswith('-i 0000:41:00.0'), words
                answer = self.answers.get(
                    key, commands.CommandFailed(f'{words}: no')
                )
                if isinstance(answer, Exception):
                    raise answer
                return answer
        raise AssertionError(words)

    def gpu_instances(self, address):
        return self(('nvidia-smi', 'mig', '-lgi', '-i', str(address)))

    def smi(self, **options):
        return nvidia_smi.NvidiaSmi(
            self, self.gpu_instances, lambda: self.now, **options
        )


_WORDS = {
    'settings': 'nvidia-smi -q ',
    'types': 'vgpu -s -v',
    'instances': 'mig -lgi',
    'capability': 'compute_cap',
    'mode': 'vgpu -gi 9 -ghm',
}


class LearnTest(unittest.TestCase):
    def learned(self, **answers):
        smi = Command(**answers).smi()
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

    def test_sizes_may_mix_in_gpu_instances_that_hold_several(self):
        shared = _TYPES.replace(': 47', ': 20') + (
            '        Max Instances Per GI              : 4\n'
            '        Supported Placement IDs           : 0 6 12 18\n'
        )
        for text, expected in (
            ('GPU instance 9: Enabled\n', {9: 20}),
            ('Disabled\n', {}),
        ):
            card = self.learned(
                settings='',
                types=shared,
                instances=outputs.INSTANCES,
                mode=text,
            )
            self.assertEqual({19: 2, 20: 1, 9: 1}, card.gpu_instances)
            self.assertEqual(expected, card.mixed_instances)
        card = self.learned(
            settings='', types=shared, instances=outputs.INSTANCES
        )
        self.assertEqual({}, card.mixed_instances)

    def test_what_an_older_command_does_not_know_is_left_out(self):
        card = self.learned(settings='', types=_TYPES)
        self.assertIsNone(card.compute_capability)
        card = self.learned(settings='', types=_TYPES, capability='12.0\n')
        self.assertEqual('12.0', card.compute_capability)

    def test_card_without_gpu_instances_has_none(self):
        for text in outputs.NONE:
            card = self.learned(
                settings='', types=_TYPES, instances=_failed(text)
            )
            self.assertEqual(Counter(), card.gpu_instances)

    def test_refusal_is_unknown_and_told_with_what_to_do(self):
        for text in outputs.REFUSED:
            with self.assertLogs('nova_gpuvirt.vendors.nvidia_smi') as logs:
                card = self.learned(
                    settings='', types=_TYPES, instances=_failed(text)
                )
            self.assertIsNone(card.gpu_instances)
            self.assertEqual(1, len(logs.records))
            self.assertIn('What needs root', logs.output[0])

    def test_root_that_does_not_answer_takes_nothing_else_away(self):
        run = Command(
            settings='',
            types=_TYPES,
            instances=commands.CommandHangs('no answer'),
            capability='12.0\n',
        )
        smi = run.smi()
        smi.learn(_CARD, 'a')
        card = smi.card(_CARD)
        self.assertIsNone(card.gpu_instances)
        self.assertEqual('12.0', card.compute_capability)
        self.assertIn(1561, card.types)

    def test_root_that_is_silent_is_not_waited_for_each_time(self):
        run = Command(
            settings='',
            types=_TYPES,
            instances=commands.CommandHangs('no answer'),
        )
        smi = run.smi()
        pauses = (60, 120, 240, 480, 600, 600)
        for asked, pause in enumerate(pauses, 1):
            for state in 'ab':
                smi.learn(_CARD, state)
            self.assertEqual(asked, run.asked['instances'])
            run.now += pause - 1
            smi.learn(_CARD, 'a')
            self.assertEqual(asked, run.asked['instances'])
            run.now += 1
        hangs = run.answers['instances']
        for answer in (outputs.INSTANCES, _failed(outputs.NONE[0])):
            run.answers['instances'] = answer
            smi.learn(_CARD, answer)
            self.assertIsNotNone(smi.card(_CARD).gpu_instances)
            run.answers['instances'] = hangs
            smi.learn(_CARD, 'a')
            asked = run.asked['instances']
            run.now += 60
            smi.learn(_CARD, 'a')
            self.assertEqual(asked + 1, run.asked['instances'])
            run.now += 600

    def test_answer_without_root_counts_until_root_is_asked_again(self):
        run = Command(
            settings='',
            types=_TYPES,
            instances=commands.CommandHangs('no answer'),
        )
        smi = run.smi()
        smi.learn(_CARD, 'a')
        for now, times in ((59, 1), (60, 2)):
            run.now = now
            smi.learn(_CARD, 'a')
            self.assertEqual(times, run.asked['types'])

    def test_refusal_leaves_what_was_known(self):
        run = Command(settings='', types=_TYPES, instances=outputs.INSTANCES)
        smi = run.smi()
        smi.learn(_CARD, 'a')
        run.answers['instances'] = _failed(outputs.REFUSED[0])
        with self.assertLogs('nova_gpuvirt.vendors.nvidia_smi'):
            smi.learn(_CARD, 'b')
        self.assertEqual({19: 2, 20: 1, 9: 1}, smi.card(_CARD).gpu_instances)

    def test_card_in_the_same_state_is_not_asked_again(self):
        run = Command(settings='', types=_TYPES, instances=outputs.INSTANCES)
        smi = run.smi()
        for state, times in (('a', 1), ('a', 1), ('b', 2)):
            smi.learn(_CARD, state)
            self.assertEqual(times, run.asked['types'])

    def test_what_changes_without_a_sign_is_seen_in_ten_minutes(self):
        run = Command(
            settings=_settings('Disabled', 'Supported'),
            types=_TYPES,
            instances=_failed(outputs.NONE[0]),
        )
        smi = run.smi()
        smi.learn(_CARD, 'a')
        run.answers['settings'] = _settings('Enabled', 'Supported')
        run.answers['instances'] = outputs.INSTANCES
        run.now = 599
        smi.learn(_CARD, 'a')
        self.assertFalse(smi.card(_CARD).mixed_sizes)
        run.now = 600
        smi.learn(_CARD, 'a')
        self.assertTrue(smi.card(_CARD).mixed_sizes)
        self.assertEqual({19: 2, 20: 1, 9: 1}, smi.card(_CARD).gpu_instances)

    def test_command_that_hung_is_let_be_by_who_runs_it(self):
        child = mock.Mock(**{'poll.return_value': -9})
        child.communicate.side_effect = subprocess.TimeoutExpired('x', 1)
        started = []

        def start(argv):
            started.append(argv)
            return child

        run = commands.Commands(start, clock=lambda: self.now)
        smi = nvidia_smi.NvidiaSmi(run, run, lambda: self.now)
        for now, times in ((0, 1), (59, 1), (60, 2), (179, 2), (180, 3)):
            self.now = now
            smi.learn(_CARD, 'a')
            self.assertEqual(times, len(started))

    def test_failure_keeps_what_was_learned_and_is_told_once(self):
        run = Command(settings='', types=_TYPES)
        smi = run.smi()
        smi.learn(_CARD, 'a')
        run.answers.clear()
        with self.assertLogs('nova_gpuvirt.vendors.nvidia_smi') as logs:
            smi.learn(_CARD, 'b')
            smi.learn(_CARD, 'c')
        self.assertEqual(1, len(logs.records))
        self.assertIn('0000:41:00.0', logs.output[0])
        self.assertIn(1561, smi.card(_CARD).types)

    def test_command_that_a_host_lacks_is_missed_where_it_is_needed(self):
        missing = commands.CommandMissing('nvidia-smi: no such file')
        for error, suffices, told in (
            (missing, True, False),
            (missing, False, True),
            (commands.CommandFailed('NVML: no permission'), True, True),
        ):
            smi = Command(settings=error).smi(sysfs_suffices=suffices)
            with self.assertLogs('nova_gpuvirt') as logs:
                nvidia_smi.LOG.info('so that there is a line')
                smi.learn(_CARD, 'a')
            self.assertEqual(1 + told, len(logs.records))
