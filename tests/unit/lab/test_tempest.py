"""tempest.conf for the lab says what tempest and our plugin understand."""

import configparser
import pathlib
import tempfile
import unittest

from oslo_concurrency import opts as lock_opts
from oslo_config import cfg
from oslo_log import log
from tempest import config

from lab import tempest


def _conf():
    """Make a configuration that knows every option, and no file yet."""
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    for group, options in (*config.list_opts(), *lock_opts.list_opts()):
        conf.register_opts(options, group=group)
    return conf


class ConfigurationTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.file = self.folder / 'tempest.conf'
        self.file.write_text(tempest.configuration(self.folder, 'the-image'))
        self.conf = _conf()
        self.conf(['--config-file', str(self.file)], project='tempest')

    def test_every_option_is_known_and_can_be_read(self):
        written = configparser.RawConfigParser()
        written.read(self.file)
        for group in written.sections():
            for name in set(written[group]) - set(written.defaults()):
                self.assertIn(name, self.conf[group])
                self.assertIsNotNone(self.conf[group][name])
        self.assertEqual('the-image', self.conf.compute.image_ref)
        self.assertEqual(f'{self.folder}/tempest.log', self.conf.log_file)

    def test_every_test_runs_with_it(self):
        self.assertEqual(
            ['tempest.vgpu', 'tempest.whole'], self.conf.gpuvirt.flavors
        )
        self.assertEqual('tempest.plain', self.conf.gpuvirt.resize_flavor)
        self.assertTrue(self.conf['compute-feature-enabled'].resize)
        self.assertEqual('latest', self.conf.compute.max_microversion)
        self.assertEqual('latest', self.conf.placement.max_microversion)
