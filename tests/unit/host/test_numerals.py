"""Numbers are read as they are printed, and nothing else is one."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt.host import numerals


class NumeralsTest(unittest.TestCase):
    def test_what_is_printed_is_read(self):
        self.assertEqual(557, numerals.decimal('557'))
        self.assertEqual(0x5EF, numerals.hexadecimal('0x5ef'))

    def test_nothing_else_is_a_number(self):
        for text in (None, '', 'N/A', '-1', ' 1', '1_0', '²', '٣', '1' * 5000):
            self.assertIsNone(numerals.decimal(text), text)
            self.assertIsNone(numerals.hexadecimal(text), text)

    @given(st.integers(0, 2**63))
    def test_every_number_is_read_again(self, number):
        self.assertEqual(number, numerals.decimal(str(number)))
        self.assertEqual(number, numerals.hexadecimal(hex(number)))

    @given(st.text())
    def test_no_text_raises(self, text):
        numerals.decimal(text)
        numerals.hexadecimal(text)
