"""Placement is asked once, or for a while by a host that starts."""

import unittest
from unittest import mock

from keystoneauth1 import exceptions as keystone_exceptions
from nova import exception as nova_exception

from nova_gpuvirt.compute.claims import allocations

_CONSUMER = 'c0ffee00-0000-4000-8000-000000000001'
_DOWN = keystone_exceptions.ConnectFailure('nobody listens')
_ANSWER = {
    'allocations': {
        'card': {'generation': 3, 'resources': {'VGPU': 2}},
        'root': {'generation': 7, 'resources': {'VCPU': 4}},
    },
    'consumer_generation': 1,
}


class Clock:
    """A clock that only a sleep moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class AllocationsTest(unittest.TestCase):
    def setUp(self):
        self.client = mock.Mock()
        self.clock = Clock()
        self.allocations = allocations.Allocations(
            lambda: self.client, self.clock, self.clock.sleep
        )

    def answer(self, *answers):
        self.client.get_allocs_for_consumer.side_effect = answers

    def test_units_are_counted_by_provider_and_class(self):
        self.answer(_ANSWER)
        self.assertEqual(
            {('card', 'VGPU'): 2, ('root', 'VCPU'): 4},
            self.allocations.of(_CONSUMER),
        )

    def test_no_answer_is_not_nothing(self):
        for error in (
            _DOWN,
            nova_exception.ConsumerAllocationRetrievalFailed(
                consumer_uuid=_CONSUMER, error='500'
            ),
            ValueError('no JSON'),
            KeyError('allocations'),
        ):
            self.answer(error)
            self.assertIsNone(self.allocations.of(_CONSUMER))
        self.assertEqual(0.0, self.clock.now)

    def test_answer_of_another_shape_is_none(self):
        self.answer({'versions': []})
        self.assertIsNone(self.allocations.of(_CONSUMER))

    def test_client_that_can_not_be_made_is_no_answer(self):
        broken = allocations.Allocations(mock.Mock(side_effect=_DOWN))
        self.assertIsNone(broken.of(_CONSUMER))

    def test_host_that_starts_waits_for_placement(self):
        self.answer(_DOWN, _DOWN, _ANSWER)
        found = self.allocations.of(_CONSUMER, patiently=True)
        self.assertEqual(2, found['card', 'VGPU'])
        self.assertGreater(self.clock.now, 0)

    def test_all_guests_of_a_host_wait_for_one_while(self):
        self.client.get_allocs_for_consumer.side_effect = _DOWN
        self.assertIsNone(self.allocations.of(_CONSUMER, patiently=True))
        waited = self.clock.now
        self.assertGreaterEqual(waited, allocations._PATIENCE_SECONDS)
        for _ in range(50):
            self.assertIsNone(self.allocations.of(_CONSUMER, patiently=True))
        self.assertEqual(waited, self.clock.now)
        # And it is asked each time: it may be back.
        self.answer(_ANSWER)
        self.assertIsNotNone(self.allocations.of(_CONSUMER, patiently=True))

    def test_placement_that_hangs_does_not_keep_a_host_from_starting(self):
        """A question that nobody refuses ends with a timeout of TCP."""

        def hang(context, consumer):
            self.clock.sleep(120)
            raise _DOWN

        self.client.get_allocs_for_consumer.side_effect = hang
        for _ in range(50):
            self.allocations.of(_CONSUMER, patiently=True)
        self.assertLess(self.clock.now, 600)
