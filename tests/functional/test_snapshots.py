"""A snapshot leaves a server its GPU, or is refused with the reason.

Cold ones are asked for: as LVM, encrypted disks and RBD with a Glance
elsewhere need them.
"""

import contextlib
import pkgutil

import fixtures
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.functional.api import client

from nova_gpuvirt.simulation.libvirt import errors
from tests.functional import base

_DOMAIN = 'nova_gpuvirt.simulation.libvirt.domain.Domain'
# The fake of Glance takes every image for an old backup.
_BACKUP = {'name': 'snap', 'backup_type': 'daily', 'rotation': 99}
_SHOWN = {'hw:gpuvirt_display': 'true'}


def _of(model, spec):
    return spec | {f'trait:CUSTOM_GPU_MODEL_{model}': 'required'}


class SnapshotCase(base.GpuTestCase):
    def setUp(self):
        super().setUp()
        self.flags(disable_libvirt_livesnapshot=True, group='workarounds')

    def snapshot(self, server):
        """Take one; return the server, and the image unless it is deleted."""
        self._snapshot_server(server, 'snap')
        return self.taken(server)

    def taken(self, server):
        server = self._wait_for_server_parameter(
            server, {'OS-EXT-STS:task_state': None}
        )
        images = [i for i in self.glance.detail(None) if i['name'] == 'snap']
        for image in images:
            self.glance.delete(None, image['id'])
        return server, images

    def said(self, server, action):
        """What the events of a server's last action tell its user."""
        last = next(
            found
            for found in self.api.get_instance_actions(server['id'])
            if found['action'] == action
        )
        details = self.api.get_instance_action_details(
            server['id'], last['request_id']
        )
        return ' '.join(e['details'] or '' for e in details['events'])

    def assert_refused(self, server, reason):
        """No snapshot is taken, the reason is said, the guest is as it was."""
        before = self.hostdevs('host1', server)
        with self.calls() as calls:
            server, images = self.snapshot(server)
        self.assertEqual([], calls)
        self.assertEqual([], images)
        self.assertEqual(len(before), len(self.hostdevs('host1', server)))
        self.assertIn(reason, self.said(server, 'createImage'))
        self.assert_agreed()
        return server

    @contextlib.contextmanager
    def calls(self):
        """Record what changes guests."""
        made = []
        with contextlib.ExitStack() as stack:
            for name in ('managedSave', 'detachDeviceFlags'):
                place = f'{_DOMAIN}.{name}'
                spy = _recorded(pkgutil.resolve_name(place), made)
                stack.enter_context(fixtures.MonkeyPatch(place, spy))
            yield made

    @contextlib.contextmanager
    def failing(self, name, error):
        """Let a function of a guest, or of Nova, fail."""

        def fail(*args, **kwargs):
            raise error

        with fixtures.MonkeyPatch(name, fail):
            yield


def _recorded(function, made):
    def call(*args, **kwargs):
        made.append(function.__name__)
        return function(*args, **kwargs)

    return call


def _libvirt_error(said):
    return errors.error(fakelibvirt.VIR_ERR_OPERATION_FAILED, said)


class ColdSnapshotTest(SnapshotCase):
    def test_vgpu_is_back_after_it(self):
        self.start_gpu_host('host1', 't4')
        server = self.boot(base.VGPU)
        with self.calls() as calls:
            server, images = self.snapshot(server)
        self.assertEqual(['detachDeviceFlags', 'managedSave'], calls)
        self.assertEqual('ACTIVE', server['status'])
        self.assertEqual(1, len(images))
        self.assertEqual(1, len(self.hostdevs('host1', server)))
        self.assert_agreed()

        self.api.post_server_action(server['id'], {'createBackup': _BACKUP})
        server, images = self.taken(server)
        self.assertEqual(1, len(images))
        self.assert_agreed()

        # Nothing of it is left behind that a later boot would trip over.
        self._reboot_server(server, hard=True)
        self.assert_agreed()
        self._delete_server(server)
        self.assert_agreed()

    def test_every_other_gpu_refuses_it_with_the_reason(self):
        self.start_gpu_host('host1', 'mixed')
        for spec in (_of('L40S', base.VGPU), _of('INSTINCT_MI210', base.PGPU)):
            server = self.boot(spec)
            server = self.assert_refused(server, 'state can not be saved')
            self.assertEqual('ACTIVE', server['status'])
            # The reason is for its user: no addresses of the host in it.
            self.assertNotIn('0000:', self.said(server, 'createImage'))

            self._stop_server(server)
            server, images = self.snapshot(server)
            self.assertEqual(1, len(images))
            self.assertEqual('SHUTOFF', server['status'])
            self._start_server(server)
            self.assert_agreed()

    def test_shown_or_paused_vgpu_refuses_it(self):
        self.start_gpu_host('host1', 't4')
        self.flags(enabled=True, group='vnc')
        shown = self.boot(base.VGPU | _SHOWN)
        self.assert_refused(shown, 'screen')

        paused = self.boot(base.VGPU)
        self.api.post_server_action(paused['id'], {'pause': {}})
        self._wait_for_state_change(paused, 'PAUSED')
        paused = self.assert_refused(paused, 'paused')
        self.assertEqual('PAUSED', paused['status'])

    def test_fallback_from_a_direct_snapshot(self):
        """Nova begins live, finds that RBD can't, and goes on cold."""
        self.flags(disable_libvirt_livesnapshot=False, group='workarounds')
        self.start_gpu_host('host1', 'mixed')
        on_rbd = fixtures.MonkeyPatch(
            'nova.virt.libvirt.utils.get_disk_type_from_path',
            lambda path: 'rbd',
        )
        self.useFixture(on_rbd)
        server = self.boot(_of('TESLA_T4', base.VGPU))
        server, images = self.snapshot(server)
        self.assertEqual(1, len(images))
        self.assert_agreed()
        server = self.boot(_of('INSTINCT_MI210', base.PGPU))
        self.assert_refused(server, 'state can not be saved')


