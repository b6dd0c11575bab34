"""A class goes when nobody has anything of it, and nobody can get it."""

import unittest
from unittest import mock

from nova import exception as nova_exception

from nova_gpuvirt.compute.reports import unused

_RC = 'CUSTOM_VGPU_NVIDIA_T4_2Q'


class Client:
    """Nova's report client, of which only `get` is used."""

    def __init__(self, total=1, reserved=1, used=0):
        self.asked = []
        self.says = {
            'inventories': {_RC: {'total': total, 'reserved': reserved}},
            'usages': {_RC: used},
        }

    def get(self, url, global_request_id=None):
        what = url.rpartition('/')[2]
        self.asked.append(what)
        answer = mock.MagicMock()
        answer.__bool__.return_value = self.says is not None
        answer.json.return_value = self.says and {what: self.says[what]}
        return answer


class UnusedTest(unittest.TestCase):
    def of(self, client, rc=_RC):
        return unused.of(client, 'a-uuid', {rc})

    def test_reserved_and_not_used(self):
        client = Client()
        self.assertEqual({_RC}, self.of(client))
        self.assertEqual(['inventories', 'usages'], client.asked)

    def test_what_is_used_or_may_be(self):
        self.assertEqual(frozenset(), self.of(Client(used=1)))
        self.assertEqual(frozenset(), self.of(Client(total=2)))

    def test_what_is_not_there(self):
        self.assertEqual(frozenset(), self.of(Client(), 'VGPU'))

    def test_placement_that_does_not_say(self):
        client = Client()
        client.says = None
        with self.assertRaises(nova_exception.ResourceProviderRetrievalFailed):
            self.of(client)
