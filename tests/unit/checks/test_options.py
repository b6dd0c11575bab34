"""Each option of [gpuvirt] is read as nova-compute reads it."""

import testtools

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import nova_conf
from nova_gpuvirt.checks import options
from tests.unit.checks import subjects

FAIL = finding.Level.FAIL
WARN = finding.Level.WARN


class OptionsTest(testtools.TestCase):
    def read(self, text):
        return options.of(self.load(f'[gpuvirt]\n{text}\n'))

    def load(self, text):
        folder = subjects.Folder({'etc/nova/nova.conf': text})
        return nova_conf.load(self.useFixture(folder).files)

    def test_none(self):
        read = options.of(nova_conf.NovaConf())
        self.assertEqual((), read.findings)
        (found,) = options.findings(read)
        self.assertIs(finding.Level.PASS, found.level)

    def test_what_they_say(self):
        read = self.read(
            'exclude = 0000:3b:00.0, 0000:5e:*\nkinds = mdev\n'
            'boot_vga = 0000:00:02.0\naccelerators = 10ee:5004\n'
            'without_reset = 0000:05:*\nfabric_manager = 192.0.2.7\n'
            'gpu_modules = 0000:0f:00.0=5\napi_vulkan = yes\n'
            'typical_request = 20 8 32768 VGPU=1\n'
            'typical_request = 1 64 524288 PGPU=4'
        )
        self.assertEqual((), read.findings)
        self.assertEqual(('0000:3b:00.0', '0000:5e:*'), read.allowed.exclude)
        self.assertEqual(('mdev',), read.allowed.kinds)
        self.assertEqual(('0000:00:02.0',), read.boot_vga)
        self.assertEqual({(0x10EE, 0x5004)}, read.accelerators)
        self.assertEqual(('0000:05:*',), read.without_reset)
        self.assertEqual('192.0.2.7', read.fabric_manager)
        self.assertEqual([5], [*read.gpu_modules.values()])
        self.assertTrue(read.api_vulkan)

    def test_each_that_can_not_be_meant(self):
        for text in (
            'exclude = my card',
            'kinds = vgpu',
            'profiles = a,,b',
            'boot_vga = first',
            'accelerators = fpga',
            'without_reset = x y',
            'gpu_modules = 0000:0f:00.0',
            'typical_request = often',
            'api_sessions = many',
            'api_vulkan = perhaps',
            'policy = best',
        ):
            name = text.partition(' ')[0]
            (found,) = self.read(text).findings
            self.assertIs(FAIL, found.level, text)
            self.assertIn(f'[gpuvirt]{name}', found.found)
            self.assertTrue(found.remedy)

    def test_one_that_can_not_be_meant_leaves_the_others(self):
        read = self.read('kinds = vgpu\nexclude = 0000:3b:00.0\nboot_vga = ?x')
        self.assertEqual(2, len(read.findings))
        self.assertEqual(('0000:3b:00.0',), read.allowed.exclude)

    def test_a_name_that_nobody_reads(self):
        (found,) = self.read('exclud = 0000:3b:00.0').findings
        self.assertIs(WARN, found.level)
        self.assertIn('write exclude if that is meant', found.remedy)

    def test_groups_in_capitals_are_read_by_nova_too(self):
        found = options.of(self.load('[GPUVIRT]\nkinds = vgpu\n')).findings
        self.assertEqual([FAIL], [f.level for f in found])

    def test_one_that_refers_to_another(self):
        more = '[gpuvirt]\nlayout = $instances_path/layout.yaml\n'
        conf = self.load(f'[DEFAULT]\ninstances_path = /srv\n{more}')
        read = options.of(conf)
        self.assertEqual((), read.findings)
        self.assertEqual('/srv/layout.yaml', read.layout)
        read = options.of(self.load(more))
        (found,) = read.findings
        self.assertIs(WARN, found.level)
        self.assertIn('[gpuvirt]layout refers to', found.found)
        self.assertIsNone(read.layout)

    def test_reading_leaves_nova_conf_as_it_is(self):
        conf = self.load('[gpuvirt]\nkinds = vgpu\napi_sessions = many\n')
        first = options.of(conf)
        self.assertEqual(2, len(first.findings))
        self.assertEqual(first, options.of(conf))

    def test_a_trial_is_told(self):
        (found,) = self.read('sysfs_root = /tmp/t4').findings
        self.assertIs(WARN, found.level)
