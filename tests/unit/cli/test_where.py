"""The host that a command looks at, and whom it asks there."""

import argparse
import contextlib
import sys
import types
import unittest
from unittest import mock

from nova_gpuvirt.cli import prove
from nova_gpuvirt.cli import where
from nova_gpuvirt.host import hypervisor


class Connection:
    """One that may only read is refused as by libvirt 11.3 on a host."""

    def __init__(self, may_write):
        self.may_write = may_write

    def getVersion(self):
        return 10_000_000

    def getDomainCapabilities(self, *args):
        if not self.may_write:
            raise RuntimeError(
                'operation forbidden: read only access prevents '
                'virConnectGetDomainCapabilities'
            )
        return '<domainCapabilities/>'


class ConnectTest(unittest.TestCase):
    def test_what_is_raised_is_not_printed_too(self):
        for ask in (where.connect, prove._here):
            module = types.SimpleNamespace(
                open=mock.Mock(side_effect=RuntimeError('no socket')),
                registerErrorHandler=mock.Mock(),
            )
            with mock.patch.dict(sys.modules, libvirt=module):
                self.assertRaisesRegex(Exception, 'no socket', ask)
            module.registerErrorHandler.assert_called_once()
            module.open.assert_called_once_with('qemu:///system')


class CardTest(unittest.TestCase):
    def test_address_is_taken_as_commands_print_it(self):
        for text in ('0000:3b:00.0', '3b:00.0', '3B:00.0', '00000000:3B:00.0'):
            self.assertEqual('0000:3b:00.0', where.card(text), text)
        self.assertEqual('0001:c8:00.0', where.card('0001:C8:00.0'))
        self.assertEqual('renderD128', where.card('renderD128'))

    def test_anything_else_is_refused(self):
        for text in ('', '3b:00', '0000:3b:00', 'g:00.0', 'card0', 'renderD'):
            with self.assertRaisesRegex(
                argparse.ArgumentTypeError, f'{text!r} is no card such as'
            ):
                where.card(text)


class HereTest(unittest.TestCase):
    def libvirt(self, **functions):
        """Find this host's libvirt, where Python's module has these."""
        module = types.SimpleNamespace(
            openReadOnly=lambda uri: Connection(may_write=False),
            registerErrorHandler=mock.Mock(),
            **functions,
        )
        args = argparse.Namespace(root='/', simulate=None, accelerator=[])
        with (
            mock.patch.dict(sys.modules, libvirt=module),
            contextlib.ExitStack() as stack,
        ):
            found = where.find(args, stack).hypervisor
        module.registerErrorHandler.assert_called_once()
        return found

    def test_libvirt_is_asked_what_qemu_can(self):
        found = self.libvirt(open=lambda uri: Connection(may_write=True))
        self.assertEqual(hypervisor.Renderer(False, True), found.renderer())

    def test_who_may_not_ask_it_assumes(self):
        def refuse(uri):
            raise RuntimeError('authentication unavailable')

        self.assertIsInstance(self.libvirt(open=refuse), hypervisor.Absent)
