"""`nova-gpuvirt explain` says that it needs Nova, where there is none."""

import sys
import unittest
from unittest import mock

from nova_gpuvirt import exception
from nova_gpuvirt.cli import explain


class ExplainTest(unittest.TestCase):
    def test_without_nova(self):
        modules = {'nova_gpuvirt.explain.flavors': None}
        with (
            mock.patch.dict(sys.modules, modules),
            self.assertRaises(exception.InvalidOption) as caught,
        ):
            explain._wanted_by({})
        self.assertIn('explain: wanted Nova', str(caught.exception))