class FailedSnapshotTest(SnapshotCase):
    def setUp(self):
        super().setUp()
        self.start_gpu_host('host1', 't4')
        self.server = self.boot(base.VGPU)

    def test_vgpu_is_back_when_the_save_fails(self):
        with self.failing(
            f'{_DOMAIN}.managedSave', _libvirt_error('no space')
        ):
            server, images = self.snapshot(self.server)
        self.assertEqual('ACTIVE', server['status'])
        self.assertEqual([], images)
        self.assertIn('log of nova-compute', self.said(server, 'createImage'))
        self.assert_agreed()

        with self.failing(
            f'{_DOMAIN}.managedSave', _libvirt_error('no space')
        ):
            self.assertRaises(
                client.OpenStackApiException,
                self.api.post_server_action,
                *(server['id'], {'suspend': {}}),
            )
        server = self._wait_for_state_change(server, 'ACTIVE')
        self.assertIn('log of nova-compute', self.said(server, 'suspend'))
        self.assert_agreed()

    def test_guest_runs_again_when_the_copy_fails(self):
        """Nova resumes only after the failures that it expects."""
        disk = self.useFixture(
            fixtures.MockPatch(
                'nova.virt.libvirt.imagebackend.Backend.by_libvirt_path'
            )
        ).mock.return_value
        disk.direct_snapshot.side_effect = OSError('the pool is full')
        server, images = self.snapshot(self.server)
        self.assertEqual('ACTIVE', server['status'])
        self.assertEqual([], images)
        self.assertEqual(1, len(self.hostdevs('host1', server)))
        self.assert_agreed()

    def test_server_is_in_error_when_its_vgpu_does_not_come_back(self):
        with self.failing(
            f'{_DOMAIN}.attachDeviceFlags', _libvirt_error('no slot')
        ):
            server, images = self.snapshot(self.server)
        self.assertEqual('ERROR', server['status'])
        self.assertEqual([], images)
        self.assertIn('hard-reboot', server['fault']['message'])
        self.assertIn('no slot', self.log())
        self._reboot_server(server, hard=True)
        self.assert_agreed()


class WordsTest(SnapshotCase):
    """What the owner of a server reads names no place of the host."""

    def test_suspend_that_libvirt_refuses(self):
        self.start_gpu_host('host1', 't4')
        server = self.boot(base.VGPU)
        error = _libvirt_error(
            'internal error: 0000:3b:00.4: VFIO migration is not supported '
            'in kernel'
        )
        with self.failing(f'{_DOMAIN}.managedSave', error):
            self.assertRaises(
                client.OpenStackApiException,
                self.api.post_server_action,
                *(server['id'], {'suspend': {}}),
            )
        said = self.said(server, 'suspend')
        self.assertNotEqual('', said)
        self.assertNotIn('0000:', said)

    def test_live_migration(self):
        self.start_gpu_host('host1', 't4')
        server = self.boot(base.PGPU)
        self.start_gpu_host('host2', 't4')
        self.assertRaises(
            client.OpenStackApiException,
            self.api.post_server_action,
            server['id'],
            {'os-migrateLive': {'host': None, 'block_migration': 'auto'}},
        )
        said = self.said(server, 'live-migration')
        self.assertIn('migrate it cold', said)
        self.assertNotIn('0000:', said)
