"""A finding is legible at 80 columns, and its remedy is in the next line."""

import testtools

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import report

_WELL = ('iommu', finding.passed('it is on'))
_WARN = ('vfs', finding.warning('it has no VFs', 'make some', '0000:3b:00.0'))
_FAIL = (
    'groups',
    finding.failure('w ' * 80, 'r ' * 80, *(f'0000:0{n}:00.0' for n in '123')),
)


class ReportTest(testtools.TestCase):
    def test_lines(self):
        self.assertEqual(
            'PASS  iommu           it is on\n'
            'WARN  vfs             0000:3b:00.0: it has no VFs\n'
            '                      -> make some\n'
            '0 FAIL, 1 WARN, 1 PASS.',
            report.text([_WELL, _WARN]),
        )

    def test_long_ones_are_wrapped(self):
        lines = report.text([_FAIL]).splitlines()
        self.assertLess(max(map(len, lines)), 80)
        self.assertIn('0000:01:00.0, 0000:02:00.0 and 1 more: w w', lines[0])
        self.assertTrue(any(line.startswith(' ' * 25) for line in lines))

    def test_items_have_every_card(self):
        well, failed = report.items([_WELL, _FAIL])
        self.assertEqual(
            {
                'Check': 'iommu',
                'Level': 'PASS',
                'Devices': [],
                'Found': 'it is on',
                'Remedy': None,
            },
            well,
        )
        self.assertEqual(3, len(failed['Devices']))

    def test_only_a_failure_is_one_for_programs(self):
        self.assertEqual(0, report.status([_WELL, _WARN]))
        self.assertEqual(1, report.status([_WELL, _FAIL, _WARN]))

    def test_the_same_of_several_cards_is_told_once(self):
        one, other = (
            finding.failure('x', 'y', address) for address in ('a', 'b')
        )
        apart = finding.failure('x', 'z', 'c')
        self.assertEqual(
            [finding.failure('x', 'y', 'a', 'b'), apart],
            finding.together([one, apart, other]),
        )
