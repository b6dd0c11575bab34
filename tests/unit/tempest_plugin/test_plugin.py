"""tempest finds the plugin, its options and its tests.

The tests themselves need a cloud; here each is skipped before it asks for
one, in a process of its own, since tempest's configuration is global.
"""

import os
import pathlib
import re
import subprocess
import sys
import unittest

import fixtures
import testtools
from oslo_config import cfg
from tempest.test_discover import plugins
from testtools import content

TESTS = {
    'GpuResizeTest.test_confirmed_resize_gives_the_old_gpu_back',
    'GpuResizeTest.test_reverted_resize_gives_the_new_gpu_back',
    'GpuServersTest.test_boot_takes_a_gpu_and_delete_gives_it_back',
    'GpuServersTest.test_exhaustion_is_refused_and_ends_with_a_delete',
    'GpuServersTest.test_hard_reboot_keeps_the_gpu',
}

MICROVERSIONS = """
[compute]
max_microversion = latest
[placement]
max_microversion = latest
"""


class PluginTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.manager = plugins.TempestTestPluginManager()

    def test_options_are_registered(self):
        conf = cfg.ConfigOpts()
        self.manager.register_plugin_opts(conf)
        conf([])
        self.assertEqual([], conf.gpuvirt.flavors)
        self.assertIsNone(conf.gpuvirt.resize_flavor)
        self.assertEqual(8, conf.gpuvirt.exhaust_at_most)
        self.assertEqual(300, conf.gpuvirt.build_timeout)

    def test_options_are_in_the_sample(self):
        names = {
            opt.name
            for group, opts in self.manager.get_plugin_options_list()
            if group == 'gpuvirt'
            for opt in opts
        }
        self.assertEqual(
            {'flavors', 'resize_flavor', 'exhaust_at_most', 'build_timeout'},
            names,
        )

    def test_no_test_of_a_cloud_is_a_unit_test(self):
        here = pathlib.Path(__file__).parent
        top = here.parents[2]
        suite = unittest.TestLoader().discover(
            str(here), top_level_dir=str(top)
        )
        self.assertNotIn('tempest_plugin.tests', str(suite))


class DiscoveryTest(testtools.TestCase):
    """What a run says that has this tempest.conf, and no cloud."""

    def run_tests(self, options, *arguments):
        """Run `testtools.run`, and return what it prints."""
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (root / 'tempest.conf').write_text(options)
        run = subprocess.run(
            [sys.executable, '-m', 'testtools.run', *arguments],
            env=os.environ
            | {'TEMPEST_CONFIG_DIR': str(root), 'TMPDIR': str(root)},
            cwd=root,
            capture_output=True,
            text=True,
        )
        self.addDetail('run', content.text_content(run.stdout + run.stderr))
        self.assertEqual(0, run.returncode)
        return run.stdout

    def skips(self, options, *classes):
        """Give the reasons for which all tests of classes are skipped."""
        module = 'nova_gpuvirt.tempest_plugin.tests.api.test_servers'
        printed = self.run_tests(
            MICROVERSIONS + options,
            '-v',
            *(f'{module}.{c}' for c in classes),
        )
        self.assertIn('Ran 0 tests', printed)
        return re.findall(r"^skipped '(.*)'$", printed, re.M)

    def test_all_tests_are_found_with_their_ids(self):
        manager = plugins.TempestTestPluginManager()
        start, top = manager.get_plugin_load_tests_tuple()['nova_gpuvirt']
        printed = self.run_tests(
            '', 'discover', '-s', start, '-t', top, '--list'
        )
        found = dict(
            re.findall(r'(\w+\.\w+)\[id-([0-9a-f-]{36})\]$', printed, re.M)
        )
        self.assertEqual(TESTS, set(found))
        self.assertEqual(len(TESTS), len(set(found.values())))

    def test_nothing_runs_without_a_flavor(self):
        self.assertEqual(
            ['[gpuvirt]flavors names no flavor'] * 2,
            self.skips('', 'GpuServersTest', 'GpuResizeTest'),
        )

    def test_nothing_is_resized_without_a_target(self):
        options = '[gpuvirt]\nflavors = gpu.vgpu\n'
        self.assertEqual(
            ['[gpuvirt]resize_flavor names no flavor'],
            self.skips(options, 'GpuResizeTest'),
        )

    def test_nothing_is_resized_where_nova_can_not(self):
        options = (
            '[gpuvirt]\nflavors = gpu.vgpu\nresize_flavor = small\n'
            '[compute-feature-enabled]\nresize = false\n'
        )
        self.assertEqual(
            ['[compute-feature-enabled]resize is false'],
            self.skips(options, 'GpuResizeTest'),
        )
