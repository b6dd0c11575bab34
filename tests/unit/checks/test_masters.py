"""A card that Nova's own options give away too is told as Nova does it."""

import functools

import testtools

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import masters
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import userland
from tests.unit.checks import subjects

FAIL = finding.Level.FAIL
PASS = finding.Level.PASS


class MastersTest(testtools.TestCase):
    def ask(self, name, more, texts=None):
        """Ask a host whose nova.conf has more.

        :param texts: other files of it, by path
        """
        start = functools.partial(hosts.simulated, name)
        checked = self.useFixture(subjects.Checked(start))
        files = {userland.NOVA_CONF: userland.NOVA + more, **(texts or {})}
        for path, text in files.items():
            (checked.root / path).parent.mkdir(parents=True, exist_ok=True)
            (checked.root / path).write_text(text)
        return (
            finding.together(masters.are_single(checked.subject)),
            finding.together(masters.have_classes_apart(checked.subject)),
        )

    def test_none(self):
        for found in self.ask('t4', ''):
            self.assertEqual([PASS], [f.level for f in found])

    def test_device_spec_of_vfs_and_their_pf(self):
        for spec in (
            '{"address": "0000:41:00.0", "product_id": "26b9"}',
            '{"address": "*:41:*.*"}',
            '[{"vendor_id": "8086"}, {"address": "*:41:00.4"}]',
        ):
            single, _ = self.ask('l40s', f'[pci]\ndevice_spec = {spec}\n')
            (found,) = single
            self.assertIs(FAIL, found.level)
            self.assertEqual(('0000:41:00.0',), found.devices, spec)
            self.assertIn('[pci]device_spec gives 0000:41:', found.found)

    def test_device_spec_by_its_other_names(self):
        spec = '{"vendor_id": "10de"}'
        for more in (
            f'[PCI]\ndevice_spec = {spec}\n',
            f'[pci]\npassthrough_whitelist = {spec}\n',
            f'[DEFAULT]\npci_passthrough_whitelist = {spec}\n',
        ):
            single, _ = self.ask('l40s', more)
            self.assertEqual({FAIL}, {f.level for f in single}, more)

    def test_device_spec_of_others(self):
        single, _ = self.ask(
            'l40s', '[pci]\ndevice_spec = {"vendor_id": "8086"}\n'
        )
        self.assertEqual([PASS], [f.level for f in single])

    def test_device_spec_that_can_not_be_read(self):
        single, _ = self.ask('l40s', '[pci]\ndevice_spec = {address}\n')
        (found,) = single
        self.assertIs(FAIL, found.level)
        self.assertIn('does not start', found.remedy)

    def test_excluded_cards_have_nova_for_their_master(self):
        single, _ = self.ask(
            't4',
            '[pci]\ndevice_spec = {"address": "*:5e:00.*"}\n'
            '[gpuvirt]\nexclude = 0000:5e:00.0\n',
        )
        self.assertEqual([PASS], [f.level for f in single])

    def test_cards_that_the_layout_leaves_alone_have_nova_for_their_master(
        self,
    ):
        for place, named in (
            ('etc/nova-gpuvirt/layout.yaml', ''),
            (
                'etc/nova/cards.yaml',
                '[gpuvirt]\nlayout = /nowhere\n'
                'layout = /etc/nova/cards.yaml\n',
            ),
        ):
            single, apart = self.ask(
                't4',
                '[pci]\ndevice_spec = {"address": "*:5e:00.*"}\n' + named,
                {
                    place: 'version: 1\ncards:\n'
                    '- select: {address: "0000:5e:00.0"}\n'
                    '  left_alone: true\n'
                },
            )
            for found in (single, apart):
                self.assertEqual([PASS], [f.level for f in found], place)

    def test_mdev_types(self):
        own = 'mdev_class = CUSTOM_X\n'
        for more, cards, classes in (
            # The class is VGPU by default.
            ('', 4, FAIL),
            (f'[mdev_nvidia-231]\n{own}', 4, PASS),
            (
                f'[mdev_nvidia-231]\n{own}device_addresses = 0000:3b:00.0\n',
                *(1, PASS),
            ),
            (
                f'[mdev_nvidia-231]\n{own}device_addresses = 0000:99:00.0\n',
                *(0, PASS),
            ),
        ):
            single, apart = self.ask(
                't4', f'[devices]\nenabled_mdev_types = nvidia-231\n{more}'
            )
            found = sum(len(f.devices) for f in single)
            self.assertEqual(cards, found, more)
            self.assertEqual([classes], [f.level for f in apart], more)

    def test_of_types_without_addresses_nova_takes_the_first(self):
        single, _ = self.ask(
            't4',
            '[devices]\nenabled_mdev_types = other-1, nvidia-231\n'
            '[mdev_other-1]\nmdev_class = CUSTOM_X\n',
        )
        self.assertEqual([PASS], [f.level for f in single])
