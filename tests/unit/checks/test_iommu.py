"""How the IOMMU is switched on depends on who made the processor."""

import testtools

from nova_gpuvirt.checks import iommu

_INTEL = 'processor\t: 0\nvendor_id\t: GenuineIntel\n'
_AMD = 'processor\t: 0\nvendor_id\t: AuthenticAMD\n'
_ARM = 'processor\t: 0\nCPU implementer\t: 0x41\n'


class IommuTest(testtools.TestCase):
    def test_a_word_that_switches_it_off_is_named(self):
        for words in (['intel_iommu=off'], ['iommu=off'], ['amd_iommu=off']):
            remedy = iommu.how_to_switch_on(['ro', *words], _INTEL, ['DMAR'])
            self.assertEqual(
                f"take {words[0]} from the kernel's command line", remedy
            )

    def test_intel_needs_a_word(self):
        for words in ([], ['iommu=pt'], ['intel_iommu=sm_on']):
            remedy = iommu.how_to_switch_on(words, _INTEL, ['DMAR', 'FACP'])
            self.assertIn('intel_iommu=on', remedy)

    def test_amd_needs_the_firmware_alone(self):
        remedy = iommu.how_to_switch_on([], _AMD, ['FACP', 'IVRS'])
        self.assertIn('AMD-Vi', remedy)
        self.assertNotIn('intel_iommu', remedy)

    def test_firmware_that_hides_it_is_told_by_its_tables(self):
        for processor, table in ((_INTEL, 'DMAR'), (_AMD, 'IVRS')):
            remedy = iommu.how_to_switch_on([], processor, ['FACP'])
            self.assertIn('in the firmware', remedy)
            self.assertIn(f'no table {table}', remedy)
            # Tables that can't be seen tell nothing.
            remedy = iommu.how_to_switch_on([], processor, [])
            self.assertNotIn('no table', remedy)

    def test_other_processors(self):
        remedy = iommu.how_to_switch_on([], _ARM, ['FACP'])
        self.assertIn('switch the IOMMU on in the firmware', remedy)
