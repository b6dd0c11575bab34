"""Creating and removing mdevs through sysfs."""

import errno

from tests.unit.simulation import base

CARD = '0000:3b:00.0'
OTHER = '0000:d8:00.0'
IGPU = '0000:00:02.0'


class NvidiaTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.start('t4')

    def test_a_created_vgpu_is_seen_from_every_side(self):
        self.create(CARD, 'nvidia-231', base.UUID_1)

        place = self.path(self.device(CARD, base.UUID_1)).resolve()
        self.assertEqual([base.UUID_1], self.names(base.MDEVS))
        self.assertEqual(
            place, self.path(f'{base.MDEVS}/{base.UUID_1}').resolve()
        )
        self.assertEqual('nvidia-231', (place / 'mdev_type').resolve().name)
        devices = 'mdev_supported_types/nvidia-231/devices'
        self.assertEqual([base.UUID_1], self.names(self.device(CARD, devices)))
        self.assertEqual('mdev', (place / 'subsystem').readlink().name)
        self.assertEqual(
            'nvidia-vgpu-vfio', (place / 'driver').readlink().name
        )
        self.assertEqual(
            ['vfio0'], [p.name for p in (place / 'vfio-dev').iterdir()]
        )

    def test_a_created_vgpu_has_an_iommu_group_of_its_own(self):
        self.create(CARD, 'nvidia-231', base.UUID_1)

        group = self.path(self.device(CARD, base.UUID_1)) / 'iommu_group'
        self.assertEqual(
            [base.UUID_1],
            [p.name for p in (group / 'devices').iterdir()],
        )
        self.assertEqual('vfio-noiommu\n', (group / 'name').read_text())
        self.assertEqual('unknown\n', (group / 'type').read_text())

    def test_second_size_is_refused_while_a_vgpu_exists(self):
        self.create(CARD, 'nvidia-231', base.UUID_1)
        self.assertEqual(0, self.available(CARD)['nvidia-230'])
        self.assert_refused(
            errno.EIO, self.create, CARD, 'nvidia-230', base.UUID_2
        )

    def test_second_series_of_the_size_is_created(self):
        self.create(CARD, 'nvidia-231', base.UUID_1)
        self.create(CARD, 'nvidia-223', base.UUID_2)
        self.assertEqual(6, self.available(CARD)['nvidia-226'])

    def test_other_cards_keep_their_sizes(self):
        before = self.available(OTHER)
        self.create(CARD, 'nvidia-231', base.UUID_1)
        self.assertEqual(before, self.available(OTHER))
        self.create(OTHER, 'nvidia-234', base.UUID_2)

    def test_create_beyond_the_last_is_refused(self):
        self.create(CARD, 'nvidia-233', base.UUID_1)
        self.create(CARD, 'nvidia-233', base.UUID_2)
        self.assert_refused(
            errno.EIO, self.create, CARD, 'nvidia-233', base.UUID_3
        )

    def test_a_uuid_exists_once_on_the_host(self):
        self.create(CARD, 'nvidia-231', base.UUID_1)
        self.assert_refused(
            errno.EEXIST, self.create, OTHER, 'nvidia-230', base.UUID_1
        )
        self.assert_refused(
            errno.EEXIST,
            self.create,
            CARD,
            'nvidia-231',
            base.UUID_1.upper(),
        )

    def test_an_existing_uuid_counts_before_capacity(self):
        self.create(CARD, 'nvidia-234', base.UUID_1)
        self.assert_refused(
            errno.EEXIST, self.create, CARD, 'nvidia-234', base.UUID_1
        )

    def test_what_is_no_uuid_is_refused(self):
        for text in (
            'x',
            base.UUID_1[:-1],
            base.UUID_1.replace('-', ''),
            base.UUID_1[:-1] + 'g',
            base.UUID_1 + '\n\n',
            f'{{{base.UUID_1}}}',
        ):
            self.assert_refused(
                errno.EINVAL, self.create, CARD, 'nvidia-230', text
            )

    def test_a_uuid_may_end_in_a_newline_and_be_in_capitals(self):
        self.create(CARD, 'nvidia-230', f'{base.UUID_1.upper()}\n')
        self.assertEqual([base.UUID_1], self.names(base.MDEVS))

    def test_an_unknown_type_has_no_create(self):
        self.assert_refused(
            errno.ENOENT, self.create, CARD, 'nvidia-1', base.UUID_1
        )

    def test_a_removed_vgpu_leaves_nothing_behind(self):
        before = self.host.snapshot()
        self.create(CARD, 'nvidia-231', base.UUID_1)
        self.create(CARD, 'nvidia-231', base.UUID_2)
        self.remove(base.UUID_1)
        self.remove(base.UUID_2)
        self.assertEqual(before, self.host.snapshot())

    def test_remove_is_written_with_a_number(self):
        self.create(CARD, 'nvidia-231', base.UUID_1)
        remove = f'{base.MDEVS}/{base.UUID_1}/remove'
        self.assert_refused(errno.EINVAL, self.host.write, remove, 'yes')
        self.host.write(remove, '0\n')
        self.assertEqual([base.UUID_1], self.names(base.MDEVS))

    def test_a_second_remove_finds_nothing(self):
        self.create(CARD, 'nvidia-231', base.UUID_1)
        self.remove(base.UUID_1)
        self.assert_refused(errno.ENOENT, self.remove, base.UUID_1)

    def test_a_held_vgpu_is_not_removed(self):
        self.create(CARD, 'nvidia-231', base.UUID_1)
        self.host.hold(base.UUID_1)
        self.assert_refused(errno.EBUSY, self.remove, base.UUID_1)
        self.host.release_hold(base.UUID_1)
        self.remove(base.UUID_1)
        self.assertEqual([], self.names(base.MDEVS))

    def test_without_its_driver_a_card_has_neither_types_nor_vgpus(self):
        self.create(CARD, 'nvidia-231', base.UUID_1)
        self.host.write(self.device(CARD, 'driver/unbind'), CARD)
        self.assertEqual([], self.names(base.MDEVS))
        self.assertNotIn('mdev_supported_types', self.names(self.device(CARD)))
        self.assertNotIn(CARD, self.names('/sys/class/mdev_bus'))

    def test_with_its_driver_again_a_card_has_all_types(self):
        before = self.host.snapshot()
        self.create(CARD, 'nvidia-231', base.UUID_1)
        self.host.write(self.device(CARD, 'driver/unbind'), CARD)
        self.host.write(f'{base.PCI}/drivers/nvidia/bind', CARD)
        self.assertEqual(before, self.host.snapshot())

    def test_a_held_vgpu_keeps_the_driver_of_its_card(self):
        self.create(CARD, 'nvidia-231', base.UUID_1)
        self.host.hold(base.UUID_1)
        unbind = self.device(CARD, 'driver/unbind')
        self.assert_waits(
            lambda: self.host.release_hold(base.UUID_1),
            *(self.host.write, unbind, CARD),
        )


