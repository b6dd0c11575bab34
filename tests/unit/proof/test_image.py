"""What guests of a proof boot from."""

import gzip
import os
import pathlib
import subprocess
import unittest

import fixtures

from nova_gpuvirt import exception
from nova_gpuvirt.proof import image


class ImageTest(unittest.TestCase):
    def setUp(self):
        folder = fixtures.TempDir()
        folder.setUp()
        self.addCleanup(folder.cleanUp)
        self.folder = pathlib.Path(folder.path)

    def file(self, name, content=b'it'):
        path = self.folder / f'named-{name}'
        path.write_bytes(content)
        return path

    def test_named_files_are_copied(self):
        kernel, initrd = self.file('kernel', b'k'), self.file('initrd', b'i')
        made = image.make(self.folder, kernel, initrd)
        self.assertEqual(b'k', made.kernel.read_bytes())
        self.assertEqual(b'i', made.initrd.read_bytes())
        for file in (made.kernel, made.initrd):
            self.assertEqual(0o444, file.stat().st_mode & 0o444)

    def test_initrd_has_a_busybox_and_the_first_process(self):
        made = image.make(self.folder, self.file('kernel'))
        content = gzip.decompress(made.initrd.read_bytes())
        listed = subprocess.run(
            ('cpio', '--quiet', '-t', '-v'),
            input=content,
            capture_output=True,
            check=True,
        ).stdout.decode()
        found = {
            line.split()[-1]: line.split()[0] for line in listed.splitlines()
        }
        self.assertEqual(
            {'bin', 'bin/busybox', 'dev', 'init', 'proc', 'sys'}, {*found}
        )
        self.assertEqual('-rwxr-xr-x', found['init'])
        self.assertIn(image.INIT.read_bytes(), content)
        self.assertIn(b'GUEST-READY', image.INIT.read_bytes())

    def test_busybox_that_needs_a_library_would_not_start(self):
        with self.assertRaisesRegex(exception.InvalidOption, 'needs /lib.*ld'):
            image.make_initrd(self.folder / 'initrd', pathlib.Path('/bin/sh'))
        with self.assertRaisesRegex(exception.InvalidOption, 'No such file'):
            image.make_initrd(
                self.folder / 'initrd', pathlib.Path('/no/busybox')
            )

    def test_without_cpio(self):
        with (
            fixtures.EnvironmentVariable('PATH', os.devnull),
            self.assertRaisesRegex(exception.InvalidOption, 'install cpio'),
        ):
            image.make_initrd(self.folder / 'initrd')

    def test_file_that_is_not_there_is_named(self):
        kernel = self.file('kernel')
        gone = self.folder / 'gone'
        for option, files in (
            ('--kernel', (gone, kernel)),
            ('--initrd', (kernel, gone)),
            ('--kernel', (self.folder, kernel)),
        ):
            with self.assertRaisesRegex(exception.InvalidOption, option):
                image.make(self.folder, *files)

    def test_kernel_is_the_one_that_runs(self):
        release = os.uname().release
        try:
            made = image.make(self.folder, None, self.file('initrd'))
        except exception.InvalidOption as error:
            self.assertIn(f'/boot/vmlinuz-{release}', str(error))
        else:
            found = pathlib.Path(f'/boot/vmlinuz-{release}').read_bytes()
            self.assertEqual(found, made.kernel.read_bytes())
