"""What has no address is found in the kernel's file of resources."""

import functools

import testtools

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import slots
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import one_fault
from tests.unit.checks import subjects


class SlotsTest(testtools.TestCase):
    def test_sizes_of_bars_without_an_address(self):
        text = (
            '0x0000000090000000 0x0000000090ffffff 0x0000000000040200\n'
            '0x0000000000000000 0x0000001fffffffff 0x000000002014220c\n'
            '0x0000000000000000 0x0000000000000000 0x0000000000000000\n'
            '0x0000000000000000 0x0000000001ffffff 0x000000002014220c\n'
        )
        self.assertEqual([128 << 30, 32 << 20], [*slots.unassigned(text)])

    def test_vfs_without_room_are_found_too(self):
        def start(root):
            fault = one_fault.FAULTS['large-bars']
            description = fault.change(hosts.HOSTS['mi300x']())
            return one_fault.simulated_.SimulatedHost(description, root)

        checked = self.useFixture(subjects.Checked(start))
        found = finding.together(slots.have_bars(checked.subject))
        self.assertEqual([8], [len(f.devices) for f in found])
        # A BAR of the card, and those of all its VFs.
        self.assertIn('2 of its BARs, the largest of 256 GiB', found[0].found)

    def test_without_ari_a_card_that_has_no_vfs_yet_is_warned_of(self):
        def start(root):
            change = one_fault.FAULTS['vfs'].change
            description = change(hosts.HOSTS['l40s']())
            description = one_fault.FAULTS['ari'].change(description)
            return one_fault.simulated_.SimulatedHost(description, root)

        checked = self.useFixture(subjects.Checked(start))
        found = [*slots.have_ari(checked.subject)]
        self.assertEqual(
            [
                (finding.Level.WARN, ('0000:41:00.0',)),
                (finding.Level.FAIL, ('0000:a1:00.0',)),
            ],
            [(f.level, f.devices) for f in found],
        )

    def test_vfs_on_the_first_seven_functions_ask_for_no_ari(self):
        start = functools.partial(hosts.simulated, 'alder-lake')
        checked = self.useFixture(subjects.Checked(start))
        gpu = checked.subject.gpus[0]
        self.assertEqual(7, len(gpu.virtfns))
        path = f'sys/bus/pci/devices/{gpu.address}/ari_enabled'
        self.assertEqual('0\n', (checked.root / path).read_text())
        (found,) = slots.have_ari(checked.subject)
        self.assertIs(finding.Level.PASS, found.level)
