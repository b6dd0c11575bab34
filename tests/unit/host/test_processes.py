"""Processes are found whatever they are called, and if they can be seen."""

import errno
import os
import pathlib

import fixtures
import testtools

from nova_gpuvirt.host import files
from nova_gpuvirt.host import processes


class ProcessesTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.files = files.OnDisk(self.root)

    def start(self, pid, name, *files):
        folder = self.root / f'proc/{pid}'
        (folder / 'fd').mkdir(parents=True)
        (folder / 'comm').write_bytes(name[:15] + b'\n')
        for number, file in enumerate(files):
            (folder / f'fd/{number}').symlink_to(file)

    def test_half_a_character_in_a_name_hides_no_other_process(self):
        self.start(2, b'kthreadd')
        self.start(10, 'наблюдатель'.encode())
        self.start(11, b'nvidia-vgpu-mgr')
        self.assertIs(True, processes.running(self.files, 'nvidia-vgpu-mgr'))
        self.assertIs(True, processes.running(self.files, 'наблюдатель'))
        self.assertIs(False, processes.running(self.files, 'nvidia-vgpud'))

    def test_processes_of_a_name(self):
        self.start(20, b'nova-compute-gpuvirt')
        self.start(3, b'nova-compute-gpuvirt')
        self.start(4, b'nova-compute')
        found = processes.found(self.files, 'nova-compute-gpuvirt')
        self.assertEqual((3, 20), found)
        self.assertEqual((), processes.found(self.files, 'nova'))
        self.assertEqual('nova-compute', processes.name(self.files, 4))
        self.assertEqual('', processes.name(self.files, 5))

    def test_name_that_would_act_on_a_terminal(self):
        self.start(4, b'a\x1b]0;b\x07\nc\xff')
        self.assertEqual('a?]0;b??c\ufffd', processes.name(self.files, 4))

    def test_all_are_seen_where_kthreadd_is(self):
        self.start(20, b'bash')
        self.assertFalse(processes.are_all_seen(self.files))
        self.start(2, b'kthreadd')
        self.assertTrue(processes.are_all_seen(self.files))

    def test_openers_are_named_whatever_else_they_have_open(self):
        self.start(2, b'kthreadd')
        self.start(10, b'x', b'/tmp/\xff', '/dev/vfio/7')
        self.start(11, b'y', '/dev/vfio/8')
        for file, pids in (('7', (10,)), ('8', (11,)), ('9', ())):
            self.assertEqual(
                pids, processes.openers(self.files, {f'/dev/vfio/{file}'})
            )

    def test_each_group_of_files_has_its_openers(self):
        self.start(2, b'kthreadd')
        self.start(10, b'x', '/dev/a', '/dev/b')
        self.start(11, b'y', '/dev/b', '/dev/c')
        groups = ({'/dev/a', '/dev/b'}, {'/dev/c'}, {'/dev/d'})
        found = processes.openers_of_each(self.files, groups)
        self.assertEqual(((10, 11), (11,), ()), found)
        (self.root / 'proc/2/comm').write_text('other\n')
        found = processes.openers_of_each(self.files, groups)
        self.assertEqual(((10, 11), (11,), None), found)

    def test_what_a_container_does_not_show_may_be_there(self):
        self.start(1, b'dumb-init')
        self.start(2, b'nova-compute', '/dev/vfio/7')
        self.assertIsNone(processes.running(self.files, 'nvidia-vgpu-mgr'))
        self.assertIs(True, processes.running(self.files, 'dumb-init'))
        self.assertTrue(processes.hidden(self.files))
        self.assertEqual((2,), processes.openers(self.files, {'/dev/vfio/7'}))
        error = self.assertRaises(
            processes.Hidden, processes.openers, self.files, {'/dev/vfio/8'}
        )
        self.assertIn('pid_mode: host', str(error))

    def test_copy_without_processes_hides_none(self):
        self.assertFalse(processes.hidden(self.files))
        self.assertIsNone(processes.running(self.files, 'nvidia-vgpu-mgr'))
        self.assertRaises(
            processes.Hidden, processes.openers, self.files, {'/dev/vfio/8'}
        )

    def test_files_that_are_not_ours_to_look_at_may_be_this_one(self):
        self.start(2, b'kthreadd')
        self.start(10, b'x', '/dev/vfio/7')
        listdir = os.listdir

        def refuse(path):
            if str(path).endswith('10/fd'):
                raise PermissionError(errno.EACCES, 'not yours')
            return listdir(path)

        self.useFixture(fixtures.MonkeyPatch('os.listdir', refuse))
        self.assertRaises(
            processes.Hidden, processes.openers, self.files, {'/dev/vfio/7'}
        )
        self.start(11, b'y', '/dev/vfio/7')
        self.assertEqual((11,), processes.openers(self.files, {'/dev/vfio/7'}))
