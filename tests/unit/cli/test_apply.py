"""A host that just started is tried again; what can never be is not."""

import errno
import pathlib

import fixtures
import testtools

from nova_gpuvirt.cli import apply
from nova_gpuvirt.simulation import hosts
from tests.unit.cli import test_capture


class RetryTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.starts = 0
        self.fault = None
        self.simulated = hosts.simulated
        for module, name, value in (
            (apply, '_PAUSE', 0),
            (hosts, 'simulated', self.start),
        ):
            self.useFixture(fixtures.MockPatchObject(module, name, value))

    def start(self, kind, root):
        """Start a host, which has a fault only the first time."""
        self.starts += 1
        host = self.simulated(kind, root)
        if self.fault is not None and self.starts == 1:
            host.fail(self.fault, errno.EIO, times=99)
        return host

    def apply(self, kind, entry):
        folder = self.useFixture(fixtures.TempDir()).path
        file = pathlib.Path(folder, 'layout.yaml')
        file.write_text(f'version: 1\ncards: [{entry}]\n')
        status, told, _ = test_capture.run_command(
            *('apply', '--simulate', kind, '--layout', str(file)),
            *('--retry', '30'),
        )
        return status, told

    def test_what_can_never_be(self):
        status, told = self.apply('l40s', '{vfs: 5}')
        self.assertIn('can not be: vfs: wanted 5', told)
        self.assertEqual((1, 1), (status, self.starts))

    def test_command_that_does_not_answer_yet(self):
        self.fault = 'nvidia-smi'
        status, _ = self.apply('h100-mig', '{mig: [7g.80gb]}')
        self.assertEqual((0, 2), (status, self.starts))

    def test_step_that_fails(self):
        self.fault = '*sriov_numvfs'
        status, _ = self.apply('b60', '{vfs: 2}')
        self.assertEqual((0, 2), (status, self.starts))
