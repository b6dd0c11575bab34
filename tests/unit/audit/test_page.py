"""The page "Audit" has each rule, and no other."""

import pathlib
import re
import unittest

from nova_gpuvirt.audit import compare

_PAGE = pathlib.Path(__file__).parents[3] / 'doc/source/admin/audit.rst'


class PageTest(unittest.TestCase):
    def test_page_for_operators_has_each_rule(self):
        names = set()
        package = pathlib.Path(compare.__file__).parent
        for file in package.glob('*_rules.py'):
            names |= set(
                re.findall(r"'([a-z]+(?:-[a-z]+)+)'", file.read_text())
            )
        names.discard('nova-gpuvirt')  # one that says something
        on_page = set(
            re.findall(r'^   \* - ``([a-z-]+)``', _PAGE.read_text(), re.M)
        )
        self.assertEqual(names, on_page)
