"""What a card can have is read as NVIDIA's command lists it."""

import unittest
from unittest import mock

from nova_gpuvirt.host import commands
from nova_gpuvirt.vendors import gpu_instance_profiles
from tests.unit.vendors import outputs


class ProfilesTest(unittest.TestCase):
    def test_each_has_its_id_and_how_many_there_may_be(self):
        found = gpu_instance_profiles.parse(outputs.PROFILES)
        self.assertEqual([7, 1, 4, 3, 2, 1, 1], [p.most for p in found])
        self.assertEqual(
            gpu_instance_profiles.GiProfile('1g.10gb+me', 20, 1), found[1]
        )

    def test_list_of_which_a_row_is_not_understood_tells_nothing(self):
        text = outputs.PROFILES.replace('2/2', 'N/A')
        self.assertEqual((), gpu_instance_profiles.parse(text))

    def test_driver_that_does_not_tell(self):
        ask = mock.Mock(side_effect=commands.CommandFailed('x'))
        self.assertEqual((), gpu_instance_profiles.read(ask, None))
        ask.side_effect = commands.CommandHangs('x')
        with self.assertRaises(commands.CommandHangs):
            gpu_instance_profiles.read(ask, None)
