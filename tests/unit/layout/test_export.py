"""A host is described as far as it could be read, and the rest is named."""

import errno
import functools

import testtools

from nova_gpuvirt.cards import discovery
from nova_gpuvirt.layout import document
from nova_gpuvirt.layout import export
from nova_gpuvirt.layout import survey
from nova_gpuvirt.simulation import hosts
from tests.unit.checks import subjects


class ExportTest(testtools.TestCase):
    def start(self, kind):
        start = functools.partial(hosts.simulated, kind)
        checked = self.useFixture(subjects.Checked(start))
        self.host, self.machine = checked.host, checked.machine

    def export(self):
        gpus = discovery.discover(self.machine.sysfs, self.machine.names).gpus
        cards = survey.survey(self.machine, gpus, document.NONE)
        text = export.export(cards)
        document.parse(text, 'layout.yaml')
        return text, export.is_complete(cards)

    def test_export_of_a_card_that_does_not_tell(self):
        self.start('h100-mig')
        self.host.fail('nvidia-smi', errno.EIO, times=99)
        text, is_complete = self.export()
        self.assertIn(
            '0000:41:00.0 NVIDIA H100 PCIe: not known are mig, '
            'mixed_sizes: nvidia-smi',
            ' '.join(text.replace('\n#', '').split()),
        )
        self.assertIn('vfs: all', text)
        self.assertFalse(is_complete)

    def test_card_that_can_not_be_read(self):
        self.start('off-bus')
        text, is_complete = self.export()
        self.assertIn('0000:5e:00.0', text)
        self.assertFalse(is_complete)

    def test_card_that_tells_all(self):
        self.start('h100-mig')
        text, is_complete = self.export()
        self.assertNotIn('not known', text)
        self.assertTrue(is_complete)
