"""What needs root goes through a daemon of its own, which checks addresses."""

import configparser
import errno
import os
import pathlib
import sys
import unittest
from unittest import mock

import fixtures
import testtools
from oslo_config import cfg
from oslo_config import fixture as config_fixture
from oslo_privsep import comm
from oslo_privsep import daemon
from oslo_rootwrap import wrapper

from nova_gpuvirt import privileged
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import function_resets
from nova_gpuvirt.host import kmsg
from nova_gpuvirt.host import root_changes
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root

_NOWHERE = '0000:ff:1f.7'
_CHANGES = (
    ('set_numvfs', (0,)),
    ('set_nvidia_vfs', (True,)),
    ('set_mig', (False,)),
    ('make_gpu_instances', (['1g.10gb'],)),
    ('remove_gpu_instances', ()),
    ('set_mixed_sizes', (None, True)),
    ('set_vf_memory', (1, 1 << 30)),
    ('set_memory_mode', ('NPS4',)),
    ('set_partition', ('CPX',)),
)
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


class BoundTest(testtools.TestCase):
    def patch(self, **attributes):
        patcher = mock.patch.multiple(privileged.context, **attributes)
        patcher.start()
        self.addCleanup(patcher.stop)

    def test_daemon_that_does_not_answer_is_an_error_of_the_kernels(self):
        ask = mock.Mock(side_effect=comm.PrivsepTimeout)
        self.patch(
            client_mode=True,
            channel=mock.Mock(running=True, remote_call=ask),
        )
        for name, arguments, kind in (
            ('read', (_NOWHERE, 'x'), TimeoutError),
            ('set_vgpu_type', (_NOWHERE, 0), TimeoutError),
            ('set_vgpu_place', (_NOWHERE, None, 0), TimeoutError),
            ('openers', (_NOWHERE,), TimeoutError),
            ('card_openers', ([_NOWHERE], 1), TimeoutError),
            ('hold_unbind_lock', (_NOWHERE, True), TimeoutError),
            ('kernel_log', (None,), TimeoutError),
            ('gpu_instances', (_NOWHERE,), commands.CommandHangs),
            ('gpu_instance_profiles', (_NOWHERE,), commands.CommandHangs),
        ):
            error = self.assertRaises(
                kind, getattr(privileged, name), *arguments
            )
            self.assertIn('does not answer', str(error))
            called, *_, seconds = ask.call_args.args
            self.assertIn(name, called)
            self.assertGreater(seconds, 2 * commands.SECONDS)

    def test_changes_have_the_time_of_their_commands(self):
        ask = mock.Mock(side_effect=comm.PrivsepTimeout)
        self.patch(
            client_mode=True,
            channel=mock.Mock(running=True, remote_call=ask),
        )
        for name, arguments in _CHANGES:
            self.assertRaises(
                TimeoutError, getattr(privileged, name), _NOWHERE, *arguments
            )
            called, *_, seconds = ask.call_args.args
            self.assertIn(name, called)
            # Two commands, each after another one of its kind.
            self.assertGreater(seconds, 4 * root_changes.SECONDS)

    def test_resets_have_their_time_and_the_daemon_a_little_less(self):
        ask = mock.Mock(side_effect=comm.PrivsepTimeout)
        self.patch(
            client_mode=True,
            channel=mock.Mock(running=True, remote_call=ask),
        )
        for name, argument, least in (
            ('config_space', _NOWHERE, function_resets.READ_SECONDS),
            ('reset_function', _NOWHERE, function_resets.SECONDS),
            ('reset_bus', [_NOWHERE], function_resets.SECONDS),
        ):
            self.assertRaises(
                TimeoutError, getattr(privileged, name), argument
            )
            called, *_, seconds = ask.call_args.args
            self.assertIn(name, called)
            self.assertTrue(least < seconds < least + 30)

    def test_each_change_is_that_of_its_name(self):
        self.patch(client_mode=False)
        changes = mock.create_autospec(root_changes.RootChanges, instance=True)
        self.useFixture(
            fixtures.MockPatchObject(privileged, '_changes', changes)
        )
        for name, arguments in _CHANGES:
            getattr(privileged, name)(_NOWHERE, *arguments)
            self.assertEqual(
                [getattr(mock.call, name)(_NOWHERE, *arguments)],
                changes.method_calls,
            )
            changes.reset_mock()

    def test_changes_are_made_on_a_host(self):
        self.patch(client_mode=False)
        place = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        host = hosts.simulated('h100-mig', place, bare=True)
        self.useFixture(
            fixtures.MockPatchObject(privileged, '_changes', root.Root(host))
        )
        card = '0000:41:00.0'
        privileged.set_mig(card, True)
        privileged.set_nvidia_vfs(card, True)
        privileged.make_gpu_instances(card, ('3g.40gb', '9'))
        said = host.run(
            ('nvidia-smi', 'mig', '-lgi', '-i', card), as_root=True
        )
        self.assertEqual(2, said.count('MIG 3g.40gb'))
        error = self.assertRaises(
            commands.CommandFailed,
            *(privileged.make_gpu_instances, card, ['19']),
        )
        self.assertIn('Insufficient Resources', str(error))

    def test_daemon_that_can_not_be_started_is_one_too(self):
        failure = daemon.FailedToDropPrivileges('sudo is refused')
        self.patch(
            client_mode=True,
            channel=None,
            start=mock.Mock(side_effect=failure),
        )
        for name, arguments, kind in (
            ('read', (_NOWHERE, 'x'), PermissionError),
            ('openers', (_NOWHERE,), PermissionError),
            ('gpu_instances', (_NOWHERE,), commands.CommandFailed),
        ):
            error = self.assertRaises(
                kind, getattr(privileged, name), *arguments
            )
            self.assertIn('sudo is refused', str(error))


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
        for device in (_NOWHERE, '5f0b1f3e-2c6c-4a1e-9b0e-0d6b8a6a0001'):
            self.assertRaises(
                FileNotFoundError, privileged.set_vgpu_place, device, None, 1
            )
        self.assertRaises(
            commands.CommandFailed, privileged.gpu_instances, _NOWHERE
        )
        self.assertRaises(
            FileNotFoundError, privileged.hold_unbind_lock, _NOWHERE, True
        )
        for name, argument in (
            ('config_space', _NOWHERE),
            ('reset_function', _NOWHERE),
            ('reset_bus', [_NOWHERE]),
        ):
            error = self.assertRaises(
                FileNotFoundError, getattr(privileged, name), argument
            )
            self.assertEqual(errno.ENOENT, error.errno)
        for name, arguments in _CHANGES:
            self.assertRaises(
                (FileNotFoundError, commands.CommandFailed),
                *(getattr(privileged, name), _NOWHERE, *arguments),
            )
        # It has no nodes that a process could have open.
        found = privileged.card_openers([_NOWHERE, _NOWHERE], os.getpid())
        self.assertEqual([[], []], [list(openers) for openers in found])

    def test_configuration_space_comes_back(self):
        found = sysfs.Sysfs('/').addresses()
        if not found:
            self.skipTest('this host has no PCI functions')
        address = str(found[0])
        self.assertIsInstance(privileged.config_space(address), bytes)

    def test_kernels_log_comes_back(self):
        if os.path.exists(kmsg.PLACE):
            end, lines = privileged.kernel_log(None)
            self.assertEqual([], list(lines))
            self.assertEqual([], list(privileged.kernel_log(end)[1]))
        else:  # in a container
            self.assertRaises(FileNotFoundError, privileged.kernel_log, None)
        self.assertRaises(ValueError, privileged.kernel_log, '0')

    def test_only_addresses_and_known_files_are_taken(self):
        for address in ('..', f'{_NOWHERE}/../x', ''):
            for ask in (privileged.openers, privileged.gpu_instances):
                self.assertRaises(ValueError, ask, address)
            self.assertRaises(
                ValueError, privileged.card_openers, [address], 1
            )
            self.assertRaises(
                ValueError, privileged.hold_unbind_lock, address, True
            )
            for ask in (privileged.config_space, privileged.reset_function):
                self.assertRaises(ValueError, ask, address)
            self.assertRaises(ValueError, privileged.reset_bus, [address])
        self.assertRaises(ValueError, privileged.read, _NOWHERE, 'reset_gpu')
        self.assertRaises(ValueError, privileged.set_vgpu_type, _NOWHERE, -1)
        for name, arguments in _CHANGES:
            for address in ('..', f'{_NOWHERE}/../x', 'ALL', ''):
                change = getattr(privileged, name)
                self.assertRaises(ValueError, change, address, *arguments)
        self.assertRaises(
            ValueError, privileged.make_gpu_instances, _NOWHERE, ['9 -C']
        )
        self.assertRaises(
            ValueError, privileged.set_memory_mode, _NOWHERE, 'NPS1\n'
        )
