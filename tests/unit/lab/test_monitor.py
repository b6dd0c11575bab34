"""The VM's QEMU does what it is told, and says what came of it."""

import contextlib
import json
import pathlib
import socket
import tempfile
import threading
import unittest
from unittest import mock

from lab import exception
from lab.host import monitor
from lab.host import places
from lab.host import served

_GREETING = {'QMP': {}}
_GONE = {'event': 'DEVICE_DELETED', 'data': {'device': 't4'}}


class MonitorTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        patched = mock.patch.object(places, 'RUN', self.folder)
        patched.start()
        self.addCleanup(patched.stop)
        self.told = []

    def qemu(self, **answers):
        """Let a QEMU answer: a command's answer, and what it says next."""
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(str(self.folder / 'monitor.sock'))
        listening.listen()

        def answer():
            connection, _ = listening.accept()
            with contextlib.closing(connection):
                said = connection.makefile('rw')
                self._say(said, _GREETING)
                for line in said:
                    told = json.loads(line)
                    self.told.append(told)
                    self._say(
                        said, *answers.get(told['execute'], [{'return': {}}])
                    )

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 5)

    @staticmethod
    def _say(said, *lines):
        for line in lines:
            said.write(json.dumps(line) + '\n')
        said.flush()

    def executed(self):
        return [(one['execute'], one['arguments']) for one in self.told[1:]]

    def test_command_that_qemu_refuses_is_an_error_with_its_words(self):
        self.qemu(device_del=[{'error': {'desc': 'it is busy'}}])
        with (
            monitor.opened() as opened,
            self.assertRaisesRegex(exception.CommandFailed, 'it is busy'),
        ):
            opened.execute('device_del', id='t4')

    def test_vm_that_does_not_run_is_not_ready(self):
        with (
            self.assertRaisesRegex(exception.NotReady, 'make lab'),
            monitor.opened(),
        ):
            self.fail('there is none')

    def test_card_is_out_when_the_kernel_has_let_it_go(self):
        (self.folder / 't4.off').touch()
        self.qemu(
            **{'qom-list': [{'return': [{'name': 't4'}]}]},
            device_del=[_GONE, {'return': {}}],
        )
        served.put('t4', served.State.OUT)
        self.assertEqual(('device_del', {'id': 't4'}), self.executed()[-1])
        self.assertFalse((self.folder / 't4.off').exists())

    def test_card_that_was_out_is_plugged_in(self):
        self.qemu(**{'qom-list': [{'return': []}]})
        served.put('t4', served.State.ON)
        command, device = self.executed()[-1]
        self.assertEqual('device_add', command)
        self.assertEqual('t4', device['id'])

    def test_card_that_is_in_is_left_there(self):
        (self.folder / 't4.off').touch()
        self.qemu(**{'qom-list': [{'return': [{'name': 't4'}]}]})
        served.put('t4', served.State.STUCK)
        self.assertEqual(['qom-list'], [name for name, _ in self.executed()])
        self.assertEqual(
            {'t4.stuck', 'monitor.sock'},
            {path.name for path in self.folder.iterdir()},
        )
