"""A table gives way between words, where it costs fewest lines."""

import unittest

from nova_gpuvirt.cli import fitted

NAMES = ('Address', 'GPU', 'Parts')
ADDRESS = '0000:3b:00.0'


def widths(rows):
    return [
        max(len(line) for text in column for line in text.split('\n'))
        for column in zip(*rows, strict=True)
    ]


class FitTest(unittest.TestCase):
    def test_what_fits_stays_as_it_is(self):
        rows = [[ADDRESS, 'NVIDIA Tesla T4', '2 nvidia-t4-8q']]
        self.assertEqual(rows, fitted.fit(NAMES, rows, 80))
        self.assertEqual(rows, fitted.fit(NAMES, rows, None))

    def test_lines_that_are_there_stay(self):
        rows = [[ADDRESS, 'a\n\nb', 'c']]
        self.assertEqual(rows, fitted.fit(NAMES, rows, 80))

    def test_no_word_is_broken_even_where_there_is_no_room(self):
        rows = fitted.fit(NAMES, [[ADDRESS, 'one twotwotwo', 'x']], 10)
        self.assertEqual([[ADDRESS, 'one\ntwotwotwo', 'x']], rows)

    def test_room_is_used(self):
        text = 'aa bb cc dd ee ff gg hh ii jj kk ll mm nn oo pp qq rr ss tt'
        for room in range(45, 100):
            rows = fitted.fit(NAMES, [[ADDRESS, text, text]], room)
            total = sum(widths(rows)) + 3 * len(NAMES) + 1
            self.assertLessEqual(total, room)
            self.assertGreater(total, room - 6)

    def test_column_that_costs_no_line_gives_way_first(self):
        profile = '8 amd-instinct-mi300x-cpx-nps4-1of8'
        rows = fitted.fit(
            NAMES, [[ADDRESS, 'AMD Instinct MI300X', profile]] * 2, 60
        )
        self.assertEqual(1, max(text.count('\n') for text in rows[0]))

    def test_no_rows_are_no_rows(self):
        self.assertEqual([], fitted.fit(NAMES, [], 80))
