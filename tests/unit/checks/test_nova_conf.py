"""nova.conf is read as oslo.config reads it, and no secret is shown."""

import os

import nova.conf
import testtools
from oslo_config import cfg

from nova_gpuvirt import exception
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import nova_conf
from tests.unit.checks import subjects

_NOVA = 'etc/nova/nova.conf'
_FILES = {
    'usr/share/nova/nova-dist.conf': '[DEFAULT]\ncompute_driver = dist\n'
    'rootwrap_config = /dist\n',
    _NOVA: '[DEFAULT]\ncompute_driver = nova\n[pci]\ndevice_spec = 1\n'
    '[devices]\nenabled_mdev_types = x, y\n'
    '[workarounds]\ndisable_rootwrap = True\n',
    'etc/nova/nova-compute.conf': '[DEFAULT]\ncompute_driver = "compute"\n'
    '[pci]\ndevice_spec = 2\n',
    'etc/nova/nova.conf.d/10.conf': '[DEFAULT]\ncompute_driver = ten\n',
    'etc/nova/nova.conf.d/20.conf': '[DEFAULT]\ncompute_driver = twenty\n',
    'etc/nova/nova.conf.d/30.txt': '[DEFAULT]\ncompute_driver = thirty\n',
    'etc/nova/nova.conf.d/.40.conf': '[DEFAULT]\ncompute_driver = forty\n',
}


class NovaConfTest(testtools.TestCase):
    def load(self, texts):
        return nova_conf.load(self.useFixture(subjects.Folder(texts)).files)

    def test_the_last_file_has_the_last_word(self):
        conf = self.load(_FILES)
        self.assertEqual('twenty', conf.values.compute_driver)
        self.assertEqual(['1', '2'], conf.values.pci.device_spec)
        self.assertEqual('/dist', conf.values.rootwrap_config)
        self.assertEqual(['x', 'y'], conf.values.devices.enabled_mdev_types)
        self.assertTrue(conf.values.workarounds.disable_rootwrap)
        self.assertEqual('', conf.values.gpuvirt_privileged.helper_command)
        self.assertEqual(5, len(conf.read))

    def test_the_files_are_those_that_oslo_config_finds(self):
        folder = self.useFixture(subjects.Folder(_FILES))
        etc = folder.root / 'etc/nova'
        oslo = cfg.ConfigOpts()
        oslo.register_opt(cfg.StrOpt('compute_driver'))
        oslo(
            [],
            default_config_files=[
                str(folder.root / 'usr/share/nova/nova-dist.conf'),
                str(etc / 'nova.conf'),
                str(etc / 'nova-compute.conf'),
            ],
            default_config_dirs=[str(etc / 'nova.conf.d')],
        )
        ours = nova_conf.load(folder.files)
        self.assertEqual(oslo.compute_driver, ours.values.compute_driver)

    def test_options_are_those_of_nova(self):
        for group, options in nova_conf._OPTS.items():
            for ours in options:
                try:
                    theirs = nova.conf.CONF._get_opt_info(
                        ours.name, None if group == 'DEFAULT' else group
                    )
                except cfg.NoSuchOptError:
                    # oslo.privsep's, for each context.
                    self.assertEqual('helper_command', ours.name)
                    continue
                theirs = theirs['opt']
                self.assertIs(type(theirs), type(ours), ours.name)
                self.assertEqual(
                    [(o.group, o.name) for o in theirs.deprecated_opts],
                    [(o.group, o.name) for o in ours.deprecated_opts],
                )

    def test_groups_have_no_capitals(self):
        conf = self.load({_NOVA: '[PCI]\ndevice_spec = 1\n[pci]\nx = 2\n'})
        self.assertEqual(['1'], conf.values.pci.device_spec)
        self.assertEqual({'pci': {'device_spec', 'x'}}, conf.names)

    def test_named_files_are_read_in_place_of_those(self):
        files = self.useFixture(subjects.Folder(_FILES)).files
        conf = nova_conf.load(files, [f'/{_NOVA}'])
        self.assertEqual('nova', conf.values.compute_driver)
        self.assertEqual((_NOVA,), conf.read)
        error = self.assertRaises(
            exception.InvalidOption,
            nova_conf.load,
            files,
            [f'/{_NOVA}', '/etc/other.conf'],
        )
        self.assertIn('no /etc/other.conf', str(error))

    def test_a_wrong_line_is_named_and_not_shown(self):
        for text, number in (('[a]\nb = 1\ns3cret\n', 3), ('s3cret = 1\n', 1)):
            conf = self.load({**_FILES, _NOVA: text})
            (found,) = nova_conf.findings(conf)
            self.assertIs(finding.Level.FAIL, found.level)
            self.assertIn(f'/{_NOVA} is no file of options', found.found)
            self.assertIn(f'line {number}', found.found)
            self.assertNotIn('s3cret', found.found)
            # It hides no other file.
            self.assertEqual('twenty', conf.values.compute_driver)

    def test_a_file_in_another_encoding_is_wrong(self):
        folder = self.useFixture(subjects.Folder({_NOVA: ''}))
        place = folder.root / _NOVA
        place.write_bytes('[a]\nb = Gebühr\n'.encode('latin-1'))
        (found,) = nova_conf.findings(nova_conf.load(folder.files))
        self.assertIs(finding.Level.FAIL, found.level)
        self.assertIn('line 2: it is no UTF-8', found.found)

    def test_no_file_stays_open(self):
        before = os.listdir('/proc/self/fd')
        self.load({**_FILES, _NOVA: 'wrong\n'})
        self.assertEqual(before, os.listdir('/proc/self/fd'))

    def test_a_file_that_can_not_be_read_is_told(self):
        folder = self.useFixture(subjects.Folder(_FILES))
        place = folder.root / _NOVA
        place.unlink()
        place.symlink_to('nova.conf')  # ELOOP, also for root
        conf = nova_conf.load(folder.files)
        (found,) = nova_conf.findings(conf)
        self.assertIs(finding.Level.WARN, found.level)
        self.assertIn('/etc/nova/nova.conf can not be read', found.found)
        self.assertIn('as root', found.remedy)
        self.assertEqual('twenty', conf.values.compute_driver)
