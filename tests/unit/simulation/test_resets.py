"""What is reset when a guest closes it, as VFIO does it."""

from nova_gpuvirt.simulation.hosts import navi
from tests.unit.simulation import base


class ResetsTest(base.TestCase):
    def move_to_vfio(self, address):
        self.host.write(self.device(address, 'driver_override'), 'vfio-pci')
        self.host.write(self.device(address, 'driver/unbind'), address)
        self.host.write(f'{base.PCI}/drivers_probe', address)

    def use(self, *addresses):
        for address in addresses:
            self.host.hold(address)
        for address in addresses:
            self.host.release_hold(address)

    def test_function_with_a_reset_of_its_own_is_reset(self):
        self.start('h100')
        self.use('0000:1b:00.0')
        self.assertEqual(frozenset(), self.host.unclean())

    def test_bus_is_reset_when_all_of_it_is_with_vfio(self):
        self.start('navi')
        self.move_to_vfio(navi.DISPLAY)
        self.use(navi.DISPLAY)
        self.assertEqual({navi.DISPLAY}, self.host.unclean())
        self.move_to_vfio(navi.AUDIO)
        self.use(navi.DISPLAY, navi.AUDIO)
        self.assertEqual(frozenset(), self.host.unclean())

    def test_bus_is_not_reset_while_one_of_it_is_open(self):
        self.start('navi')
        for address in (navi.DISPLAY, navi.AUDIO):
            self.move_to_vfio(address)
        self.host.hold(navi.AUDIO)
        self.use(navi.DISPLAY)
        self.assertEqual({navi.DISPLAY}, self.host.unclean())
