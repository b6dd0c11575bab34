"""A captured host answers what its kernel did, and knows what nobody asked."""

import errno
import os
import pathlib

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.capture import document
from nova_gpuvirt.capture import recording
from nova_gpuvirt.capture import replay
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import files
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.host import sysfs

_CARD = model.PciAddress.parse('0000:3b:00.0')
_IDS = '10de  NVIDIA Corporation\n\t1eb8  TU104GL [Tesla T4]\n\t1db4  V100\n'


class Libvirt(hypervisor.Hypervisor):
    """One that draws and knows its version alone."""

    def __init__(self):
        super().__init__(lambda: None)

    def version(self):
        return 11_003_000

    def renderer(self):
        return hypervisor.Renderer(virgl=True, venus=False)


def run(argv):
    """Answer, hang, miss or fail, as the first argument says."""
    if argv[1] == 'answer':
        return 'yes\n'
    error = {
        'hang': commands.CommandHangs,
        'miss': commands.CommandMissing,
    }.get(argv[1], commands.CommandFailed)
    raise error(f'no {argv[1]}')


class Root:
    """A root who reads what others may not, and sees one process."""

    def read(self, address, name):
        if name == 'memory_partition_mode':
            return 'NPS1'
        path = f'/{rootonly.place(address, name)}'
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    def openers(self, address):
        return [1000]

    def card_openers(self, addresses, caller):
        return [
            [(900, 'train\ner', caller == 1)] if a == str(_CARD) else None
            for a in addresses
        ]

    def gpu_instances(self, address):
        return run(['mig', 'fail' if address == str(_CARD) else 'answer'])

    def gpu_instance_profiles(self, address):
        return run(['mig', 'answer' if address == str(_CARD) else 'fail'])


class ReplayTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.root / 'sys').mkdir()
        (self.root / 'sys/file').write_bytes(b'\xff\x00text\n')
        (self.root / 'sys/other').touch()
        (self.root / 'sys/link').symlink_to('../../x/0000:3b:00.0')
        (self.root / 'sys/loop').symlink_to('loop')
        self.recording = recording.Recording(
            machine.Machine(
                sysfs.Sysfs(self.root, Root()),
                pciids.PciIds.parse(_IDS),
                Libvirt(),
                run,
            )
        )
        self.host = self.recording.machine

    def replayed(self):
        text = document.dump(self.recording.document({}))
        return replay.of(document.parse(text, 'x.json'), 'x.json')

    def ask(self, ask):
        """Ask both the host and what was captured of it."""

        def answer(host):
            try:
                return ask(host)
            except (OSError, commands.CommandFailed) as error:
                return type(error), str(error)

        here = answer(self.host)
        self.assertEqual(here, answer(self.replayed()))
        return here

    def test_files_answer_and_refuse_as_they_did(self):
        for asked in (
            lambda f: f.read('sys/file'),
            lambda f: f.read('sys/file', 2),
            lambda f: sorted(f.names('sys')),
            lambda f: f.target('sys/link'),
            lambda f: f.changed('sys/file'),
            lambda f: f.exists('sys/link'),
            lambda f: f.exists('sys/nothing'),
            lambda f: f.read('sys/nothing'),
            lambda f: f.read('sys/loop'),
            lambda f: f.names('sys/file'),
            lambda f: f.target('sys/file'),
        ):
            self.ask(lambda host, asked=asked: asked(host.sysfs.root))

    def test_commands_names_and_libvirt_answer_as_they_did(self):
        for word in ('answer', 'hang', 'miss', 'fail'):
            self.ask(lambda host, word=word: host.run(['smi', word]))
        for asked in (
            lambda host: host.names.vendor(0x10DE),
            lambda host: host.names.device(0x10DE, 0x1EB8),
            lambda host: host.names.device(0x10DE, 0xFFFF),
            lambda host: host.hypervisor.version(),
            lambda host: host.hypervisor.renderer(),
        ):
            self.ask(asked)
        self.assertNotIn('V100', self.recording.document({}).names)

    def test_root_answers_as_it_did_and_does_nothing(self):
        self.assertEqual(
            [1000],
            self.ask(lambda host: host.sysfs.rootly.openers(str(_CARD))),
        )
        for name in ('memory_partition_mode', 'spatial_partition_mode'):
            self.ask(
                lambda host, name=name: host.sysfs.rootly.read(
                    str(_CARD), name
                )
            )
        self.assertEqual(
            [[(900, 'train\ner', False)], None],
            self.ask(
                lambda host: host.sysfs.rootly.card_openers(
                    [str(_CARD), '0000:41:00.0'], 7
                )
            ),
        )
        for address in (str(_CARD), '0000:41:00.0'):
            for name in ('gpu_instances', 'gpu_instance_profiles'):
                self.ask(
                    lambda host, address=address, name=name: getattr(
                        host.sysfs.rootly, name
                    )(address)
                )
        for host in (self.host, self.replayed()):
            for change, arguments in (
                (host.sysfs.set_vgpu_type, (_CARD, 1)),
                (host.sysfs.set_vgpu_place, (_CARD, None, 1)),
                (host.sysfs.rootly.hold_unbind_lock, (str(_CARD), True)),
            ):
                error = self.assertRaises(PermissionError, change, *arguments)
                self.assertEqual(errno.EROFS, error.errno)
                self.assertIn(str(_CARD), str(error))
        self.assertRaises(
            exception.NotCaptured,
            self.replayed().sysfs.openers,
            model.PciAddress.parse('0000:00:02.0'),
        )

    def test_what_was_not_asked_is_not_what_is_not_there(self):
        root = self.replayed().sysfs.root
        for ask in (root.read, root.names, root.target, root.exists):
            error = self.assertRaises(exception.NotCaptured, ask, 'sys/other')
            self.assertIn('nothing asked for it', str(error))
        self.assertRaises(
            exception.NotCaptured, self.replayed().run, ['smi', 'answer']
        )

    def test_what_a_list_has_not_is_not_there(self):
        self.host.sysfs.root.names('sys')
        root = self.replayed().sysfs.root
        for path in ('sys/nothing', 'sys/nothing/below'):
            error = self.assertRaises(OSError, root.read, path)
            self.assertEqual(errno.ENOENT, error.errno)
        self.assertFalse(root.exists('sys/nothing'))
        self.assertRaises(exception.NotCaptured, root.read, 'sys/other')

    def test_assumptions_are_no_facts(self):
        host = machine.Machine(
            sysfs.Sysfs(self.root), pciids.PciIds(()), hypervisor.Absent()
        )
        recorded = recording.Recording(host)
        recorded.machine.hypervisor.version()
        self.assertEqual({}, recorded.document({}).libvirt)


class LoadTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.file = self.folder / 'x.json'

    def test_only_a_file_of_a_sound_size_is_read(self):
        self.patch(replay, '_LIMIT', 100)
        self.file.write_text('[' * 101)
        os.mkfifo(self.folder / 'fifo')
        for path in (
            self.file,
            self.folder,
            self.folder / 'fifo',
            self.folder / 'nothing',
            pathlib.Path('/dev/zero'),
        ):
            self.assertRaises(exception.InvalidCapture, replay.load, path)

    def test_nothing_of_this_machine_is_read(self):
        found = document.Document(
            {},
            '',
            {},
            {},
            {
                document.Question('names', 'sys/bus/pci/devices'): (),
                document.Question('target', 'sys/x'): '/etc/passwd',
            },
        )
        self.file.write_text(document.dump(found))
        host = replay.load(self.file)
        self.patch(files.OnDisk, '_ask', None)
        self.assertEqual('/etc/passwd', host.sysfs.root.target('sys/x'))
        for path in ('/etc/passwd', '../../etc/passwd', 'sys/x'):
            self.assertRaises(
                exception.NotCaptured, host.sysfs.root.read, path
            )
        self.assertFalse(host.sysfs.has(_CARD, 'class'))
        self.assertEqual('10de', host.names.vendor(0x10DE))
        self.assertRaises(
            exception.NotCaptured, host.run, ['cat', '/etc/passwd']
        )

    def test_answers_that_no_kernel_gives_are_the_captures_fault(self):
        found = document.Document(
            {},
            '',
            {},
            {},
            {document.Question('names', 'sys/bus/pci/devices'): ('../..',)},
        )
        host = replay.of(found, 'x.json')

        def ask():
            with replay.sense('x.json'):
                host.sysfs.addresses()

        self.assertRaises(exception.InvalidCapture, ask)
