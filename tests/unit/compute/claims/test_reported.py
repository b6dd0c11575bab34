"""What a host has reported is read again, and nonsense is nothing."""

import unittest
from unittest import mock

import hypothesis
from hypothesis import strategies as st
from nova import exception as nova_exception
from nova import objects

from nova_gpuvirt import model
from nova_gpuvirt.compute.claims import reported

objects.register_all()

_CARD = model.PciAddress.parse('0000:3b:00.0')
_T4 = 'CUSTOM_GPU_ID_10DE_1EB8'
_REPORTS = {
    'u1': reported.Reported(_CARD, _T4),
    'u2': reported.Reported(model.RenderNode(128), None),
    'u3': reported.Reported(model.FabricName(0), _T4),
}


class TextTest(unittest.TestCase):
    def test_text_is_read_as_it_was_written(self):
        self.assertEqual(_REPORTS, reported.load(reported.dump(_REPORTS)))

    @hypothesis.given(st.text() | st.from_regex(r'\{"u": \[.*\]\}'))
    def test_any_text_is_read_or_is_nothing(self, text):
        self.assertIsInstance(reported.load(text), dict)

    def test_text_that_would_break_who_reads_it_is_nothing(self):
        for text in (
            '[' * 100_000,
            '{"u": ["0000:3b:00.0", ["CUSTOM_GPU_ID_10DE_1EB8"]]}',
            '{"u": ["0000:3b:00.0", 1]}',
            '{"u": ["../../x", null]}',
        ):
            self.assertEqual({}, reported.load(text))

    def test_stats_of_a_node_without_any(self):
        for stats in (None, {}, {'gpuvirt': 'x'}, {reported.KEY: '[1]'}):
            node = objects.ComputeNode(stats=stats)
            self.assertEqual({}, reported.from_database(node))

    def test_stats_of_a_node(self):
        text = reported.dump(_REPORTS)
        node = objects.ComputeNode(stats={reported.KEY: text})
        self.assertEqual(_REPORTS, reported.from_database(node))


class PlacementTest(unittest.TestCase):
    def setUp(self):
        self.node = objects.ComputeNode(
            uuid='7f9e3c1a-0000-4000-8000-000000000001',
            hypervisor_hostname='node1',
        )
        self.client = mock.Mock()
        self.answer = mock.MagicMock()
        self.client.get.return_value = self.answer
        self.traits = {'u1': {'OWNER_NOVA', _T4}, 'u2': set()}
        self.client.get_provider_traits.side_effect = lambda _, uuid: (
            mock.Mock(traits=self.traits[uuid])
        )

    def test_only_our_providers_are_asked_for_their_traits(self):
        self.answer.json.return_value = {
            'resource_providers': [
                {'uuid': 'root', 'name': 'node1'},
                {'uuid': 'nic', 'name': 'node1_nic'},
                {'uuid': 'u1', 'name': 'node1_gpuvirt_0000:3b:00.0'},
                {'uuid': 'u2', 'name': 'node1_gpuvirt_renderD128'},
            ]
        }
        found = reported.from_placement(self.client, self.node)
        self.assertEqual({k: _REPORTS[k] for k in ('u1', 'u2')}, found)

    def test_answer_that_is_an_error_is_one(self):
        self.answer.__bool__.return_value = False
        with self.assertRaises(nova_exception.ResourceProviderRetrievalFailed):
            reported.from_placement(self.client, self.node)
