"""What two looks find is told once, put right, and told when it has ended."""

from unittest import mock

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.compute.audits import auditing
from tests.unit.audit import states

_ONE = '155d900f-4e14-4e4c-a73d-069cbf4541e6'


class AuditingTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.now = 0.0
        self.state = states.State()
        self.state.add(_ONE, states.MDEV)
        self.repairs = mock.Mock()
        self.repairs.can.return_value = True
        self.repairs.repair.return_value = 'it was done'
        self.undisturbed = mock.MagicMock()
        self.auditing = auditing.Auditing(
            lambda: self.state.sides(),
            self.undisturbed,
            self.repairs,
            lambda: self.now,
        )

    def plant(self):
        """Let the server's guest run with another device."""
        self.state.change_guest(_ONE, has=frozenset())

    def plant_for_nova_compute(self, count=1):
        """Let vGPUs of earlier servers be in the slot."""
        self.state.vgpus['mdev'].extend(
            model.Vgpu(f'no-{n}', states.SIZE, model.Slot.parse(states.MDEV))
            for n in range(count)
        )

    def told(self):
        return self.log.output.count('disagree')

    def test_one_look_is_not_believed(self):
        self.plant_for_nova_compute()
        self.auditing.update()
        self.state.vgpus['mdev'].pop()
        self.auditing.update()
        self.plant_for_nova_compute()
        self.auditing.update()
        self.repairs.repair.assert_not_called()
        self.assertEqual(0, self.told())

    def test_what_another_program_makes_is_not_looked_at(self):
        self.plant()
        self.auditing.update()
        self.undisturbed.side_effect = exception.Locked(
            'this host', wanted='w', found='f', remedy='r'
        )
        self.auditing.update()
        self.assertRaises(exception.Locked, self.auditing.look_twice, 0)
        self.undisturbed.side_effect = None
        self.auditing.update()
        self.assertEqual(0, self.told())
        self.auditing.update()
        self.assertEqual(1, self.told())

    def test_it_is_told_once_and_when_it_has_ended(self):
        self.plant()
        for _ in range(4):
            self.auditing.update()
        self.assertEqual(1, self.told())
        self.assertIn('reboot --hard', self.log.output)
        self.state.unread = {'libvirt': 'silent'}
        self.state.missing_sides = {'guests'}
        self.auditing.update()
        self.assertNotIn('agree again', self.log.output)
        self.state.unread = {}
        self.state.missing_sides = set()
        self.state.change_guest(
            _ONE, has=self.state.devices(_ONE, states.MDEV)
        )
        self.auditing.update()
        self.assertIn('They agree again: guest-lacks-claimed', self.log.output)
        self.plant()
        for _ in range(2):
            self.auditing.update()
        self.assertEqual(2, self.told())

    def test_what_is_put_right_is_told_as_that(self):
        self.plant_for_nova_compute()
        for _ in range(2):
            self.auditing.update()
        self.repairs.repair.assert_called_once()
        self.assertIn('Put right: vgpu-of-earlier-server', self.log.output)
        self.assertEqual(0, self.told())

    def test_what_can_not_be_put_right_is_told_with_the_reason(self):
        self.plant_for_nova_compute()
        self.repairs.repair.side_effect = OSError('no answer')
        for _ in range(3):
            self.auditing.update()
        self.assertEqual(1, self.told())
        self.assertIn('not put right: no answer', self.log.output)

    def test_who_does_not_answer_is_asked_once_in_an_update(self):
        self.plant_for_nova_compute(2)
        for error, asked in (
            (OSError('no answer'), 1),
            (
                exception.ReleaseFailed(
                    'a', wanted='w', found='f', remedy='r'
                ),
                2,
            ),
        ):
            self.repairs.repair.side_effect = error
            self.auditing.update()
            self.repairs.repair.reset_mock()
            self.auditing.update()
            self.assertEqual(asked, self.repairs.repair.call_count)

    def test_repairs_of_one_update_end(self):
        self.plant_for_nova_compute(2)

        def repair(*args):
            self.now += 21
            return 'it was done'

        self.repairs.repair.side_effect = repair
        self.auditing.update()
        self.auditing.update()
        self.assertEqual(1, self.repairs.repair.call_count)

    def test_only_the_command_does_what_is_the_command_s(self):
        self.state.allocations.clear()
        for _ in range(2):
            self.auditing.update()
        self.repairs.repair.assert_not_called()
        self.assertEqual(1, self.told())
        sleeps = []
        found = self.auditing.look_twice(5, sleeps.append)
        self.assertEqual(1, len(found.disagreements))
        self.assertEqual([5], sleeps)
        self.assertEqual(
            ['it was done'], [done for _, done in self.auditing.fix()]
        )

    def test_command_does_not_wait_where_all_agree(self):
        self.auditing.look_twice(5, lambda _: self.fail('it waited'))

    def test_side_that_is_silent_is_told_once_each_time(self):
        for _ in range(2):
            self.state.unread = {'Placement': 'silent'}
            self.state.missing_sides = {'allocations'}
            for _ in range(3):
                self.auditing.update()
            self.state.unread = {}
            self.state.missing_sides = set()
            self.auditing.update()
        self.assertEqual(
            2, self.log.output.count('Placement is not compared: silent')
        )
