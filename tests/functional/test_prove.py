"""Each offer of a simulated host goes through its life, with our backends."""

import contextlib
import dataclasses
import errno
import io
import os
import pathlib
import signal
import uuid

import fixtures
import testtools
from lxml import etree

from nova_gpuvirt import exception
from nova_gpuvirt import gpus
from nova_gpuvirt import guest
from nova_gpuvirt import handover
from nova_gpuvirt import model
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.cli import prove
from nova_gpuvirt.cli import shell
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import lock
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.proof import guests
from nova_gpuvirt.proof import image
from nova_gpuvirt.proof import life
from nova_gpuvirt.proof import report
from nova_gpuvirt.proof import trials
from nova_gpuvirt.proof import verdicts
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.simulation import simulated
from nova_gpuvirt.simulation.libvirt import connection

_PCI = "devices/hostdev[@type='pci']/source/address"
_MDEV = "devices/hostdev[@type='mdev']/source/address"
_PARTS = ('domain', 'bus', 'slot', 'function')
# One of each way to a guest at least.
_HOSTS = ('flex170', 'gvtg-1g', 'l40s', 't4', 'vgem', 'workstation')


class Connection(connection.Connection):
    """A libvirt whose guests say on their console what they have.

    What a guest sees of a vGPU is not simulated: it names its card's ids.
    """

    says_ready = True
    pauses = False

    def createXML(self, xml, flags):
        started = super().createXML(xml, flags)
        tree = etree.fromstring(xml)
        lines = [self._line(a) for a in self._functions(tree)]
        if tree.find('devices/video/model[@type="virtio"]') is not None:
            lines.append('PCI 0000:00:01.0 1af4:1050 0x030000')
        lines += ['GUEST-READY'] * self.says_ready
        file = tree.find("devices/serial[@type='file']/source").get('path')
        pathlib.Path(file).write_text('\n'.join(lines))
        if self.pauses:
            started.suspend()
        return started

    def _functions(self, tree):
        for a in tree.iterfind(_PCI):
            parts = (int(a.get(p), 16) for p in _PARTS)
            yield model.PciAddress(*parts)
        for a in tree.iterfind(_MDEV):
            parent = self.sysfs.mdevs.parent(uuid.UUID(a.get('uuid')))
            yield model.PciAddress.parse(parent)

    def _line(self, function):
        words = (
            self.sysfs.read(function, name).removeprefix('0x')
            for name in ('vendor', 'device', 'class')
        )
        vendor, device, code = words
        return f'PCI 0000:00:10.0 {vendor}:{device} 0x{code}'