class GvtgTest(base.TestCase):
    def test_gvtg_recomputes_every_type_after_a_create(self):
        self.start('gvtg')
        self.assertEqual(
            {'i915-GVTg_V5_4': 1, 'i915-GVTg_V5_8': 2}, self.available(IGPU)
        )
        self.create(IGPU, 'i915-GVTg_V5_8', base.UUID_1)
        self.assertEqual(
            {'i915-GVTg_V5_4': 0, 'i915-GVTg_V5_8': 1}, self.available(IGPU)
        )

    def test_gvtg_recomputes_every_type_after_a_remove(self):
        self.start('gvtg-1g')
        before = self.available(IGPU)
        self.create(IGPU, 'i915-GVTg_V5_1', base.UUID_1)
        self.create(IGPU, 'i915-GVTg_V5_8', base.UUID_2)
        self.remove(base.UUID_1)
        self.remove(base.UUID_2)
        self.assertEqual(before, self.available(IGPU))

    def test_no_space_is_what_gvtg_says(self):
        self.start('gvtg')
        self.create(IGPU, 'i915-GVTg_V5_4', base.UUID_1)
        self.assert_refused(
            errno.ENOSPC, self.create, IGPU, 'i915-GVTg_V5_8', base.UUID_2
        )

    def test_descriptions_end_in_one_newline(self):
        self.start('gvtg')
        path = 'mdev_supported_types/i915-GVTg_V5_8/description'
        self.assertEqual(
            'low_gm_size: 64MB\nhigh_gm_size: 384MB\nfence: 4\n'
            'resolution: 1024x768\nweight: 2\n',
            self.read(self.device(IGPU, path)),
        )
