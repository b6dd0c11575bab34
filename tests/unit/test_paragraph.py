"""What stands in a terminal keeps its words whole."""

import testtools

from nova_gpuvirt import paragraph


class ParagraphTest(testtools.TestCase):
    def test_lines_end_between_words_and_nowhere_else(self):
        text = 'run nova-gpuvirt discover 0000:3b:00.0'
        self.assertEqual(
            ['- run', '  nova-gpuvirt', '  discover', '  0000:3b:00.0'],
            paragraph.lines(text, '- ', '  ', 10),
        )

    def test_one_text(self):
        self.assertEqual('a b\nc', paragraph.fill('a b c', width=3))
