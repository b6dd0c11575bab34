"""All functions that a guest had are reset, in the way that reaches most."""

import errno

import fixtures

from nova_gpuvirt import exception
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.cleaning import resetting
from nova_gpuvirt.simulation.hosts import navi
from tests.unit.cleaning import base


class FunctionsTest(base.TestCase):
    """A card whose display can be reset alone, and whose audio can not."""

    def setUp(self):
        super().setUp()
        self.start('navi')
        self.host.break_file(navi.DISPLAY, 'reset_method', 'flr bus\n')
        self.attach(f'passthrough:{navi.DISPLAY}')
        self.done = []
        self.sysfs.reset_function = lambda a: self.done.append(str(a))
        self.sysfs.reset_bus = self.reset_bus
        self.answer = None

    def reset_bus(self, addresses):
        if self.answer:
            raise OSError(self.answer, 'no')
        self.done.append([*map(str, addresses)])

    def reset(self, *addresses):
        known = {str(a): a for a in self.sysfs.addresses()}
        functions = [
            pci_function.read(self.sysfs, known[a], 0x030000)
            for a in addresses
        ]
        resetting.Resetting(self.machine).reset(functions, ())
        return self.done

    def test_bus_resets_both(self):
        self.assertEqual(
            [[navi.DISPLAY, navi.AUDIO]],
            self.reset(navi.DISPLAY, navi.AUDIO),
        )

    def test_each_by_itself_where_all_can_be(self):
        self.sysfs.has_reset = lambda _: True
        self.assertEqual(
            [navi.DISPLAY, navi.AUDIO], self.reset(navi.DISPLAY, navi.AUDIO)
        )

    def test_bus_with_what_is_not_the_guests(self):
        self.assertEqual([navi.DISPLAY], self.reset(navi.DISPLAY))

    def test_bus_with_another_function_is_not_reset(self):
        """The kernel would refuse it: it is not even tried."""
        self.useFixture(
            fixtures.MockPatchObject(
                resetting.resets, 'is_bus_theirs', return_value=False
            )
        )
        self.assertEqual([navi.DISPLAY], self.reset(navi.DISPLAY, navi.AUDIO))

    def test_kernel_without_containers_of_vfio_resets_what_it_can(self):
        for self.answer in (errno.ENOENT, errno.ENODEV):
            self.done.clear()
            self.assertEqual(
                [navi.DISPLAY], self.reset(navi.DISPLAY, navi.AUDIO)
            )
        self.assertIn('can not be reset alone', self.log.output)

    def test_bus_whose_reset_fails_is_not_made_up_for(self):
        self.answer = errno.EIO
        error = self.assertRaises(
            exception.CleanFailed, self.reset, navi.DISPLAY, navi.AUDIO
        )
        self.assertIn('Errno', error.found)
        self.assertEqual([], self.done)

    def test_card_that_only_its_bus_resets(self):
        self.host.break_file(navi.DISPLAY, 'reset_method', 'bus\n')
        self.answer = errno.ENOENT
        self.assertRaises(
            exception.CleanFailed, self.reset, navi.DISPLAY, navi.AUDIO
        )
        self.assertEqual([], self.done)
