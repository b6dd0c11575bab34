"""The comparison outside of nova-compute says when nobody answers it.

It reads options and opens a transport for its whole process, so it has one of
its own here.
"""

import pathlib
import subprocess
import sys
import tempfile
import textwrap
import unittest
from unittest import mock

from oslo_config import cfg

from nova_gpuvirt import exception
from nova_gpuvirt.compute import outside

_ROOT = pathlib.Path(__file__).parents[3]
_PROGRAM = textwrap.dedent(
    """
    import sys
    from nova_gpuvirt import exception
    from nova_gpuvirt.compute import outside
    outside._ANSWER = 1
    try:
        outside.configure(sys.argv[1:])
    except exception.InvalidOption as error:
        print(error)
    """
)


class ConfigureTest(unittest.TestCase):
    def test_conductor_that_does_not_answer(self):
        with tempfile.NamedTemporaryFile('w', suffix='.conf') as conf:
            conf.write('[DEFAULT]\ntransport_url = fake:/\n')
            conf.flush()
            done = subprocess.run(
                [sys.executable, '-c', _PROGRAM, conf.name],
                cwd=_ROOT,
                capture_output=True,
                text=True,
            )
        self.assertRegex(
            done.stdout,
            'nova-conductor: wanted what servers have claimed, .*'
            'No reply on topic conductor; see that it runs',
        )

    def test_options_that_nova_compute_would_not_start_with(self):
        error = cfg.ConfigFileParseError('nova.conf', 'no section')
        with (
            mock.patch('nova.config.parse_args', side_effect=error),
            self.assertRaises(exception.InvalidOption) as caught,
        ):
            outside.configure(['nova.conf'])
        self.assertIn('no section', str(caught.exception))


class VirtapiTest(unittest.TestCase):
    def test_client_is_made_when_it_is_asked_for(self):
        made = []
        virtapi = outside._Virtapi(lambda: made.append(1) or 'client')
        self.assertEqual([], made)
        self.assertEqual('client', virtapi.reportclient)
