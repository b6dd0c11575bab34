"""What needs root goes through a daemon of its own, which checks addresses."""

import configparser
import errno
import os
import pathlib
import sys
import unittest

import fixtures
import testtools
from oslo_config import cfg
from oslo_config import fixture as config_fixture
from oslo_rootwrap import wrapper

from nova_gpuvirt import privileged

_NOWHERE = '0000:ff:1f.7'
_FILTERS = pathlib.Path(__file__).parents[2] / 'etc/nova/rootwrap.d'


class RootwrapTest(testtools.TestCase):
    def command(self, context):
        return [
            *('privsep-helper', '--config-file', '/etc/nova/nova.conf'),
            *('--privsep_context', context),
            *('--privsep_sock_path', '/tmp/tmp1/privsep.sock'),
        ]

    def test_filter_lets_our_daemon_start_and_no_other(self):
        folder = self.useFixture(fixtures.TempDir()).path
        pathlib.Path(folder, 'privsep-helper').touch(0o755)
        # oslo.rootwrap adds a filter of its own for any privsep-helper.
        names = [
            wrapper.match_filter(
                wrapper.load_filters([str(_FILTERS)]),
                self.command(context),
                [folder],
            ).name
            for context in ('nova_gpuvirt.privileged.context', 'os.system')
        ]
        self.assertEqual(['privsep-rootwrap-gpuvirt', 'privsep-helper'], names)

    def test_file_is_installed_with_the_package(self):
        setup = configparser.ConfigParser()
        setup.read(_FILTERS.parents[2] / 'setup.cfg')
        self.assertIn(
            'etc/nova/rootwrap.d = etc/nova/rootwrap.d/*',
            setup['files']['data_files'],
        )


@unittest.skipUnless(os.geteuid() == 0, 'only root may start the daemon')
class DaemonTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        config = self.useFixture(config_fixture.Config(cfg.CONF))
        config.conf([], default_config_files=[])
        helper = pathlib.Path(sys.executable).with_name('privsep-helper')
        config.config(group='gpuvirt_privileged', helper_command=str(helper))
        self.addCleanup(privileged.context.stop)

    def test_kernels_answer_comes_back(self):
        error = self.assertRaises(
            FileNotFoundError, privileged.set_vgpu_type, _NOWHERE, 1
        )
        self.assertEqual(errno.ENOENT, error.errno)
        self.assertRaises(FileNotFoundError, privileged.openers, _NOWHERE)

    def test_only_addresses_and_known_files_are_taken(self):
        for address in ('..', f'{_NOWHERE}/../x', ''):
            self.assertRaises(ValueError, privileged.openers, address)
        self.assertRaises(
            AssertionError, privileged.read, _NOWHERE, 'reset_gpu'
        )
