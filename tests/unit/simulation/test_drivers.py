"""Binding drivers through sysfs."""

import errno

from tests.unit.simulation import base

CARD = '0000:01:00.0'
AUDIO = '0000:01:00.1'
PORT = '0000:00:01.0'
PROBE = f'{base.PCI}/drivers_probe'
VFIO = f'{base.PCI}/drivers/vfio-pci'


class DriversTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.start('workstation')

    def override(self, address, driver):
        path = self.device(address, 'driver_override')
        self.host.write(path, driver)

    def unbind(self, address):
        self.host.write(self.device(address, 'driver/unbind'), address)

    def move_to_vfio(self, address):
        self.override(address, 'vfio-pci')
        self.unbind(address)
        self.host.write(PROBE, address)

    def test_an_override_takes_effect_with_the_next_probe(self):
        self.override(CARD, 'vfio-pci\n')
        self.assertEqual('nouveau', self.driver(CARD))
        self.assertEqual(
            'vfio-pci\n', self.read(self.device(CARD, 'driver_override'))
        )
        self.unbind(CARD)
        self.assertIsNone(self.driver(CARD))
        self.host.write(PROBE, f'{CARD}\n')
        self.assertEqual('vfio-pci', self.driver(CARD))

    def test_the_way_to_vfio_and_back_leaves_nothing_behind(self):
        before = self.host.snapshot()
        self.move_to_vfio(CARD)
        self.override(CARD, '\n')
        self.unbind(CARD)
        self.host.write(PROBE, CARD)
        self.assertEqual(before, self.host.snapshot())

    def test_vfio_shows_its_device_and_no_drm_nodes(self):
        self.move_to_vfio(CARD)
        names = self.names(self.device(CARD))
        self.assertIn('vfio-dev', names)
        self.assertNotIn('drm', names)
        self.assertEqual(['vfio0'], self.names(self.device(CARD, 'vfio-dev')))
        self.assertNotIn('card1', self.names('/sys/class/drm'))
        self.assertIn('bind', self.names(VFIO))
        self.assertIn(CARD, self.names(VFIO))

    def test_an_idle_function_on_vfio_sleeps(self):
        self.move_to_vfio(CARD)
        power = self.device(CARD, 'power_state')
        self.assertEqual('D3hot\n', self.read(power))
        self.host.hold(CARD)
        self.assertEqual('D0\n', self.read(power))
        self.host.release_hold(CARD)
        self.assertEqual('D3hot\n', self.read(power))

    def test_vfio_numbers_are_used_again(self):
        self.move_to_vfio(CARD)
        self.move_to_vfio(AUDIO)
        self.unbind(CARD)
        self.move_to_vfio('0000:01:00.2')
        self.assertEqual(
            ['vfio0'], self.names(self.device('0000:01:00.2', 'vfio-dev'))
        )

    def test_only_the_driver_of_the_override_matches(self):
        self.override(CARD, 'vfio-pci')
        self.unbind(CARD)
        self.assert_refused(
            errno.ENODEV,
            self.host.write,
            f'{base.PCI}/drivers/nouveau/bind',
            CARD,
        )

    def test_an_override_of_no_driver_leaves_it_unbound(self):
        self.override(CARD, 'no-such-driver')
        self.unbind(CARD)
        self.host.write(PROBE, CARD)
        self.assertIsNone(self.driver(CARD))

    def test_an_override_longer_than_a_page_is_refused(self):
        path = self.device(CARD, 'driver_override')
        self.assert_refused(errno.EINVAL, self.host.write, path, 'x' * 4095)

    def test_bind_needs_a_match(self):
        self.unbind(CARD)
        bind = f'{VFIO}/bind'
        self.assert_refused(errno.ENODEV, self.host.write, bind, CARD)
        self.assert_refused(
            errno.ENODEV, self.host.write, bind, '0000:99:00.0'
        )

    def test_bind_refuses_a_function_that_has_a_driver(self):
        self.override(CARD, 'vfio-pci')
        self.assert_refused(errno.EBUSY, self.host.write, f'{VFIO}/bind', CARD)

    def test_unbind_is_for_functions_of_that_driver(self):
        self.assert_refused(
            errno.ENODEV, self.host.write, f'{VFIO}/unbind', CARD
        )
        unbind = self.device(CARD, 'driver/unbind')
        self.assert_refused(errno.ENODEV, self.host.write, unbind, AUDIO)

    def test_an_unbound_function_has_no_driver_to_unbind_from(self):
        self.unbind(CARD)
        self.assert_refused(errno.ENOENT, self.unbind, CARD)

    def test_a_held_function_is_unbound_when_it_is_closed(self):
        self.move_to_vfio(CARD)
        self.host.hold(CARD)
        self.assert_waits(
            lambda: self.host.release_hold(CARD), self.unbind, CARD
        )
        self.assertIsNone(self.driver(CARD))

    def test_a_display_that_draws_is_unbound_at_once(self):
        self.host.start('Xorg', '/dev/dri/card1')
        self.unbind(CARD)
        self.assertIsNone(self.driver(CARD))

    def test_a_probe_of_a_bound_function_does_nothing(self):
        before = self.host.snapshot()
        self.host.write(PROBE, CARD)
        self.assertEqual(before, self.host.snapshot())

    def test_a_probe_of_no_function_is_refused(self):
        self.assert_refused(
            errno.ENODEV, self.host.write, PROBE, '0000:99:00.0'
        )

    def test_vfio_does_not_take_bridges(self):
        self.move_to_vfio(PORT)
        self.assertIsNone(self.driver(PORT))
        self.assert_refused(
            errno.EINVAL, self.host.write, f'{VFIO}/bind', PORT
        )

    def test_a_new_id_takes_every_unbound_function_that_matches(self):
        self.unbind(CARD)
        self.unbind(AUDIO)
        self.host.write(f'{VFIO}/new_id', '10de 1e30')
        self.assertEqual('vfio-pci', self.driver(CARD))
        self.assertIsNone(self.driver(AUDIO))
        self.assert_refused(
            errno.EEXIST, self.host.write, f'{VFIO}/new_id', '10de 1e30\n'
        )

    def test_an_id_that_the_driver_has_anyway_is_refused(self):
        self.assert_refused(
            errno.EEXIST,
            self.host.write,
            f'{base.PCI}/drivers/nouveau/new_id',
            '10de 1e30',
        )

    def test_a_removed_id_matches_no_more(self):
        self.host.write(f'{VFIO}/new_id', '10DE 10f7 10de 12ba')
        self.host.write(f'{VFIO}/remove_id', '10de 10f7 10de 12ba')
        self.unbind(AUDIO)
        self.assert_refused(
            errno.ENODEV, self.host.write, f'{VFIO}/bind', AUDIO
        )
        self.assert_refused(
            errno.ENODEV, self.host.write, f'{VFIO}/remove_id', '10de 10f7'
        )

    def test_an_id_has_at_least_two_numbers(self):
        for text in ('10de', 'vendor device', '\n'):
            self.assert_refused(
                errno.EINVAL, self.host.write, f'{VFIO}/new_id', text
            )


class WithoutIommuTest(base.TestCase):
    def test_vfio_takes_nothing_without_an_iommu(self):
        self.start('none')
        card = '0000:01:00.0'
        self.host.write(self.device(card, 'driver_override'), 'vfio-pci')
        self.host.write(self.device(card, 'driver/unbind'), card)
        self.host.write(PROBE, card)
        self.assertIsNone(self.driver(card))
        self.assert_refused(
            errno.EINVAL, self.host.write, f'{VFIO}/bind', card
        )


class NvidiaVfTest(base.TestCase):
    VF = '0000:41:00.4'

    def setUp(self):
        super().setUp()
        self.start('l40s')
        self.host.write(self.device(self.VF, 'driver_override'), 'vfio-pci')
        self.host.write(self.device(self.VF, 'driver/unbind'), self.VF)

    def test_vfio_pci_takes_none_that_its_own_driver_offers(self):
        self.assert_refused(
            errno.EINVAL, self.host.write, f'{VFIO}/bind', self.VF
        )
        self.host.write(PROBE, self.VF)
        self.assertIsNone(self.driver(self.VF))
