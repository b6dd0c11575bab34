"""`nova-gpuvirt discover` lists what is there, and says why nothing is."""

import contextlib
import csv
import io
import json

import testtools

from nova_gpuvirt.cli import shell
from nova_gpuvirt.simulation import hosts
from tests.unit import captures

# Host by host, of each model: PGPU, VGPU, what VGPU is, sessions.
OFFERED = {
    'accelerators': {
        'Meteor Lake NPU': (None, None, None, None),
        'Alveo U250 XDMA Platform': (None, None, None, None),
        'Technologies iBMC Intelligent Management system chip w/VGA support': (
            *(None, None, None, None),
        ),
    },
    'a16': {'A2 / A16': (1, None, None, None)},
    'a100-mig': {'A100 PCIe 40GB': (None, 2, 'nvidia-a100-1-5c', None)},
    'a40': {'A40': (None, 2, 'nvidia-a40-24q', None)},
    'alder-lake': {
        'UHD Graphics 770': (None, 7, 'intel-uhd-graphics-770-1of7', 8)
    },
    'alder-lake-no-vfs': {'UHD Graphics 770': (None, None, None, 8)},
    'apu': {'Renoir': (None, None, None, 8)},
    'b50': {'Arc Pro B50': (None, 2, 'intel-arc-pro-b50-7048m', 8)},
    'b60': {'Arc Pro B60': (None, 4, 'intel-arc-pro-b60-4096m', 8)},
    'domain-1': {
        'RTX PRO 6000 Blackwell Server Edition': (
            *(None, 2, 'nvidia-dc-48q', None),
        )
    },
    'epyc': {'A100 PCIe 80GB': (1, None, None, None)},
    'flex140': {
        'Data Center GPU Flex 140': (
            *(None, 6, 'intel-data-center-gpu-flex-140-960m', 8),
        )
    },
    'flex170': {
        'Data Center GPU Flex 170': (
            *(None, 8, 'intel-data-center-gpu-flex-170-2000m', 8),
        )
    },
    'gvtd': {'UHD Graphics 630': (1, None, None, 8)},
    'gvtg': {'UHD Graphics 630': (None, 2, 'intel-gvtg-v5-8', 8)},
    'gvtg-1g': {'UHD Graphics 630': (None, 2, 'intel-gvtg-v5-2', 8)},
    'h100': {'H100 SXM5 80GB': (1, None, None, None)},
    'h100-mig': {'H100 PCIe': (None, 2, 'nvidia-h100-2-20c', None)},
    'h100-nvl': {'H100L 94GB': (None, None, None, None)},
    'hgx-b200': {'B200': (1, None, None, None)},
    'hgx-h100': {'H100 SXM5 80GB': (1, None, None, None)},
    'hgx-h200': {'H200 SXM 141GB': (1, None, None, None)},
    'l40s': {'L40S': (None, 2, 'nvidia-l40s-24q', None)},
    'mi300x': {
        'Instinct MI300X': (
            *(None, 8, 'amd-instinct-mi300x-cpx-nps4-1of8', None),
        )
    },
    'mi300x-hive': {'Instinct MI300X': (1, None, None, 8)},
    'mixed': {
        'Tesla T4': (1, 2, 'nvidia-t4-8q', None),
        'L40S': (None, 2, 'nvidia-l40s-24q', None),
        'Instinct MI210': (1, None, None, 8),
    },
    'navi': {'Radeon RX 5600 OEM/5600 XT / 5700/5700 XT': (1, None, None, 8)},
    'none': {},
    'off-bus': {'Tesla T4': (1, 2, 'nvidia-t4-8q', None)},
    'rtx-pro-6000': {
        'RTX PRO 6000 Blackwell Server Edition': (
            *(None, 2, 'nvidia-dc-48q', None),
        )
    },
    'rtx-pro-6000-mig': {
        'RTX PRO 6000 Blackwell Server Edition': (
            *(None, 2, 'nvidia-dc-2-24q', None),
        )
    },
    's7150x2': {'FirePro S7150': (None, 16, 'amd-firepro-s7150-1of16', None)},
    't4': {'Tesla T4': (1, 2, 'nvidia-t4-8q', None)},
    'v710': {'Radeon PRO V710': (None, 12, 'amd-radeon-pro-v710-1of12', None)},
    'vgem': {'vgem': (None, None, None, 8)},
    'workstation': {
        'UHD Graphics 770': (None, None, None, 8),
        'Quadro RTX 6000/8000': (1, None, None, 8),
    },
}


def table_of(text):
    """Read the cells of a table, row by row, the names first."""
    return [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in text.splitlines()
        if line.startswith('|')
    ]


