"""Each line shows its own fault, and no other's."""

import functools
import logging
import pathlib
import threading

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt.capture import document
from nova_gpuvirt.capture import replay
from nova_gpuvirt.capture import taking
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import lines
from nova_gpuvirt.checks import nova_conf
from nova_gpuvirt.checks import subject
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import one_fault
from tests.unit.checks import subjects

FAIL = finding.Level.FAIL
WARN = finding.Level.WARN
PASS = finding.Level.PASS

# What each fault is, and the cards that it is about.
LEVELS = {
    'acs': WARN,
    'ari': FAIL,
    'classes': FAIL,
    'driver': FAIL,
    'drivers': WARN,
    'fabric-manager': WARN,
    'gim': WARN,
    'gpus': FAIL,
    'groups': FAIL,
    'holders': WARN,
    'huge-pages': WARN,
    'iommu': FAIL,
    'large-bars': FAIL,
    'layout': WARN,
    'libvirt': FAIL,
    'masters': FAIL,
    'memlock': WARN,
    'nova.conf': FAIL,
    'nvidia-vgpu': FAIL,
    'opengl': WARN,
    'options': FAIL,
    'privsep': FAIL,
    'processes': WARN,
    'quarantine': WARN,
    'resets': WARN,
    'scheduler': WARN,
    'sudo': FAIL,
    'user': WARN,
    'vfio': FAIL,
    'vfs': WARN,
    'vulkan': FAIL,
}
DEVICES = {
    'ari': ('0000:41:00.0', '0000:a1:00.0'),
    'drivers': ('0000:41:00.0',),
    'gim': ('0000:43:00.0',),
    'gpus': ('0000:5e:00.0',),
    'groups': ('0000:0f:00.0',),
    'holders': ('0000:3b:00.0',),
    'large-bars': (
        *('0000:05:00.0', '0000:26:00.0', '0000:46:00.0', '0000:65:00.0'),
        *('0000:85:00.0', '0000:a6:00.0', '0000:c6:00.0', '0000:e5:00.0'),
    ),
    'layout': ('0000:41:00.0', '0000:a1:00.0'),
    'libvirt': ('0000:41:00.0', '0000:a1:00.0'),
    'masters': ('0000:5e:00.0',),
    'nvidia-vgpu': ('0000:41:00.0', '0000:a1:00.0'),
    'opengl': ('0000:44:00.0',),
    'privsep': ('0000:41:00.0', '0000:a1:00.0'),
    'quarantine': ('0000:5e:00.0',),
    'resets': ('0000:00:02.0',),
    'sudo': ('0000:41:00.0', '0000:a1:00.0'),
    'vfs': ('0000:41:00.0',),
}
# Hosts that are not healthy, and the lines that say so.
UNHEALTHY = {'off-bus': {'gpus'}}


class LinesTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        # What discovery logs of a fault is tested elsewhere.
        self.useFixture(fixtures.FakeLogger(level=logging.CRITICAL))

    @staticmethod
    @functools.cache
    def healthy(name):
        """Ask the host of that name."""
        start = functools.partial(hosts.simulated, name)
        with subjects.Checked(start) as checked:
            return checked.told()

    def test_each_line_shows_its_own_fault_and_no_other(self):
        for name, fault in one_fault.FAULTS.items():
            start = functools.partial(one_fault.simulated, name)
            with subjects.Checked(start) as checked:
                told = checked.told()
            before = self.healthy(fault.host)
            levels = {f.level for of in before.values() for f in of}
            self.assertEqual({PASS}, levels, name)
            self.assertEqual(before.keys(), told.keys(), name)
            changed = {n for n in told if told[n] != before[n]}
            self.assertEqual({name}, changed)
            (found,) = told[name]
            self.assertIs(LEVELS[name], found.level, name)
            self.assertEqual(DEVICES.get(name, ()), found.devices, name)
            self.assertTrue(found.remedy, name)

    def test_each_line_has_a_fault(self):
        names = [line.name for line in lines.LINES]
        self.assertEqual(sorted(names), sorted(one_fault.FAULTS))
        self.assertEqual(sorted(names), sorted(LEVELS))

    def test_healthy_hosts_do_not_fail(self):
        for name in hosts.names():
            told = self.healthy(name)
            self.assertEqual([line.name for line in lines.LINES], [*told])
            failed = {
                line
                for line, found in told.items()
                if any(f.level is FAIL for f in found)
            }
            self.assertEqual(UNHEALTHY.get(name, set()), failed, name)

    def test_what_is_normal_is_no_complaint(self):
        for name in ('l40s', 't4', 'mi300x', 'b60', 'epyc', 'hgx-b200'):
            levels = {
                f.level for of in self.healthy(name).values() for f in of
            }
            self.assertEqual({PASS}, levels, name)

    def test_entry_of_the_layout_that_selects_no_card(self):
        start = functools.partial(hosts.simulated, 'l40s')
        checked = self.useFixture(subjects.Checked(start))
        file = checked.root / 'etc/nova-gpuvirt/layout.yaml'
        file.parent.mkdir()
        file.write_text(
            'version: 1\ncards:\n- select: {vendor: AMD}\n  whole: true\n'
        )
        (found,) = checked.told()['layout']
        self.assertIs(WARN, found.level)
        self.assertIn('the entry in line 3 of the layout', found.found)

    def test_it_changes_nothing(self):
        for name in ('l40s', 'mi300x', 't4'):
            start = functools.partial(hosts.simulated, name)
            with subjects.Checked(start) as checked:
                before = checked.host.snapshot()
                checked.told()
                self.assertEqual(before, checked.host.snapshot())

    def test_a_capture_says_what_it_does_not_have(self):
        start = functools.partial(hosts.simulated, 't4')
        checked = self.useFixture(subjects.Checked(start))
        taken = taking.take(checked.machine, str)
        text = document.dump(taken.document)
        machine = replay.of(document.parse(text, 'x.json'), 'x.json')
        conf = nova_conf.load(machine.sysfs.root)
        told = dict(lines.ask_all(subject.of(machine, conf)))
        self.assertEqual(self.healthy('t4')['gpus'], [told['gpus']])
        for name in ('groups', 'iommu', 'resets'):
            self.assertIs(PASS, told[name].level, name)
        for name in ('acs', 'huge-pages', 'nova.conf', 'user'):
            self.assertIs(WARN, told[name].level, name)
            self.assertIn('the capture ', told[name].found)
            self.assertIn('on the host', told[name].remedy)
        self.assertNotIn('driver', told)
        self.assertNotIn(FAIL, {f.level for f in told.values()})

    def test_no_nova_conf_is_told_once(self):
        start = functools.partial(hosts.simulated, 't4')
        checked = self.useFixture(subjects.Checked(start))
        (checked.root / 'etc/nova/nova.conf').unlink()
        told = checked.told()
        (found,) = told['nova.conf']
        self.assertIs(WARN, found.level)
        gone = self.healthy('t4').keys() - told.keys()
        self.assertEqual(
            {'driver', 'options', 'masters', 'classes', 'scheduler'}, gone
        )

    def test_a_line_that_breaks_hides_no_other(self):
        start = functools.partial(hosts.simulated, 'none')
        seen = self.useFixture(subjects.Checked(start)).subject

        def ask(error):
            def raised(subject):
                yield finding.passed('so far')
                raise error

            return raised

        sick = exception.SysfsError(
            'x', wanted='a', found='b', remedy='do this'
        )
        for error, said, remedy in (
            (ValueError('odd'), "ValueError('odd')", 'as root'),
            (finding.Unseen('not seen', 'look'), 'not seen', 'look'),
            (sick, 'x: wanted a, found b', 'do this'),
        ):
            broken = lines.Line('broken', ask(error))
            well = lines.Line('well', lambda s: [finding.passed('fine')])
            self.useFixture(
                fixtures.MockPatchObject(lines, 'LINES', [broken, well])
            )
            (_, first), second = lines.ask_all(seen)
            self.assertIs(WARN, first.level)
            self.assertIn(said, first.found)
            self.assertIn(remedy, first.remedy)
            self.assertEqual(('well', finding.passed('fine')), second)

    def test_a_line_that_hangs_is_left_behind(self):
        start = functools.partial(hosts.simulated, 'none')
        seen = self.useFixture(subjects.Checked(start)).subject
        never = threading.Event()
        self.addCleanup(never.set)
        hangs = lines.Line('hangs', lambda s: [never.wait()])
        for name, value in (('LINES', [hangs]), ('SECONDS', 0.1)):
            self.useFixture(fixtures.MockPatchObject(lines, name, value))
        ((_, found),) = lines.ask_all(seen)
        self.assertIs(WARN, found.level)
        self.assertIn('no answer within 0.1 seconds', found.found)

    def test_a_fault_that_is_not_known(self):
        self.assertRaises(
            KeyError, one_fault.simulated, 'nothing', pathlib.Path('/x')
        )
