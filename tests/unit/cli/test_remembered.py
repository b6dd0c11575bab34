"""What is remembered is read where nova-compute writes it."""

import argparse
import pathlib

import fixtures
import testtools

from nova_gpuvirt.cli import remembered


class MadeTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def is_in_use(self, *config_files, simulate=None):
        return remembered.made(
            argparse.Namespace(
                root=str(self.root),
                simulate=simulate,
                config_file=[*map(str, config_files)],
            )
        ).is_in_use

    def test_folder_that_is_there_by_default(self):
        self.assertFalse(self.is_in_use())
        (self.root / 'var/lib/nova-gpuvirt/cards').mkdir(parents=True)
        self.assertTrue(self.is_in_use())
        self.assertFalse(self.is_in_use(simulate='t4'))

    def test_folder_that_another_nova_conf_names(self):
        (self.root / 'srv/state/cards').mkdir(parents=True)
        self.assertFalse(self.is_in_use())
        conf = self.root / 'other.conf'
        conf.write_text('[gpuvirt]\nstate_path = /srv/state\n')
        self.assertTrue(self.is_in_use(conf))
