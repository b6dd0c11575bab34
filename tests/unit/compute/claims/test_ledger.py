"""A claim counts where its card is, and nowhere else."""

import unittest
import uuid

from nova import objects

from nova_gpuvirt import model
from nova_gpuvirt.compute.claims import ledger
from nova_gpuvirt.compute.claims import reported

objects.register_all()

_CARD = str(uuid.uuid4())
_SAME_CARD_ELSEWHERE = str(uuid.uuid4())
_ADDRESS = model.PciAddress.parse('0000:01:00.0')
_SLOT = 'passthrough:0000:01:00.0'


def _resource(provider, identifier=_SLOT):
    return objects.Resource(
        provider_uuid=provider, resource_class='PGPU', identifier=identifier
    )


def _instance(*resources, host='host1'):
    return objects.Instance(
        uuid=str(uuid.uuid4()),
        host=host,
        resources=objects.ResourceList(objects=[*resources]),
    )


class ClaimsTest(unittest.TestCase):
    def setUp(self):
        self.ledger = ledger.Ledger('host1', tracker=lambda: None)

    def learn(self):
        self.ledger.learn(
            'node1',
            {_CARD: reported.Reported(_ADDRESS, 'CUSTOM_GPU_ID_10DE_1E30')},
            frozenset(['PGPU']),
        )

    def slots(self, instance, resources=None):
        claims = self.ledger.claims(instance, resources)
        return [claim.identifier for claim in claims]

    def test_claim_of_this_hosts_provider_counts(self):
        self.learn()
        self.assertEqual([_SLOT], self.slots(_instance(_resource(_CARD))))

    def test_claim_of_another_hosts_provider_does_not_count(self):
        """The identifier is the same on both hosts."""
        self.learn()
        other = _resource(_SAME_CARD_ELSEWHERE)
        self.assertEqual([], self.slots(_instance(other)))
        both = _instance(other, _resource(_CARD))
        self.assertEqual([_SLOT], self.slots(both))

    def test_instance_of_another_host_may_still_hold_something_here(self):
        self.learn()
        moved = _instance(_resource(_CARD), host='host2')
        self.assertEqual([_SLOT], self.slots(moved))

    def test_claims_that_are_given_count_in_place_of_the_current_ones(self):
        self.learn()
        old = objects.ResourceList(
            objects=[
                _resource(_CARD, 'passthrough:0000:02:00.0'),
                _resource(_SAME_CARD_ELSEWHERE),
            ]
        )
        self.assertEqual(
            ['passthrough:0000:02:00.0'],
            self.slots(_instance(_resource(_CARD)), old),
        )
        self.assertEqual(
            [], self.slots(_instance(), objects.ResourceList(objects=[]))
        )

    def test_before_the_providers_are_known_the_host_tells(self):
        claims = [_resource(_CARD), _resource(_CARD, 'of somebody else')]
        self.assertEqual([_SLOT], self.slots(_instance(*claims)))
        self.assertEqual([], self.slots(_instance(*claims, host='host2')))

    def test_instance_without_claims_has_none(self):
        instance = objects.Instance(
            uuid=str(uuid.uuid4()), host='host1', resources=None
        )
        self.assertEqual((), self.ledger.claims(instance))
        self.learn()
        self.assertEqual((), self.ledger.claims(instance))
