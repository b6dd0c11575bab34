"""The arithmetic of what is left in Placement."""

import testtools

from nova_gpuvirt.tempest_plugin import inventory


def _inventory(total, reserved=0, ratio=1.0):
    return {
        'total': total,
        'reserved': reserved,
        'allocation_ratio': ratio,
        'min_unit': 1,
        'max_unit': total,
        'step_size': 1,
    }


class FreeTest(testtools.TestCase):
    def test_what_is_reserved_or_used_is_not_free(self):
        self.assertEqual(
            {'VGPU': 5, 'PGPU': 0},
            inventory.free(
                {'VGPU': _inventory(8, 1), 'PGPU': _inventory(1, 1)},
                {'VGPU': 2, 'PGPU': 0},
            ),
        )

    def test_ratio_multiplies_what_is_not_reserved(self):
        self.assertEqual(
            {'VGPU': 9},
            inventory.free({'VGPU': _inventory(6, 1, 2.0)}, {'VGPU': 1}),
        )

    def test_class_without_usage_is_free(self):
        self.assertEqual(
            {'VGPU': 3}, inventory.free({'VGPU': _inventory(3)}, {})
        )


class RoomTest(testtools.TestCase):
    def test_providers_are_added_up(self):
        left = {'a': {'VGPU': 2}, 'b': {'VGPU': 3, 'PGPU': 1}, 'c': {}}
        self.assertEqual(5, inventory.room(left, {'VGPU': 1}))
        self.assertEqual(2, inventory.room(left, {'VGPU': 2}))

    def test_scarcest_class_decides(self):
        left = {'a': {'VGPU': 2}, 'b': {'VGPU': 3, 'PGPU': 1}}
        self.assertEqual(1, inventory.room(left, {'VGPU': 1, 'PGPU': 1}))
        self.assertEqual(0, inventory.room(left, {'CUSTOM_X': 1}))


class ContradictionsTest(testtools.TestCase):
    BEFORE = {
        'a': {'PGPU': 1, 'VGPU': 2, 'CUSTOM_1Q': 16},
        'b': {'PGPU': 1, 'VGPU': 2},
    }

    def contradictions(self, after, allocated):
        return inventory.contradictions(
            self.BEFORE, self.BEFORE | after, allocated
        )

    def test_less_by_what_was_allocated_agrees(self):
        self.assertEqual(
            [],
            self.contradictions(
                {'a': {'PGPU': 0, 'VGPU': 1, 'CUSTOM_1Q': 0}},
                {'a': {'VGPU': 1}},
            ),
        )

    def test_less_by_more_agrees(self):
        self.assertEqual(
            [],
            self.contradictions(
                {'a': {'PGPU': 0, 'VGPU': 0}}, {'a': {'VGPU': 1}}
            ),
        )

    def test_not_less_does_not_agree(self):
        self.assertEqual(
            ['VGPU of a: 2 were left, 1 were allocated, 2 are left'],
            self.contradictions(
                {'a': {'PGPU': 0, 'VGPU': 2}}, {'a': {'VGPU': 1}}
            ),
        )

    def test_card_with_a_part_allocated_is_whole_no_more(self):
        self.assertEqual(
            ['PGPU of a: 1 were left, 0 were allocated, 1 are left'],
            self.contradictions(
                {'a': {'PGPU': 1, 'VGPU': 1}}, {'a': {'VGPU': 1}}
            ),
        )

    def test_vgpu_can_be_a_smaller_profile_than_before(self):
        after = {'a': {'PGPU': 0, 'VGPU': 15, 'CUSTOM_1Q': 15}}
        self.assertEqual(
            [], self.contradictions(after, {'a': {'CUSTOM_1Q': 1}})
        )
        self.assertEqual(
            ['VGPU of a: 2 were left, 0 were allocated, 15 are left'],
            self.contradictions(after | {'a': {'PGPU': 0, 'VGPU': 15}}, {}),
        )

    def test_whole_card_leaves_no_parts(self):
        self.assertEqual(
            ['VGPU of a: 2 were left, 0 were allocated, 1 are left'],
            self.contradictions(
                {'a': {'PGPU': 0, 'VGPU': 1}}, {'a': {'PGPU': 1}}
            ),
        )

    def test_less_by_too_little_does_not_agree(self):
        self.assertEqual(
            ['VGPU of a: 2 were left, 2 were allocated, 1 are left'],
            self.contradictions({'a': {'VGPU': 1}}, {'a': {'VGPU': 2}}),
        )

    def test_less_of_another_card_is_no_substitute(self):
        self.assertEqual(
            ['VGPU of a: 2 were left, 1 were allocated, 2 are left'],
            self.contradictions(
                {'a': {'VGPU': 2}, 'b': {'VGPU': 1}}, {'a': {'VGPU': 1}}
            ),
        )

    def test_more_of_anything_does_not_agree(self):
        self.assertEqual(
            [
                'CUSTOM_2Q of a: 0 were left, 0 were allocated, 8 are left',
                'VGPU of c: 0 were left, 0 were allocated, 1 are left',
            ],
            self.contradictions(
                {'a': self.BEFORE['a'] | {'CUSTOM_2Q': 8}, 'c': {'VGPU': 1}},
                {},
            ),
        )

    def test_provider_that_vanished_has_nothing_left(self):
        after = {'b': self.BEFORE['b']}
        self.assertEqual(
            [],
            inventory.contradictions(self.BEFORE, after, {'a': {'VGPU': 1}}),
        )
