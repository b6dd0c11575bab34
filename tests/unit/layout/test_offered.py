"""What is wanted of a card is the layout's to say, and else the options'."""

import unittest

from nova_gpuvirt import model
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.layout import document
from nova_gpuvirt.layout import offered
from tests.unit import functions

_LAYOUT = """
version: 1
cards:
  - select: {address: '0000:41:00.0'}
    api_sessions: 0
    offer: [api]
  - select: {address: '0000:42:00.0'}
    left_alone: true
"""


def _card(address):
    return model.Gpu(functions.function(address), (), 'NVIDIA', 'L40S')


class OfferedTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        options = operator_filter.OperatorFilter(
            exclude=('0000:a1:*',), kinds=('passthrough',)
        )
        layout = document.parse(_LAYOUT, 'layout.yaml')
        self.offered = offered.Offered(options, 8, layout.wish)

    def test_layout_goes_before_the_options(self):
        card = _card('0000:41:00.0')
        self.assertEqual(0, self.offered.api_sessions(card))
        self.assertEqual(('api',), self.offered.of(card).kinds)

    def test_options_count_where_the_layout_says_nothing(self):
        card = _card('0000:43:00.0')
        self.assertEqual(8, self.offered.api_sessions(card))
        self.assertEqual(self.offered.options, self.offered.of(card))

    def test_card_that_is_left_alone_is_excluded_too(self):
        self.assertEqual(
            ('0000:a1:*', '0000:42:00.0'),
            self.offered.of(_card('0000:42:00.0')).exclude,
        )
