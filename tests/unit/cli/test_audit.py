"""`nova-gpuvirt audit` says what it lacks where it can compare nothing."""

import io
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

from nova_gpuvirt import exception
from nova_gpuvirt.checks import nova_conf
from nova_gpuvirt.cli import audit
from nova_gpuvirt.cli import remembered


class LackingTest(unittest.TestCase):
    def refusal_of(self, call, *args):
        with self.assertRaises(exception.InvalidOption) as caught:
            call(*args)
        return str(caught.exception)

    def test_who_is_not_root(self):
        with mock.patch('os.geteuid', return_value=1000):
            self.assertIn('run it as root', self.refusal_of(audit._outside))

    def test_host_without_nova(self):
        modules = {'nova_gpuvirt.compute.outside': None}
        with (
            mock.patch('os.geteuid', return_value=0),
            mock.patch.dict(sys.modules, modules),
        ):
            self.assertIn('wanted Nova', self.refusal_of(audit._outside))

    def test_host_without_a_nova_conf(self):
        nothing = nova_conf.NovaConf()
        with mock.patch.object(remembered, 'options_of', return_value=nothing):
            self.assertIn('--fleet', self.refusal_of(audit._files, []))

    def test_files_that_are_named(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, 'nova.conf')
            file.write_text('[DEFAULT]\n')
            self.assertEqual([str(file)], audit._files([str(file)]))

    def test_what_nobody_expected_is_no_disagreement(self):
        app = mock.Mock(stderr=io.StringIO())
        command = audit.Audit(app, None, 'audit')
        with mock.patch.object(
            command, 'take_action', side_effect=RuntimeError('no answer')
        ):
            arguments = command.get_parser('audit').parse_args([])
            self.assertEqual(audit.NOT_COMPARED, command.run(arguments))
        self.assertEqual('no answer\n', app.stderr.getvalue())

    def test_libvirt_that_does_not_answer(self):
        with mock.patch.object(
            audit.where, 'connect', side_effect=OSError('no socket')
        ):
            said = self.refusal_of(audit._connect)
        self.assertIn('found no socket', said)
