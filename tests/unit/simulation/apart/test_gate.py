import signal
import subprocess
import unittest

from nova_gpuvirt.simulation.apart import gate

_STEP = gate.Step('host1', 'libvirt Connection.defineXML', 2)


class GateTest(unittest.TestCase):
    """A gate, and a process that is to be killed."""

    def setUp(self):
        super().setUp()
        self.gate = gate.Gate()
        self.child = subprocess.Popen(['sleep', '60'])
        self.addCleanup(self.child.wait)
        self.addCleanup(self.child.kill)
        self.done = []

    def take(self, name=_STEP.name, pid=None):
        """Take a step, and note that it was done."""
        with self.gate.passed('host1', pid or self.child.pid, name):
            self.done.append(name)

    def take_two(self):
        self.take()
        self.take('kernel set_numvfs')
        with self.assertRaises(gate.Killed):
            self.take()

    def assert_killed(self):
        self.assertEqual(-signal.SIGKILL, self.child.wait(10))
        self.assertTrue(self.gate.has_killed)

    def test_steps_are_counted_by_their_names(self):
        self.gate.watch()
        self.take()
        self.take('kernel set_numvfs')
        self.take()
        self.assertEqual(
            (
                gate.Step('host1', _STEP.name, 1),
                gate.Step('host1', 'kernel set_numvfs', 1),
                _STEP,
            ),
            self.gate.end(),
        )

    def test_what_only_reads_is_no_step(self):
        self.gate.watch()
        self.take(None)
        self.assertEqual((), self.gate.end())

    def test_before_a_step_the_world_does_not_see_it(self):
        self.gate.watch((_STEP, gate.Moment.BEFORE))
        self.take_two()
        self.assertEqual([_STEP.name, 'kernel set_numvfs'], self.done)
        self.assert_killed()

    def test_after_a_step_it_is_done(self):
        self.gate.watch((_STEP, gate.Moment.AFTER))
        self.take_two()
        self.assertEqual(
            [_STEP.name, 'kernel set_numvfs', _STEP.name], self.done
        )
        self.assert_killed()

    def test_dead_process_does_nothing_more(self):
        self.gate.kill(self.child.pid)
        for name in (_STEP.name, None):
            with self.assertRaises(gate.Killed):
                self.take(name)
        self.assertEqual([], self.done)
        self.assertTrue(self.gate.is_dead(self.child.pid))

    def test_another_process_goes_on(self):
        self.gate.kill(self.child.pid)
        self.take(pid=1)
        self.assertEqual([_STEP.name], self.done)

    def test_step_of_another_host_is_another(self):
        self.gate.watch((_STEP, gate.Moment.BEFORE))
        for _ in range(2):
            with self.gate.passed('host2', self.child.pid, _STEP.name):
                pass
        self.assertFalse(self.gate.has_killed)
