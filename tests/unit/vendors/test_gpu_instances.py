"""GPU instances are read as NVIDIA's command lists them."""

import unittest
from unittest import mock

from nova_gpuvirt.host import commands
from nova_gpuvirt.vendors import gpu_instances
from tests.unit.vendors import outputs


class ParseTest(unittest.TestCase):
    def test_each_has_its_profile_and_its_place(self):
        found = gpu_instances.parse(outputs.INSTANCES)
        self.assertEqual([7, 8, 9, 2], [i.number for i in found])
        self.assertEqual(
            gpu_instances.GpuInstance(9, '1g.10gb+me', 20, 2, 1), found[2]
        )

    def test_none_is_an_answer_and_a_refusal_is_not(self):
        for text in outputs.NONE:
            self.assertEqual((), gpu_instances.parse(text), text)
        unable = 'Unable to determine the device handle'
        for text in (*outputs.REFUSED, '', unable):
            self.assertIsNone(gpu_instances.parse(text), text)


class ReadTest(unittest.TestCase):
    def test_output_that_tells_nothing_is_a_failure(self):
        with self.assertRaises(commands.CommandFailed) as caught:
            gpu_instances.read(lambda address: 'Unable', None)
        self.assertIn("'Unable'", str(caught.exception))

    def test_failure_that_says_there_are_none_is_an_answer(self):
        for text in outputs.NONE:
            ask = mock.Mock(side_effect=commands.CommandFailed(text))
            self.assertEqual((), gpu_instances.read(ask, None))
        for text in outputs.REFUSED:
            ask = mock.Mock(side_effect=commands.CommandFailed(text))
            with self.assertRaises(commands.CommandFailed):
                gpu_instances.read(ask, None)