class ProveTest(testtools.TestCase):
    def start(self, kind, *, seconds=0, **changes):
        folder = fixtures.TempDir(rootdir=simulated.memory())
        root = pathlib.Path(self.useFixture(folder).path)
        consoles = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        description = dataclasses.replace(hosts.HOSTS[kind](), **changes)
        self.host = simulated.SimulatedHost(description, root)
        self.before = self.host.snapshot()
        self.libvirt = Connection(self.host)
        power = root_.Root(self.host)
        self.machine = machine.Machine(
            sysfs.Sysfs(root, power),
            pciids.PciIds([root]),
            hypervisor.Hypervisor(lambda: self.libvirt),
            power.run,
        )
        self.gpus = gpus.Gpus(self.machine, operator_filter.OperatorFilter())
        self.lives = life.Life(
            self.machine.sysfs,
            handover.Handover(self.gpus),
            guests.LibvirtGuests(
                self.libvirt,
                guest.Host(46, 46, description.libvirt),
                image.Image(pathlib.Path('k'), pathlib.Path('i')),
                consoles,
                seconds=seconds,
            ),
            patience=0,
        )

    def plan(self, *wanted):
        return trials.plan(
            self.gpus.survey(refresh=True), self.machine.opener, wanted
        )

    def prove(self, *wanted, first=3):
        """Try the first offers of a card, and its last one."""
        found = self.plan(*wanted).trials
        found = [t for t in found if t.gpu is found[0].gpu]
        chosen = {str(t): t for t in (*found[:first], found[-1])}
        return [self.lives.live(t) for t in chosen.values()]

    def test_each_kind_of_offer_passes_and_leaves_the_host_as_it_was(self):
        kinds = set()
        for host in _HOSTS:
            self.start(host)
            for outcome in self.prove():
                kinds.add(outcome.trial.kind)
                self.assertEqual((), outcome.failures, outcome.trial)
                self.assertEqual(life.STEPS, tuple(outcome.seconds))
            self.assertEqual(self.before, self.host.snapshot(), host)
        self.assertEqual(
            {'passthrough', 'mdev', 'vendor-vfio', 'sriov', 'api'}, kinds
        )

    def test_what_is_used_is_left_alone(self):
        self.start('t4')
        self.host.hold('0000:3b:00.0')
        mdev = str(uuid.uuid4())
        self.host.write(
            '/sys/bus/pci/devices/0000:5e:00.0/mdev_supported_types/'
            'nvidia-231/create',
            mdev,
        )
        found = self.plan()
        tried = {str(t.gpu.address) for t in found.trials}
        self.assertEqual({'0000:af:00.0', '0000:d8:00.0'}, tried)
        self.assertIn('1 vGPUs', found.left_out['0000:5e:00.0'])
        self.assertIn('process', found.left_out['0000:3b:00.0'])
        self.assertIn('ASPEED', found.left_out['0000:03:00.0'])
        self.assertEqual(
            'no such card', self.plan('0000:ff:00.0').left_out['0000:ff:00.0']
        )

    def test_driver_that_refuses_fails_the_trial_and_nothing_is_left(self):
        self.start('l40s')
        self.host.fail('*/current_vgpu_type', errno.EIO)
        first, *others = self.prove('0000:41:00.0', first=2)
        failed = [o for o in (first, *others) if o.failures]
        self.assertEqual(1, len(failed))
        self.assertIn('Input/output error', failed[0].failures[0])
        self.assertEqual(self.before, self.host.snapshot())

    def test_guest_that_is_never_ready(self):
        self.start('t4')
        self.libvirt.says_ready = False
        (outcome,) = self.prove('0000:3b:00.0', first=0)
        self.assertIn('GUEST-READY', outcome.failures[0])
        self.assertEqual(self.before, self.host.snapshot())

    def test_guest_that_qemu_stops_is_not_waited_for(self):
        self.start('t4', seconds=300)
        self.libvirt.says_ready = False
        self.libvirt.pauses = True
        (outcome,) = self.prove('0000:3b:00.0', first=0)
        self.assertIn('paused by QEMU', outcome.failures[0])
        self.assertEqual(self.before, self.host.snapshot())

    def test_device_that_stays_is_a_failure(self):
        self.start('t4')
        self.host.fail('*/remove', errno.EBUSY, 9)
        (outcome,) = self.prove('0000:3b:00.0', first=0)
        self.assertIn('was not there', outcome.failures[-1])

    def test_claims_are_decided_and_the_report_says_it(self):
        self.start('t4')
        outcomes = self.prove('0000:3b:00.0', first=1)
        found = {v.question: v.word for v in verdicts.verdicts(outcomes)}
        self.assertEqual(
            {
                'nvidia-whole': 'seen',
                'nvidia-mdev-driver': 'seen',
                'libvirt-override': 'seen',
            },
            found,
        )
        text = report.after(outcomes)
        self.assertIn('0000:3b:00.0 NVIDIA Tesla T4', text)
        self.assertIn('  passed  PGPU  0.', text)
        self.assertIn('  seen  [nvidia-whole] A card', text)
        self.assertLessEqual(max(map(len, text.splitlines())), 79)

    def command(self, *arguments):
        """Run the command on the host, and return its status and output."""
        here = prove.Here(
            self.machine, self.libvirt, lock.Lock(self.host.root)
        )
        self.useFixture(
            fixtures.MonkeyPatch('nova_gpuvirt.cli.prove._here', lambda: here)
        )
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            app = shell.Shell()
            # Also where an older version of the package is installed.
            app.command_manager.add_command('prove', prove.Prove)
            status = app.run(['prove', *arguments])
        return status, out.getvalue()

    def test_card_is_named_as_lspci_prints_it(self):
        self.start('t4')
        status, told = self.command('--plan', '3B:00.0')
        self.assertEqual(0, status)
        self.assertIn('  passthrough:0000:3b:00.0\n', told)
        self.assertNotIn('no such card', told)

    def test_what_is_no_address_is_not_looked_for(self):
        self.start('t4')
        with contextlib.redirect_stderr(io.StringIO()) as told:
            self.assertRaises(SystemExit, self.command, '3b')
        self.assertIn("'3b' is no card such as", told.getvalue())

    def image(self):
        """Name the files of a guest, as who is in their folder does."""
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name in ('k', 'i'):
            (folder / name).touch()
        self.addCleanup(os.chdir, pathlib.Path.cwd())
        os.chdir(folder)
        (folder / 'k').write_text('a kernel')
        return '--kernel', 'k', '--initrd', 'i'

    def test_guest_is_found_from_wherever_libvirt_stands(self):
        self.start('gvtg-1g')
        booted = []
        create = self.libvirt.createXML

        def started(xml, flags):
            kernel = pathlib.Path(etree.fromstring(xml).findtext('os/kernel'))
            # QEMU reads it as another user.
            self.assertTrue(kernel.is_absolute())
            self.assertEqual(0o711, kernel.parent.stat().st_mode & 0o777)
            booted.append(kernel.read_text())
            return create(xml, flags)

        self.libvirt.createXML = started
        self.command(*self.image(), '--yes')
        self.assertEqual({'a kernel'}, {*booted})

    def test_who_ends_it_while_libvirt_starts_a_guest_leaves_nothing(self):
        self.start('gvtg-1g')
        create = self.libvirt.createXML

        def interrupted(xml, flags):
            create(xml, flags)
            raise KeyboardInterrupt

        self.libvirt.createXML = interrupted
        self.assertRaises(KeyboardInterrupt, self.prove)
        self.assertEqual(self.before, self.host.snapshot())

    def test_who_tells_it_to_end_leaves_nothing(self):
        self.start('gvtg-1g')
        create = self.libvirt.createXML
        for number in (signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            self.libvirt.createXML = lambda xml, flags, number=number: (
                create(xml, flags),
                os.kill(os.getpid(), number),
            )[0]
            self.assertRaises(SystemExit, self.command, *self.image(), '--yes')
            self.assertEqual(self.before, self.host.snapshot())
            self.assertEqual(before, signal.getsignal(number))

    def test_lock_is_held_while_offers_are_tried(self):
        self.start('gvtg-1g')
        self.patch(prove, '_LOCK_SECONDS', 0)
        shared = lock.Lock(self.host.root).shared
        create = self.libvirt.createXML
        refused = []

        def started(xml, flags):
            try:
                with shared(0):
                    refused.append(False)
            except exception.Locked:
                refused.append(True)
            return create(xml, flags)

        self.libvirt.createXML = started
        with shared(0):
            status, _ = self.command(*self.image(), '--yes')
        self.assertEqual((1, []), (status, refused))
        self.command(*self.image(), '--yes')
        self.assertEqual({True}, {*refused})

    def test_nothing_is_done_without_a_whole_guest(self):
        self.start('gvtg-1g')
        kernel, initrd = self.image()[:2], self.image()[2:]
        for arguments in (
            (*kernel, '--initrd', 'nothing'),
            ('--kernel', '/', *initrd),
        ):
            status, out = self.command(*arguments, '--yes')
            self.assertEqual(1, status, arguments)
            self.assertNotIn('FAILED', out)
        self.assertEqual(self.before, self.host.snapshot())

    def test_plan_is_told_and_nothing_done(self):
        self.start('t4')
        status, out = self.command('--plan', '0000:3b:00.0')
        self.assertEqual(0, status)
        self.assertIn('0000:3b:00.0 NVIDIA Tesla T4', out)
        self.assertIn('  passthrough:0000:3b:00.0', out)
        with fixtures.MonkeyPatch('sys.stdin', io.StringIO('y\n')):
            status, out = self.command(*self.image())
        self.assertEqual(1, status)
        self.assertIn('Nothing was done', out)
        self.assertEqual(self.before, self.host.snapshot())

    def test_what_is_no_gpu_is_tried_where_it_is_named(self):
        self.start('accelerators')
        addresses = [
            str(g.address)
            for g in self.gpus.survey().gpus
            if g.withheld is not None
        ]
        _, out = self.command('--plan', *addresses)
        self.assertIn('There is nothing to try', out)
        function = self.gpus.survey().gpus[0].function
        _, out = self.command(
            *('--plan', '--accelerator', function.ids_text, *addresses)
        )
        self.assertIn(f'passthrough:{function.address}', out)

    def test_card_that_the_host_uses_is_left_alone(self):
        self.start('t4')
        self.host.start('monitor', '/dev/nvidia0')
        status, out = self.command('--plan', '0000:3b:00.0')
        self.assertEqual(0, status)
        self.assertNotIn('  passthrough:0000:3b:00.0', out)
        self.assertIn('(monitor) of the host has it open', out)

    def test_whole_command(self):
        self.start('gvtg-1g')
        arguments = *self.image(), '--yes'
        status, out = self.command(*arguments)
        self.assertEqual(0, status, out)
        self.assertIn('passed', out)
        self.assertLessEqual(max(map(len, out.splitlines())), 79)
        self.assertEqual(self.before, self.host.snapshot())
        self.libvirt.says_ready = False
        status, out = self.command(*arguments, '--seconds', '0')
        self.assertEqual(1, status)
        self.assertIn('FAILED', out)
        self.assertEqual(self.before, self.host.snapshot())
