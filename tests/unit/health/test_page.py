"""The page of signs has each sign, and each number, as the code has them."""

import pathlib
import re
import unittest

from nova_gpuvirt.health import signs
from nova_gpuvirt.vendors import nvidia_xids

_PAGE = pathlib.Path(__file__).parents[3] / 'doc/source/admin/health_signs.rst'
_ROW = re.compile(r'^   \* - ``([a-z-]+)``\n     - (.+)$', re.M)


class PageTest(unittest.TestCase):
    def setUp(self):
        self.text = _PAGE.read_text()

    def test_each_sign_has_a_row(self):
        rows = [name for name, _ in _ROW.findall(self.text)]
        self.assertEqual(sorted(signs.Name), sorted(rows))

    def test_rows_tell_which_are_grave(self):
        readings = (
            signs.Reading(is_there=False),
            signs.Reading(all_ones=True),
            signs.Reading(without_node=('0000:3b:00.0',)),
        )
        told = dict(_ROW.findall(self.text))
        for reading in readings:
            (sign,) = signs.of(reading)
            word = 'yes' if sign.is_grave else 'no'
            self.assertEqual(word, told[sign.name], sign)

    def test_numbers_of_nvidia(self):
        numbers = [n for n in range(1000) if nvidia_xids.needs_reset(n)]
        listed = re.search(r'are grave: ([\d,\s]+), and 154', self.text)
        self.assertEqual(numbers, [int(n) for n in listed[1].split(',')])
        passing = {n for n in range(1000) if nvidia_xids.meaning(n)}
        passing.difference_update(numbers)
        told = re.search(r'^(54, .*) are not grave', self.text, re.M)[1]
        for first, last in re.findall(r'(\d+) to (\d+)', told):
            passing.difference_update(range(int(first), int(last) + 1))
            told = told.replace(f'{first} to {last}', '')
        self.assertEqual(passing, {int(n) for n in re.findall(r'\d+', told)})
