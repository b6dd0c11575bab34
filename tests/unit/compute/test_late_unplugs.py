"""A guest that gives its vGPU up late has it back, or its server says so."""

import uuid

import fixtures
import testtools
from nova import exception as nova_exception
from nova import objects
from nova.compute import task_states
from nova.compute import vm_states

from nova_gpuvirt.compute import late_unplugs
from nova_gpuvirt.compute import suspension
from tests.unit.compute import test_saving


class LateUnplugsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.guest = test_saving.Guest()
        self.instance = objects.Instance(
            uuid=str(uuid.uuid4()),
            vm_state=vm_states.ACTIVE,
            task_state=None,
        )
        self.found = self.useFixture(
            fixtures.MockPatchObject(
                objects.Instance, 'get_by_uuid', return_value=self.instance
            )
        ).mock
        self.saved = self.useFixture(
            fixtures.MockPatchObject(objects.Instance, 'save')
        ).mock
        self.looks = 0
        self.late = late_unplugs.LateUnplugs(self.find)
        self.late.watch(
            self.instance.uuid, self.guest, suspension.mdevs(self.guest)
        )

    def find(self, instance):
        self.looks += 1
        return self.guest

    def test_one_that_has_it_still_is_watched_on(self):
        for looks in (1, 2):
            self.late.look()
            self.assertEqual(looks, self.looks)

    def test_one_that_gave_it_up_has_it_back(self):
        self.late.look()
        self.guest.has_mdev = False
        self.late.look()
        self.assertTrue(self.guest.has_mdev)
        self.late.look()
        self.assertEqual(2, self.looks)
        self.saved.assert_not_called()

    def test_one_that_can_not_have_it_back_is_in_error(self):
        self.guest.has_mdev = False
        self.guest.attach_device = lambda device, live: 1 / 0
        self.late.look()
        self.assertEqual(vm_states.ERROR, self.instance.vm_state)
        self.saved.assert_called_once()
        self.late.look()
        self.assertEqual(1, self.looks)

    def test_one_that_was_started_anew_has_what_is_defined(self):
        self.guest.id = 8
        self.guest.has_mdev = False
        self.late.look()
        self.late.look()
        self.assertFalse(self.guest.has_mdev)
        self.assertEqual(1, self.looks)

    def test_one_that_nova_works_on_waits(self):
        self.guest.has_mdev = False
        self.instance.task_state = task_states.SUSPENDING
        self.late.look()
        self.assertFalse(self.guest.has_mdev)
        self.instance.task_state = None
        self.late.look()
        self.assertTrue(self.guest.has_mdev)

    def test_one_that_libvirt_does_not_tell_of_is_asked_again(self):
        self.guest.is_readable = False
        self.late.look()
        self.guest.is_readable = True
        self.guest.has_mdev = False
        self.late.look()
        self.assertTrue(self.guest.has_mdev)

    def test_one_that_is_gone_is_forgotten(self):
        self.found.side_effect = nova_exception.InstanceNotFound(
            instance_id='x'
        )
        self.late.look()
        self.found.side_effect = None
        self.late.look()
        self.assertEqual(0, self.looks)
