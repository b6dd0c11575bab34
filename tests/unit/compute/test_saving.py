"""A guest that could not be saved runs on, with its vGPU."""

import importlib
import types
import unittest
import uuid
from unittest import mock

from nova import exception as nova_exception
from nova import objects
from nova.compute import power_state
from nova.compute import vm_states
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import driver as libvirt_driver

from nova_gpuvirt import model

objects.register_all()
saving = importlib.import_module('nova_gpuvirt.compute.saving')

_MDEV = str(uuid.UUID(int=1))
_VGPU = model.Claim('VGPU', 'mdev:0000:3b:00.0/3@nvidia-t4-2q')


class Guest:
    """Nova's, of one mdev."""

    def __init__(self):
        self.id = 7
        self.state = power_state.RUNNING
        self.has_mdev = True
        self.is_readable = True
        self.launched = 0
        self.is_saved = 0
        self._domain = types.SimpleNamespace(
            hasManagedSaveImage=lambda flags: self.is_saved
        )

    def get_power_state(self, host):
        return self.state

    def get_xml_desc(self):
        if not self.is_readable:
            raise RuntimeError('client is gone')
        guest = vconfig.LibvirtConfigGuest()
        guest.virt_type, guest.os_type = 'kvm', 'hvm'
        if self.has_mdev:
            hostdev = vconfig.LibvirtConfigGuestHostdevMDEV()
            hostdev.uuid = _MDEV
            guest.add_device(hostdev)
        return guest.to_xml()

    def get_all_devices(self, devtype):
        """List them as Nova does: none where libvirt does not answer."""
        try:
            guest = vconfig.LibvirtConfigGuest()
            guest.parse_str(self.get_xml_desc())
        except RuntimeError:
            return []
        return [d for d in guest.devices if isinstance(d, devtype)]

    def attach_device(self, device, live):
        self.has_mdev = True


class SavingTest(unittest.TestCase):
    def setUp(self):
        self.guest = Guest()
        self.instance = mock.Mock(
            uuid=str(uuid.uuid4()),
            vm_state=vm_states.ACTIVE,
            system_metadata={},
        )
        self.instance.flavor.extra_specs = {}
        self.driver = saving.Saving.__new__(saving.Saving)
        self.driver._host = mock.Mock()
        self.driver._host.get_guest.return_value = self.guest
        self.driver._late_unplugs = mock.Mock()
        self.driver._ledger = mock.Mock(host='host1')
        self.driver._ledger.claims.return_value = (_VGPU,)
        self.said = self.patched('nova_gpuvirt.compute.suspension.tell_user')

    def patched(self, name, **kw):
        patch = mock.patch(name, **kw)
        self.addCleanup(patch.stop)
        return patch.start()

    def nova(self, method, function):
        """Let Nova's own method do this."""
        self.patched(
            f'{libvirt_driver.__name__}.LibvirtDriver.{method}',
            new=function,
        )

    def test_guest_that_qemu_paused_is_not_asked_for_its_vgpu(self):
        self.nova('suspend', lambda *args: self.fail('it was asked'))
        self.guest.state = power_state.PAUSED
        with self.assertRaises(nova_exception.InstanceFaultRollback) as caught:
            self.driver.suspend(None, self.instance)
        self.assertIn('it is paused', str(caught.exception))

    def test_guest_is_not_started_while_libvirt_does_not_tell_what_it_had(
        self,
    ):
        def start(*args):
            self.fail('it was started')

        self.nova('_resume_guest_after_snapshot', start)
        self.guest.is_readable = False
        with self.assertRaisesRegex(RuntimeError, 'client is gone'):
            self.driver._resume_guest_after_snapshot(
                None, False, power_state.RUNNING, self.instance, self.guest
            )

    def test_server_is_in_error_if_nobody_knows_what_its_guest_has(self):
        def start(*args):
            self.guest.is_readable = False

        self.nova('_resume_guest_after_snapshot', start)
        with self.assertRaises(nova_exception.InstanceResumeFailure):
            self.driver._resume_guest_after_snapshot(
                None, False, power_state.RUNNING, self.instance, self.guest
            )
        self.assertEqual(vm_states.ERROR, self.instance.vm_state)
        self.driver._late_unplugs.watch.assert_not_called()

    def test_guest_that_could_not_be_saved_is_watched(self):
        def refuse(*args):
            raise OSError('internal error: 0000:3b:00.4 is busy')

        self.nova('suspend', refuse)
        with self.assertRaises(nova_exception.InstanceFaultRollback) as caught:
            self.driver.suspend(None, self.instance)
        self.assertNotIn('0000:', str(caught.exception))
        ((_, guest, (device,)), _) = self.driver._late_unplugs.watch.call_args
        self.assertIs(self.guest, guest)
        self.assertEqual(_MDEV, device.uuid)

    def snapshot(self, error):
        def fail(*args, **kw):
            self.guest.is_saved = 1
            raise error

        def start(*args):
            self.guest.launched += 1

        self.nova('snapshot', fail)
        self.nova('_resume_guest_after_snapshot', start)
        with self.assertRaises(type(error)):
            self.driver.snapshot(None, self.instance, 'image')
        return self.guest.launched

    def test_guest_that_nova_left_saved_is_resumed(self):
        self.assertEqual(1, self.snapshot(OSError('the pool is full')))
        self.said.assert_called_once()

    def test_guest_of_a_suspended_server_stays_so(self):
        self.instance.vm_state = vm_states.SUSPENDED
        self.assertEqual(0, self.snapshot(OSError('the pool is full')))

    def test_guest_of_a_server_that_is_deleted_is_not_started(self):
        for error in (
            nova_exception.InstanceNotFound(instance_id='x'),
            nova_exception.UnexpectedDeletingTaskStateError(
                instance_uuid='x', expected={}, actual={}
            ),
        ):
            self.assertEqual(0, self.snapshot(error))
