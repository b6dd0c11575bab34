"""What is published of our providers lasts, and Nova's copies cost nothing."""

import copy
import types
import unittest
import uuid

from hypothesis import given
from hypothesis import strategies as st
from nova import objects
from nova.compute import provider_tree

from nova_gpuvirt import model
from nova_gpuvirt.compute.reports import to_placement
from nova_gpuvirt.placement import providers

objects.register_all()

_NODE = 'node1'
_CARD = model.PciAddress.parse('0000:3b:00.0')
_CLAIM = model.Claim('PGPU', f'passthrough:{_CARD}')


by_class = st.fixed_dictionaries(
    {},
    optional={
        rc: st.frozensets(
            st.builds(model.Claim, st.just(rc), st.sampled_from('abcd'))
        )
        for rc in ('PGPU', 'VGPU')
    },
)


def _provider(
    total=1,
    traits=('CUSTOM_GPU_KIND_PASSTHROUGH',),
    resources=types.MappingProxyType({'PGPU': frozenset({_CLAIM})}),
):
    return providers.Provider(
        providers.provider_name(_NODE, _CARD),
        {'PGPU': {'total': total}},
        set(traits),
        resources,
        providers.Card(_CARD, None, False, None, (), ()),
    )


class PublishedTest(unittest.TestCase):
    def setUp(self):
        # As Placement knows it; Nova makes a copy of it for each update.
        self.placement = provider_tree.ProviderTree()
        self.placement.new_root(_NODE, str(uuid.uuid4()))
        self.published = to_placement.Published()
        self.renewed = []

    def update(self, provider, assigned=frozenset(), **options):
        tree = copy.deepcopy(self.placement)
        known, uuids = self.published.known(
            tree,
            _NODE,
            dict.fromkeys(self.uuids(tree), assigned),
            **options,
        )
        told = self.published.publish(
            tree, _NODE, [provider], known, uuids, self.renewed.append
        )
        self.assertEqual([provider], [*told.values()])
        self.placement = copy.deepcopy(tree)
        for one in self.uuids(self.placement):
            self.placement.update_resources(one, {})
        self.known = known
        return tree.data(provider.name)

    @staticmethod
    def uuids(tree):
        return tree.get_provider_uuids(_NODE)[1:]

    def test_a_new_one_is_there_and_asks_for_nothing(self):
        data = self.update(_provider())
        self.assertEqual({'PGPU': {'total': 1}}, data.inventory)
        self.assertEqual({'CUSTOM_GPU_KIND_PASSTHROUGH'}, data.traits)
        (resource,) = data.resources['PGPU']
        self.assertEqual(data.uuid, resource.provider_uuid)
        self.assertEqual(_CLAIM.identifier, resource.identifier)
        self.assertEqual([], self.renewed)

    def test_one_that_stays_is_published_again_as_it_is(self):
        provider = _provider()
        first = self.update(provider)
        second = self.update(provider, frozenset({_CLAIM}))
        self.assertIs(first.resources, second.resources)
        self.assertEqual([], self.renewed)
        self.assertEqual({_CLAIM}, self.known[_CARD].claims)

    def test_one_that_changes_is_renewed_first(self):
        first = self.update(_provider())
        data = self.update(_provider(total=2))
        self.assertEqual([first.uuid], self.renewed)
        self.assertEqual({'PGPU': {'total': 2}}, data.inventory)

    def test_what_others_change_is_put_right(self):
        provider = _provider()
        data = self.update(provider)
        self.placement.update_inventory(data.uuid, {'PGPU': {'total': 7}})
        data = self.update(provider)
        self.assertEqual({'total': 7}, self.known[_CARD].inventories['PGPU'])
        self.assertEqual({'PGPU': {'total': 1}}, data.inventory)

    def test_a_trait_that_others_gave_is_known(self):
        provider = _provider()
        data = self.update(provider)
        self.placement.add_traits(data.uuid, 'CUSTOM_THEIRS')
        self.update(provider)
        self.assertIn('CUSTOM_THEIRS', self.known[_CARD].traits)

    def test_what_placement_refused_is_published_again_in_a_claim(self):
        self.update(_provider())
        before = copy.deepcopy(self.placement)
        provider = _provider(total=2)
        self.update(provider, everything=False)
        # Nova asks at once again, with what Placement has.
        self.placement = before
        data = self.update(provider, everything=False)
        self.assertEqual({'PGPU': {'total': 2}}, data.inventory)

    def test_what_was_settled_is_looked_at_with_everything(self):
        provider = _provider()
        data = self.update(provider)
        self.update(provider, everything=False)
        self.placement.update_inventory(data.uuid, {'PGPU': {'total': 7}})
        data = self.update(provider, everything=False)
        self.assertEqual({'PGPU': {'total': 7}}, data.inventory)
        data = self.update(provider)
        self.assertEqual({'PGPU': {'total': 1}}, data.inventory)

    def test_a_trait_that_others_gave_meanwhile_is_kept(self):
        provider = _provider()
        data = self.update(provider)
        self.update(provider, everything=False)
        self.placement.add_traits(data.uuid, 'CUSTOM_THEIRS')
        data = self.update(_provider(total=2), everything=False)
        self.assertIn('CUSTOM_THEIRS', data.traits)

    @given(st.lists(by_class, min_size=1))
    def test_the_tracker_hands_out_what_the_last_one_says(self, wanted):
        self.setUp()
        for resources in wanted:
            data = self.update(_provider(resources=resources))
            self.assertEqual(
                resources,
                {
                    rc: {model.Claim(rc, r.identifier) for r in made}
                    for rc, made in data.resources.items()
                },
            )

    def test_the_tracker_takes_from_a_copy(self):
        provider = _provider()
        data = self.update(provider)
        free = data.resources['PGPU'] - set()
        free.pop()
        self.assertEqual(1, len(self.update(provider).resources['PGPU']))

    def test_claims_alone_have_every_class(self):
        data = self.update(_provider())
        tree = copy.deepcopy(self.placement)
        to_placement.publish_claims(tree, _NODE, {})
        self.assertEqual({'PGPU': set()}, tree.data(data.uuid).resources)
        to_placement.publish_claims(
            tree, _NODE, {data.uuid: frozenset({_CLAIM})}
        )
        (resource,) = tree.data(data.uuid).resources['PGPU']
        self.assertEqual(_CLAIM.identifier, resource.identifier)