class DiscoverTest(testtools.TestCase):
    def run_command(self, *arguments):
        """Run the command and return its exit status, output and errors."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = shell.main(['discover', *arguments])
        return status, out.getvalue(), err.getvalue()

    def rows(self, *arguments):
        """Run the command for programs, and return its rows by address."""
        status, out, _ = self.run_command(*arguments, '-f', 'json')
        self.assertEqual(0, status)
        return {row['Address']: row for row in json.loads(out)}

    def test_nothing_is_said_beside_the_table(self):
        root = self.useFixture(captures.Capture('virtual-host')).root
        for where in (
            ('--root', str(root)),
            *(('--simulate', host) for host in ('t4', 'a40', 'l40s', 'navi')),
        ):
            self.assertEqual((0, ''), self.run_command(*where)[::2])

    def test_capture_of_a_real_kernel(self):
        root = self.useFixture(captures.Capture('virtual-host')).root
        rows = self.rows('--root', str(root))
        self.assertEqual(8, len(rows))
        self.assertEqual(8, rows['renderD129']['Sessions'])
        self.assertEqual(['0000:01:00.1'], rows['0000:01:00.0']['Companions'])
        (reason,) = rows['0000:01:00.0']['Not offered because']
        self.assertIn('a virtual display (QEMU)', reason)
        named = self.rows('--root', str(root), '--accelerator', '1234:1111')
        self.assertEqual(1, named['0000:01:00.0']['PGPU'])
        shared = rows['0000:03:00.0']
        self.assertEqual((4, 2), (shared['VFs'], shared['VGPU']))
        self.assertEqual(1, rows['0000:05:00.0']['PGPU'])
        card = rows['0000:04:00.0']
        self.assertEqual((0, 3), (card['PGPU'], card['VGPU']))
        self.assertEqual('simvgpu-1q', card['VGPU is'])
        self.assertEqual(3, len(card['Profiles']))
        # Two of its VFs are mdev parents, and the others go to guests whole.
        self.assertEqual(4, len(shared['Profiles']))
        vfs = 'CUSTOM_VGPU_RED_HAT_VIRTIO_1_0_GPU_1OF4'
        self.assertEqual(2, shared['Profiles'][vfs])
        self.assertEqual(1, len(rows['0000:00:07.0']['Not offered because']))
        for address in ('0000:03:00.0', '0000:04:00.0'):
            self.assertEqual(1, len(rows[address]['Not whole because']))
            self.assertEqual([], rows[address]['Not offered because'])

    def test_simulated_hosts(self):
        rows = self.rows('--simulate', 't4')
        self.assertEqual(5, len(rows))
        card = rows['0000:3b:00.0']
        self.assertEqual('NVIDIA Tesla T4', card['GPU'])
        self.assertEqual((1, 2), (card['PGPU'], card['VGPU']))
        self.assertEqual(16, card['Profiles']['CUSTOM_VGPU_NVIDIA_T4_1Q'])
        bmc = rows['0000:03:00.0']
        self.assertIsNone(bmc['PGPU'])
        self.assertIn('ASPEED', bmc['Not offered because'][0])

    def test_every_simulated_host(self):
        self.assertEqual(set(hosts.names()), OFFERED.keys())
        for kind, offered in OFFERED.items():
            found = {
                row['GPU'].partition(' ')[2] or row['GPU']: tuple(
                    row[name]
                    for name in ('PGPU', 'VGPU', 'VGPU is', 'Sessions')
                )
                for row in self.rows('--simulate', kind).values()
                if 'ASPEED' not in row['GPU']
            }
            self.assertEqual(offered, found, kind)

    def test_sets_of_each_card(self):
        for kind, address, sets in (
            ('t4', '0000:3b:00.0', {2: 1, 4: 1}),
            ('a16', '0000:b4:00.0', {2: 1, 4: 1, 8: 1}),
            ('hgx-h100', '0000:86:00.0', {2: 1, 4: 1, 8: 1}),
            ('mi300x-hive', '0000:26:00.0', {2: 1, 4: 1, 8: 1}),
            ('h100-nvl', '0000:17:00.0', {2: 1, 4: 1}),
            ('mi300x', '0000:26:00.0', {}),
        ):
            row = self.rows('--simulate', kind)[address]
            self.assertEqual(
                {f'CUSTOM_GPU_SET_{n}': count for n, count in sets.items()},
                {rc: len(found) for rc, found in row['Sets'].items()},
            )
        # By its place on the board, not by PCI.
        row = self.rows('--simulate', 'hgx-h100')['0000:86:00.0']
        self.assertEqual(
            ['set:0000:86:00.0+0000:88:00.0'],
            row['Sets']['CUSTOM_GPU_SET_2'],
        )
        _, table, _ = self.run_command('--simulate', 't4')
        self.assertIn('| 2, 4 ', table)

    def test_columns_can_be_chosen(self):
        for option in ('-c', '--column'):
            _, table, _ = self.run_command(
                *('--simulate', 'gvtg', option, 'Driver', option, 'vgpu_is')
            )
            self.assertEqual(['Driver', 'VGPU is'], table_of(table)[0], option)
            self.assertEqual(['i915', 'intel-gvtg-v5-8'], table_of(table)[1])
            self.assertEqual(5, table.count('\n'))

    def test_long_table_has_what_programs_get(self):
        _, table, _ = self.run_command('--simulate', 'gvtg', '--long')
        (row,) = self.rows('--simulate', 'gvtg').values()
        self.assertEqual(list(row), table_of(table)[0])

    def test_csv_has_values(self):
        _, out, _ = self.run_command('--simulate', 'workstation', '-f', 'csv')
        rows = list(csv.DictReader(io.StringIO(out)))
        self.assertEqual(
            ('0000:00:02.0', '', '', '8', ''),
            tuple(
                rows[0][name]
                for name in ('Address', 'NUMA', 'PGPU', 'Sessions', 'Profiles')
            ),
        )
        self.assertEqual(
            '0000:01:00.1; 0000:01:00.2; 0000:01:00.3', rows[1]['Companions']
        )
        _, out, _ = self.run_command('--simulate', 't4', '-f', 'csv')
        row = list(csv.DictReader(io.StringIO(out)))[1]
        self.assertIn('CUSTOM_VGPU_NVIDIA_T4_1Q=16; ', row['Profiles'])
        self.assertIn(
            'CUSTOM_GPU_SET_2=set:0000:3b:00.0+0000:5e:00.0; ', row['Sets']
        )

    def test_no_flat_cell_looks_like_python(self):
        for name in ('mixed', 'hgx-h100', 'alder-lake-no-vfs', 't4'):
            for form in ('csv', 'value'):
                _, out, _ = self.run_command(*('--simulate', name, '-f', form))
                for sign in ("{'", "['", '[]', '{}', "':"):
                    self.assertNotIn(sign, out)

    def test_nvswitches_without_fabric_manager_make_no_sets(self):
        row = self.rows('--simulate', 'h100')['0000:1b:00.0']
        self.assertEqual((1, {}), (row['PGPU'], row['Sets']))
        (reason,) = row['Not offered because']
        self.assertIn('not in sets: its NVSwitches need Fabric', reason)
        self.assertIn('fmpm: ', reason)

    def test_card_of_a_bridged_pair_is_not_given_alone(self):
        row = self.rows('--simulate', 'h100-nvl')['0000:17:00.0']
        self.assertIsNone(row['PGPU'])
        self.assertEqual(
            ['set:0000:17:00.0+0000:3d:00.0'], row['Sets']['CUSTOM_GPU_SET_2']
        )
        (reason,) = row['Not whole because']
        self.assertIn('NVLinks join it with 0000:3d:00.0', reason)

    def test_card_off_the_bus_is_told_beside_the_good_ones(self):
        rows = self.rows('--simulate', 'off-bus')
        (reason,) = rows['0000:5e:00.0']['Not offered because']
        self.assertIn('has fallen off the bus', reason)
        good = [a for a, row in rows.items() if row['PGPU'] == 1]
        self.assertEqual(
            ['0000:3b:00.0', '0000:af:00.0', '0000:d8:00.0'], good
        )

    def test_host_without_gpus_says_why(self):
        status, _, err = self.run_command('--simulate', 'none')
        self.assertEqual(0, status)
        self.assertIn('This host has no GPU: none of its', err)
        self.assertIn('it has no IOMMU', ' '.join(err.split()))
        for line in err.splitlines():
            self.assertLessEqual(len(line), 80)

    def test_folder_without_sysfs_is_refused(self):
        status, _, err = self.run_command('--root', '/nowhere')
        self.assertEqual(1, status)
        self.assertIn('or a folder that holds "sys", found', err)

    def test_card_that_cannot_be_read_is_listed(self):
        root = self.useFixture(captures.Capture('virtual-host')).root
        link = root / 'sys/bus/pci/devices/0000:05:00.0/class'
        link.chmod(0o644)
        link.write_text('?\n')
        row = self.rows('--root', str(root))['0000:05:00.0']
        self.assertIn('class', row['Not offered because'][0])
        self.assertIsNone(row['PGPU'])

    def test_every_format_is_printed(self):
        for name in hosts.names():
            for form in ('table', 'yaml', 'csv', 'value'):
                status, _, _ = self.run_command(
                    *('--simulate', name, '-f', form)
                )
                self.assertEqual(0, status)
