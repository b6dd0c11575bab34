"""The site's program cleans in time, or its card is not clean."""

import os
import pathlib
import stat
import threading
import time

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cleaning import hook

_CARD = model.PciAddress.parse('0000:3b:00.0')
_VF = model.Slot(
    'sriov', model.PciAddress.parse('0000:3b:00.4'), profile='quarter'
)


class HookTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.said = self.folder / 'said'

    def hook(self, text, seconds=30.0):
        program = self.folder / 'hook'
        program.write_text(f'#!/bin/sh\n{text}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return hook.Hook(str(program), seconds)

    def refused(self, one):
        error = self.assertRaises(
            exception.CleanFailed, one.run, _CARD, _VF, 'Intel Flex 170'
        )
        self.assertEqual(str(_CARD), error.device)
        return error.found

    def test_is_told_what_to_clean(self):
        one = self.hook(f'echo "$1|$2|$3|$#|$GPUVIRT_CARD" > {self.said}')
        one.run(_CARD, _VF, 'Intel Flex 170')
        self.assertEqual(
            f'{_VF.device}|sriov|Intel Flex 170|3|{_CARD}\n',
            self.said.read_text(),
        )

    def test_status_and_last_words_are_told(self):
        found = self.refused(
            self.hook('yes noise | head -c 100000; echo no such card; exit 3')
        )
        self.assertIn('ended with 3', found)
        self.assertTrue(found.endswith('no such card'), found)
        self.assertLess(len(found), 1000)

    def test_one_that_hangs_is_killed_with_its_children(self):
        one = self.hook(
            f'sleep 600 & echo $! > {self.said}; sleep 600', seconds=0.5
        )
        self.assertIn('had not ended after 0.5 s', self.refused(one))
        child = int(self.said.read_text())
        for _ in range(100):
            if not _runs(child):
                return
            time.sleep(0.05)
        self.fail('a child of the hook still runs')

    def test_one_that_leaves_a_child_with_its_output_is_done(self):
        self.hook('sleep 600 &\nexit 0', seconds=30).run(_CARD, _VF, 'x')

    def test_what_it_leaves_running_does_not_keep_from_its_last_words(self):
        begin = time.monotonic()
        found = self.refused(
            self.hook('yes noise & sleep 0.2; exit 3', seconds=30)
        )
        self.assertIn('ended with 3', found)
        self.assertLess(time.monotonic() - begin, 15)

    def test_what_it_prints_is_kept_nowhere(self):
        one = self.hook(
            f'readlink /proc/self/fd/2 > {self.said}; exec yes', seconds=0.5
        )
        self.assertLess(len(self.refused(one)), 1000)
        self.assertIn('pipe:', self.said.read_text())

    def test_no_thread_and_no_file_is_left(self):
        files = len(os.listdir('/proc/self/fd'))
        threads = threading.active_count()
        self.hook('sleep 600 &\nexit 0').run(_CARD, _VF, 'x')
        self.assertEqual(files, len(os.listdir('/proc/self/fd')))
        self.assertEqual(threads, threading.active_count())

    def test_one_that_is_not_there(self):
        one = hook.Hook(str(self.folder / 'none'), 1)
        self.assertIn('No such file', self.refused(one))


def _runs(pid):
    try:
        text = pathlib.Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return False
    return text.rpartition(')')[2].split()[0] != 'Z' and os.getpid() != pid
