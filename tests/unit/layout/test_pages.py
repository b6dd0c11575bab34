"""The layouts that the documents show can be read."""

import pathlib
import re
import textwrap
import unittest

from nova_gpuvirt.layout import document

_DOC = pathlib.Path(__file__).parents[3] / 'doc/source'
_PAGES = (
    'admin/amd',
    'admin/intel',
    'admin/layout',
    'admin/nvidia',
    'install/index',
)
_LAYOUT = re.compile(r'\.\. code-block:: yaml\n\n((?:   .*\n|\n)+)')


class PagesTest(unittest.TestCase):
    def test_each_layout_can_be_read(self):
        for page in _PAGES:
            text = (_DOC / f'{page}.rst').read_text()
            layouts = _LAYOUT.findall(text)
            self.assertTrue(layouts, page)
            for layout in layouts:
                found = document.parse(textwrap.dedent(layout), page)
                self.assertTrue(found.entries, page)
