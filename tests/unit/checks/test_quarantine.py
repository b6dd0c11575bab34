"""A record that makes no sense is told, and what is none is passed over."""

import functools

import testtools

from nova_gpuvirt.checks import finding
from nova_gpuvirt.simulation import hosts
from tests.unit.checks import subjects


class QuarantineTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        start = functools.partial(hosts.simulated, 't4')
        self.checked = self.useFixture(subjects.Checked(start))

    def told(self, folder, **texts):
        cards = self.checked.root / folder / 'cards'
        cards.mkdir(parents=True)
        for name, text in texts.items():
            (cards / name).write_text(text)
        return self.checked.told()['quarantine']

    def test_record_that_makes_no_sense(self):
        (found,) = self.told(
            'var/lib/nova-gpuvirt', **{'0000:3b:00.0.json': '{', '.new': '{'}
        )
        self.assertIs(finding.Level.FAIL, found.level)
        self.assertEqual(('0000:3b:00.0',), found.devices)
        self.assertIn(
            '/var/lib/nova-gpuvirt/cards/0000:3b:00.0.json', found.found
        )
        self.assertIn('delete it', found.remedy)

    def test_folder_that_nova_conf_names(self):
        conf = self.checked.root / 'etc/nova/nova.conf'
        text = conf.read_text()
        conf.write_text(f'{text}\n[gpuvirt]\nstate_path = /srv/gpus/\n')
        (found,) = self.told('srv/gpus', **{'0000:3b:00.0.json': ''})
        self.assertIs(finding.Level.FAIL, found.level)
        self.assertIn('/srv/gpus/cards/0000:3b:00.0.json', found.found)
