"""A capture has what discovery reads of a host, and nothing beside it."""

import dataclasses
import os
import sys

import testtools

from nova_gpuvirt.capture import contents
from nova_gpuvirt.capture import document
from nova_gpuvirt.capture import taking
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts as hosts_
from tests.unit.capture import hosts


class _Watch:
    """What this process opens and lists, as Python's audit hooks tell."""

    def __init__(self):
        self.below = None
        self.seen = set()
        sys.addaudithook(self._note)  # there is no way to take it away

    def _note(self, event, args):
        if isinstance(args[0] if args else None, int):
            return  # it was seen when it was opened
        if self.below and event in ('open', 'os.listdir', 'os.scandir'):
            path = os.path.abspath(os.fsdecode(args[0] or '.'))
            if path.startswith(f'{self.below}/'):
                self.seen.add(os.path.relpath(path, self.below))

    def asleep(self, power):
        """Let root answer, who opens what it likes in its own name."""
        watch = self

        class Root:
            def __getattr__(self, name):
                def ask(*arguments):
                    below, watch.below = watch.below, None
                    try:
                        return getattr(power, name)(*arguments)
                    finally:
                        watch.below = below

                return ask

        return Root()

    def during(self, below, call):
        """Call, and list what it opened and listed below a folder."""
        self.seen.clear()
        self.below = os.fspath(below)
        try:
            return call(), set(self.seen)
        finally:
            self.below = None


def _refuse(argv):
    raise commands.CommandFailed(f'{argv[0]}: no way to gpu-7.example.org')


class TakingTest(testtools.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.watch = _Watch()

    def test_nothing_is_read_beside_the_doors(self):
        for name in hosts_.names():
            started = self.useFixture(hosts.Started(name))
            tree = started.machine.sysfs
            machine = dataclasses.replace(
                started.machine,
                sysfs=sysfs.Sysfs(tree.root, self.watch.asleep(tree.rootly)),
            )
            taken, opened = self.watch.during(
                started.root,
                lambda machine=machine: taking.take(machine, str),
            )
            asked = {
                q.path
                for q in taken.document.files
                if q.method in ('read', 'names')
            }
            # The host's name is looked for in what is captured.
            self.assertEqual(
                {'proc/sys/kernel/hostname'}, opened - asked, name
            )
            self.assertEqual([], contents.unknown(taken.document), name)
            for path in asked:
                self.assertNotRegex(
                    path, '/(reset(_gpu)?|rom|remove|resource\\d)$'
                )

    def test_what_tells_a_host_from_others_is_not_in_it(self):
        started = self.useFixture(
            hosts.Started(
                'h100-mig',
                name='secret-host',
                processes=('nvidia-vgpu-mgr', 'secret-daemon'),
            )
        )
        started.host.end('nvidia-vgpu-mgr')
        run = started.machine.run
        address = next(
            f.address for f in started.host.description.functions if f.vfs
        )
        query = run(['nvidia-smi', '-q', '-i', address])
        taken = taking.take(started.machine, str)
        text = document.dump(taken.document) + taken.contents
        for line in query.splitlines():
            if 'Serial' in line or 'UUID' in line:
                self.assertNotIn(line.rpartition(' ')[2], text)
        self.assertIn('Serial Number                         : serial', text)
        self.assertNotIn('secret', text)

    def test_what_is_told_has_the_same_replaced(self):
        started = self.useFixture(hosts.Started('h100', name='gpu-7'))
        machine = dataclasses.replace(started.machine, run=_refuse)
        taken = taking.take(machine, lambda host: str(host.fabrics))
        self.assertIn('no way to host', taken.told)
        self.assertNotIn('gpu-7', taken.told + document.dump(taken.document))

    def test_list_fits_a_terminal_and_names_what_was_replaced(self):
        started = self.useFixture(hosts.Started('l40s'))
        lines = taking.take(started.machine, str).contents.splitlines()
        self.assertLessEqual(max(map(len, lines)), 79)
        self.assertIn(
            'Replaced, the same by the same: 2 serial numbers, 2 UUIDs.', lines
        )
        self.assertIn('     2  what "nvidia-smi -q -i ADDRESS" said', lines)
