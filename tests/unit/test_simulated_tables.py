"""The documents show what `nova-gpuvirt discover` prints."""

import importlib.util
import pathlib
import unittest

_TOOL = pathlib.Path(__file__).parents[2] / 'tools/simulated_tables.py'
_spec = importlib.util.spec_from_file_location('simulated_tables', _TOOL)
tables = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tables)


class TablesTest(unittest.TestCase):
    maxDiff = None

    def test_page_is_what_the_command_prints(self):
        self.assertEqual(
            tables.page(), tables.PAGE.read_text(), 'type "make tables"'
        )
