"""What keeps a guest from being saved, and how its vGPUs come back."""

import unittest
import uuid
from unittest import mock

from nova import context as nova_context
from nova import objects
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import guest as libvirt_guest

from nova_gpuvirt import model
from nova_gpuvirt.backends import mdev
from nova_gpuvirt.compute import suspension

_ONE, _TWO = (str(uuid.UUID(int=n)) for n in (1, 2))
_VGPU = model.Claim('VGPU', f'{mdev.Mdev.kind}:0000:3b:00.0/3@nvidia-t4-2q')
_WHOLE = model.Claim('PGPU', 'passthrough:0000:3b:00.0')
_ODD = model.Claim('CUSTOM_GPU_SET_2', 'set:of-another-version')


def device(mdev_uuid):
    hostdev = vconfig.LibvirtConfigGuestHostdevMDEV()
    hostdev.uuid = mdev_uuid
    return hostdev


class _Bindings:
    """Those of libvirt, which need not be there."""

    VIR_DOMAIN_AFFECT_LIVE = 1


class Domain:
    """libvirt's, with mdevs; some of them can't be attached."""

    def __init__(self, *uuids, broken=()):
        self.uuids = [*uuids]
        self.flags = []
        self._broken = broken
        self.saved = 0

    def XMLDesc(self, flags):
        guest = vconfig.LibvirtConfigGuest()
        guest.virt_type = 'kvm'
        guest.os_type = 'hvm'
        for mdev_uuid in self.uuids:
            guest.add_device(device(mdev_uuid))
        return guest.to_xml()

    def attachDeviceFlags(self, xml, flags):
        added = next(u for u in (_ONE, _TWO) if u in xml)
        if added in self._broken:
            raise RuntimeError('no slot')
        self.uuids.append(added)
        self.flags.append(flags)

    def hasManagedSaveImage(self, flags):
        return self.saved


class ObstacleTest(unittest.TestCase):
    def test_claims_are_read(self):
        self.assertEqual(mdev.Mdev.kind, _VGPU.slot.kind)
        self.assertIsNone(_ODD.slot)

    def test_running_mdevs_that_are_not_shown_can_be_saved(self):
        self.assertIsNone(suspension.obstacle((), shown=True, paused=True))
        self.assertIsNone(suspension.obstacle((_VGPU, _VGPU), shown=False))

    def test_what_is_no_mdev_is_an_obstacle_wherever_it_stands(self):
        for claims in ((_WHOLE,), (_VGPU, _WHOLE)):
            self.assertEqual(
                'it has PGPU, whose state can not be saved',
                suspension.obstacle(claims, shown=False),
            )

    def test_claim_of_another_version_is_an_obstacle(self):
        self.assertEqual(
            'it has CUSTOM_GPU_SET_2, whose state can not be saved',
            suspension.obstacle((_ODD,), shown=False),
        )

    def test_shown_or_paused_mdev_is_an_obstacle(self):
        for shown, paused, reason in (
            (True, False, 'whose screen its console shows'),
            (False, True, 'it is paused, and VGPU can be detached only'),
        ):
            found = suspension.obstacle((_VGPU,), shown=shown, paused=paused)
            self.assertIn(reason, found)


class AttachAgainTest(unittest.TestCase):
    def setUp(self):
        bindings = mock.patch.object(libvirt_guest, 'libvirt', _Bindings)
        bindings.start()
        self.addCleanup(bindings.stop)

    def attach(self, domain, *uuids):
        return suspension.attach_again(
            libvirt_guest.Guest(domain), [device(u) for u in uuids]
        )

    def test_what_was_lost_is_attached_live(self):
        domain = Domain(_ONE)
        self.assertEqual([], self.attach(domain, _ONE, _TWO))
        self.assertEqual([_ONE, _TWO], domain.uuids)
        # Its persistent definition has it still.
        self.assertEqual([_Bindings.VIR_DOMAIN_AFFECT_LIVE], domain.flags)

    def test_one_that_fails_is_told_and_keeps_no_other_away(self):
        domain = Domain(broken=[_ONE])
        (failure,) = self.attach(domain, _ONE, _TWO)
        self.assertEqual([_TWO], domain.uuids)
        self.assertIn(_ONE, failure)
        self.assertIn('no slot', failure)

    def test_saved_guest_is_known_by_libvirt_s_word(self):
        domain = Domain()
        guest = libvirt_guest.Guest(domain)
        self.assertIs(False, suspension.is_saved(guest))
        domain.saved = 1
        self.assertIs(True, suspension.is_saved(guest))


class TellUserTest(unittest.TestCase):
    """The event stands in the action, or nowhere; nothing else fails."""

    def setUp(self):
        objects.register_all()

    def tell(self, **effects):
        with mock.patch(
            'nova.objects.InstanceActionEvent', autospec=True
        ) as event:
            for name, error in effects.items():
                getattr(event, name).side_effect = error
            instance = mock.Mock(uuid=_ONE)
            context = nova_context.RequestContext(
                request_id='req-1', is_admin=False
            )
            error = ValueError('the pool is full')
            suspension.tell_user(context, instance, 'host1', error)
        return error, event

    def test_an_event_of_the_same_request_ends_with_the_error(self):
        error, event = self.tell()
        started, ended = (
            event.event_start.call_args,
            event.event_finish_with_failure.call_args,
        )
        for call in (started, ended):
            context, instance, name = call.args
            self.assertEqual('req-1', context.request_id)
            self.assertTrue(context.is_admin)
            self.assertEqual((_ONE, 'gpuvirt_snapshot'), (instance, name))
        self.assertEqual('host1', started.kwargs['host'])
        self.assertIs(error, ended.kwargs['exc_val'])

    def test_server_that_is_gone_hides_no_error(self):
        for name in ('event_start', 'event_finish_with_failure'):
            self.tell(**{name: RuntimeError('no such action')})
