"""A claim that the tracker forgot comes back, a released one does not."""

import collections
import unittest
import unittest.mock

from nova import objects

from nova_gpuvirt.compute.claims import unsaved

objects.register_all()

_PROVIDER = '0ff0ff0f-0000-4000-8000-000000000001'
_CLASS = 'VGPU'


def _resource(identifier):
    return objects.Resource(
        provider_uuid=_PROVIDER,
        resource_class=_CLASS,
        identifier=identifier,
    )


class UnsavedClaimsTest(unittest.TestCase):
    def setUp(self):
        self.now = 1000.0
        self.under_way = True
        self.young = unsaved.UnsavedClaims(
            under_way=lambda: self.under_way, clock=lambda: self.now
        )
        self.record = collections.defaultdict(
            lambda: collections.defaultdict(set)
        )
        self.claim = _resource('a')
        self.record[_PROVIDER][_CLASS].add(self.claim)
        self.young.heal(self.record, [_PROVIDER])

    @property
    def claims(self):
        return self.record[_PROVIDER][_CLASS]

    def rebuild(self, *resources):
        """Do as the tracker's periodic update does."""
        self.record.clear()
        self.record[_PROVIDER][_CLASS].update(resources)

    def test_forgotten_claim_is_put_back(self):
        self.rebuild()
        self.young.heal(self.record, [_PROVIDER])
        self.assertEqual({self.claim}, self.claims)

    def test_forgotten_claim_is_put_back_again_and_again(self):
        for _ in range(3):
            self.rebuild()
            self.young.heal(self.record, [_PROVIDER])
        self.assertEqual({self.claim}, self.claims)

    def test_released_claim_is_not_put_back(self):
        self.claims.remove(self.claim)
        self.young.heal(self.record, [_PROVIDER])
        self.assertEqual(set(), self.claims)
        self.rebuild()
        self.young.heal(self.record, [_PROVIDER])
        self.assertEqual(set(), self.claims)

    def test_claim_that_went_with_its_instance_is_not_put_back(self):
        self.under_way = False
        self.rebuild()
        self.young.heal(self.record, [_PROVIDER])
        self.assertEqual(set(), self.claims)

    def test_claim_that_is_old_enough_to_be_saved_is_not_put_back(self):
        self.now += 61
        self.rebuild()
        self.young.heal(self.record, [_PROVIDER])
        self.assertEqual(set(), self.claims)

    def test_age_counts_from_the_first_sight(self):
        for _ in range(7):
            self.now += 10
            self.rebuild()
            self.young.heal(self.record, [_PROVIDER])
        self.assertEqual(set(), self.claims)

    def test_claim_is_kept_when_nobody_knows(self):
        self.young = unsaved.UnsavedClaims(
            under_way=unittest.mock.Mock(side_effect=RuntimeError('no DB')),
            clock=lambda: self.now,
        )
        self.young.heal(self.record, [_PROVIDER])
        self.rebuild()
        self.young.heal(self.record, [_PROVIDER])
        self.assertEqual({self.claim}, self.claims)

    def test_claims_of_others_are_left_alone(self):
        other = _resource('b')
        self.rebuild(other)
        self.young.heal(self.record, [_PROVIDER])
        self.assertEqual({self.claim, other}, self.claims)
