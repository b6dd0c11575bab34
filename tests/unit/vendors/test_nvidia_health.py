"""What nvidia-smi says of a sick card, in the words of published outputs."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt.host import commands
from nova_gpuvirt.vendors import nvidia_health

_QUERY = """
==============NVSMI LOG==============
Timestamp                                 : Mon Nov 30 02:57:21 2026
GPU 00000000:41:00.0
    Product Name                          : NVIDIA H100 80GB HBM3
    GPU Recovery Action                   : {recovery}
    Remapped Rows
        Correctable Error                 : 1
        Uncorrectable Error               : 0
        Pending                           : Yes
        Remapping Failure Occurred        : {remapping}
    Fabric
        State                             : {state}
        Status                            : {status}
        CliqueId                          : 0
        Health
            Bandwidth                     : N/A
            Summary                       : {summary}
    Processes                             : None
"""


def query(
    recovery='None',
    remapping='No',
    state='N/A',
    status='N/A',
    summary='N/A',
):
    return _QUERY.format(**locals())


class ParseTest(unittest.TestCase):
    def test_healthy_cards_have_no_complaint(self):
        for text in (
            query(),
            query(state='Completed', status='Success', summary='Healthy'),
            query(state='In Progress'),
            query(state='Not Started', status='Unknown'),
            query(recovery='N/A', remapping='N/A'),
            'GPU 00000000:41:00.0\n',
            '',
        ):
            self.assertTrue(nvidia_health.parse(text).is_well, text)

    def test_action_that_the_driver_wants(self):
        for action in ('Reset', 'Reboot', 'Drain P2P', 'Drain and Reset'):
            said = nvidia_health.parse(query(recovery=action))
            self.assertEqual(nvidia_health.Health(recovery=action), said)

    def test_value_that_can_not_be_had_of_a_lost_card(self):
        for value in ('GPU is lost', '[GPU requires reset]'):
            said = nvidia_health.parse(
                f'GPU 00000000:41:00.0\n    Fan Speed  : {value}\n'
            )
            self.assertEqual(value.strip('[]'), said.lost)

    def test_name_of_a_process_is_no_complaint(self):
        text = (
            '    Processes\n'
            '            Process ID                    : 4711\n'
            '            Name                          : GPU is lost\n'
        )
        self.assertTrue(nvidia_health.parse(text).is_well)

    def test_memory_that_is_worn_out(self):
        said = nvidia_health.parse(query(remapping='Yes'))
        self.assertEqual(nvidia_health.Health(remapping_failed=True), said)

    def test_fabric_that_failed(self):
        said = nvidia_health.parse(query(state='Completed', status='Timeout'))
        self.assertEqual(nvidia_health.Health(fabric='Timeout'), said)
        said = nvidia_health.parse(
            query(state='Completed', status='Success', summary='Unhealthy')
        )
        self.assertEqual(nvidia_health.Health(fabric='Unhealthy'), said)

    def test_state_of_something_else_is_not_the_fabrics(self):
        text = (
            'GPU 00000000:41:00.0\n'
            '    Something\n'
            '        State                         : Completed\n'
            '        Status                        : Failed\n'
        )
        self.assertTrue(nvidia_health.parse(text).is_well)

    @given(st.text(st.sampled_from('Fabric: State\n\t\x00é'), max_size=80))
    def test_any_text_is_read(self, text):
        self.assertIsInstance(nvidia_health.parse(text), nvidia_health.Health)


class FailureTest(unittest.TestCase):
    def of(self, text, kind=commands.CommandFailed):
        return nvidia_health.of_failure(kind(text))

    def test_card_that_the_driver_does_not_reach(self):
        for words in (
            'GPU is lost',
            'GPU requires reset',
            'GPU has fallen off the bus',
        ):
            said = self.of(
                'nvidia-smi -q -i 0000:05:00.0 ended with 15: Unable to '
                f'determine the device handle for GPU 0000:05:00.0: {words}. '
            )
            self.assertEqual(nvidia_health.Health(lost=words), said)

    def test_other_failures_say_nothing_of_the_card(self):
        self.assertIsNone(self.of('ended with 255: Unknown Error'))
        self.assertIsNone(self.of('ended with 6: No devices were found'))
        self.assertIsNone(self.of('ended with 2: Name : GPU is lost'))

    def test_command_that_hangs_or_lacks_says_nothing(self):
        for kind in (commands.CommandHangs, commands.CommandMissing):
            self.assertIsNone(self.of('GPU is lost', kind))
