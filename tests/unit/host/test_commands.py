"""No command is waited for without end, whatever its child does."""

import gc
import os
import pathlib
import subprocess
import sys
import threading
import time
import weakref

import fixtures
import testtools

from nova_gpuvirt.host import commands

_SECONDS = 0.3


def _stay():
    """Give the words of a child that stays for longer than any test."""
    return (sys.executable, '-c', 'import time; time.sleep(60)')


class CommandsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 0.0
        self.children = []
        self.run_ = commands.Commands(
            self.start, seconds=_SECONDS, clock=lambda: self.now
        )

    def start(self, argv):
        child = commands.start(argv)
        self.children.append(child)
        return child

    def refused(self, argv, kind=commands.CommandFailed):
        return str(self.assertRaises(kind, self.run_, argv))

    def make_immortal(self):
        """Let no signal end a child, as in state D."""
        kill = subprocess.Popen.kill
        self.useFixture(
            fixtures.MonkeyPatch('subprocess.Popen.kill', lambda child: None)
        )
        self.addCleanup(lambda: [kill(c) for c in self.children])

    def test_output_is_returned_though_it_is_no_utf8(self):
        self.assertEqual('a\ufffdb\n', self.run_(('printf', 'a\\377b\\n')))

    def test_failure_says_what_the_command_said(self):
        said = self.refused(('sh', '-c', 'echo why >&2; exit 4'))
        self.assertIn('ended with 4: why', said)
        self.assertIn('what', self.refused(('sh', '-c', 'echo what; exit 6')))
        self.assertIn('no-such', self.refused(('no-such',)))

    def test_child_that_no_signal_ends_is_not_waited_for(self):
        self.make_immortal()
        started = time.monotonic()
        self.assertIn('timed out', self.refused(_stay()))
        self.assertLess(time.monotonic() - started, 10)

    def test_another_child_is_not_started_beside_one_that_stays(self):
        self.make_immortal()
        self.refused(_stay(), commands.CommandHangs)
        self.now = 1e6
        started = time.monotonic()
        said = self.refused(_stay(), commands.CommandHangs)
        self.assertIn(f'process {self.children[0].pid} was killed', said)
        self.assertLess(time.monotonic() - started, _SECONDS)
        self.assertEqual(1, len(self.children))
        self.assertEqual('', self.run_(('true',)))  # others are run

    def test_pause_grows_until_a_child_ends_by_itself(self):
        for pause in (60, 120, 240, 480, 600, 600):
            self.refused(('sleep', '60'), commands.CommandHangs)
            self.now += pause - 1
            self.assertIn('let be', self.refused(('sleep', '60')))
            self.now += 1
        self.assertEqual('', self.run_(('sleep', '0')))
        self.refused(('sleep', '60'), commands.CommandHangs)
        self.now += 60
        self.assertIn('timed out', self.refused(('sleep', '60')))

    def test_child_that_hung_and_ended_is_let_go_with_its_pipes(self):
        children = weakref.WeakSet()

        def start(argv):
            child = commands.start(argv)
            children.add(child)
            return child

        self.run_ = commands.Commands(
            start, seconds=_SECONDS, clock=lambda: self.now
        )
        self.refused(('sleep', '60'), commands.CommandHangs)
        self.assertEqual(1, len(children))
        self.now = 60
        self.run_(('sleep', '0'))
        gc.collect()
        self.assertEqual(0, len(children))

    def test_grandchild_that_keeps_the_outputs_is_not_waited_for(self):
        started = time.monotonic()
        said = self.refused(('sh', '-c', 'sleep 60 & echo $!'))
        self.assertIn('timed out', said)
        self.assertLess(time.monotonic() - started, 10)

    def test_one_child_of_a_command_at_a_time(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        script = 'mkdir one && sleep 0.05 && rmdir one'
        self.run_ = commands.Commands(self.start, seconds=20)
        failures = []

        def ask():
            try:
                self.run_(('sh', '-c', f'cd {folder} && {script}'))
            except commands.CommandFailed as error:
                failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], failures)

    def test_who_waits_for_another_child_is_not_held_without_end(self):
        blocked = threading.Event()

        def start(argv):
            blocked.wait(timeout=20)
            return commands.start(argv)

        self.run_ = commands.Commands(start, seconds=_SECONDS)
        thread = threading.Thread(target=self.run_, args=(('true',),))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(blocked.set)
        self.assertIn('another one runs', self.refused(('true',)))

    def test_root_gives_its_commands_nothing_of_who_asked(self):
        self.useFixture(fixtures.EnvironmentVariable('LD_PRELOAD', 'x.so'))
        child = commands.start_as_root(('env',))
        output, _ = child.communicate(timeout=20)
        self.assertEqual(
            commands.AS_ROOT,
            dict(line.split('=') for line in output.split()),
        )


class PauseTest(testtools.TestCase):
    def test_it_is_begun_for_weeks(self):
        now = 0.0
        pause = commands.Pause(lambda: now)
        for _ in range(2000):
            pause.begin()
            self.assertTrue(pause.is_on)
        self.assertEqual(600.0, pause.ends)
        pause.forget()
        pause.begin()
        self.assertEqual(60.0, pause.ends)


class RootTest(testtools.TestCase):
    def test_host_that_is_only_looked_at_runs_nothing(self):
        run = commands.of(pathlib.Path('/a/copy'))
        self.assertRaises(commands.CommandFailed, run, ('true',))

    def test_this_host_runs_its_commands(self):
        run = commands.of(pathlib.Path(os.sep))
        self.assertEqual('', run(('true',)))
