"""A host's files are asked for as its kernel answers."""

import errno
import pathlib

import fixtures
import testtools

from nova_gpuvirt.host import files


class OnDiskTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.folder / 'sys').mkdir()
        (self.folder / 'sys/file').write_bytes(b'0x10de\n')
        (self.folder / 'sys/link').symlink_to('../nowhere')
        self.files = files.OnDisk(self.folder)

    def test_each_question_has_its_answer(self):
        self.assertEqual(b'0x10de\n', self.files.read('sys/file'))
        self.assertEqual(b'0x', self.files.read('sys/file', 2))
        self.assertEqual('0x10de', self.files.text('sys/file'))
        self.assertEqual(['file', 'link'], sorted(self.files.names('sys')))
        self.assertEqual('../nowhere', self.files.target('sys/link'))
        self.assertEqual(
            (self.folder / 'sys/file').stat().st_mtime_ns,
            self.files.changed('sys/file'),
        )
        self.assertTrue(self.files.exists('sys/link'))
        self.assertFalse(self.files.exists('sys/nothing'))

    def test_text_that_may_be_missing_or_none(self):
        (self.folder / 'sys/cut').write_bytes('я'.encode()[:1])
        self.assertEqual('0x10de', self.files.text_if_readable('sys/file'))
        self.assertEqual('\ufffd', self.files.text_if_readable('sys/cut'))
        for path in ('sys/nothing', 'sys/link', 'sys'):
            self.assertIsNone(self.files.text_if_readable(path))

    def test_errors_are_the_kernels_and_name_the_file_on_its_host(self):
        for ask, path, number in (
            (self.files.read, 'sys/nothing', errno.ENOENT),
            (self.files.names, 'sys/file', errno.ENOTDIR),
            (self.files.target, 'sys/file', errno.EINVAL),
            (self.files.changed, 'sys/link', errno.ENOENT),
        ):
            error = self.assertRaises(OSError, ask, path)
            self.assertEqual(number, error.errno)
            self.assertEqual(f'/{path}', error.filename)

    def test_this_machine_is_the_default(self):
        self.assertIn('self', files.OnDisk().names('proc'))
        self.assertEqual('/', str(files.OnDisk()))


class WriteTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def test_file_that_is_there_is_written(self):
        self.root.joinpath('x').write_text('')
        files.write(self.root, 'x', '4\n')
        self.assertEqual('4\n', self.root.joinpath('x').read_text())

    def test_no_file_is_made(self):
        self.assertRaises(
            FileNotFoundError, files.write, self.root, 'x', '4\n'
        )
