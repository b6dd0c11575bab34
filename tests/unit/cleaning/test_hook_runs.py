"""The site's program runs once for what nobody has any more."""

import contextlib
import errno
import pathlib

import fixtures

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import vgpu
from nova_gpuvirt.health import record
from nova_gpuvirt.health import ways
from nova_gpuvirt.simulation import sickness
from tests.unit.cleaning import base

_T4 = base.T4


class HookTest(base.CleanerTestCase):
    """The site's program runs once for a card that nobody has any more."""

    def setUp(self):
        super().setUp()
        self.have_a_whole_card()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.said = folder / 'said'
        self.program = folder / 'hook'
        device = self.host.root / f'sys/bus/pci/devices/{_T4}'
        lock = f'{self.host.root}/proc/driver/nvidia/gpus/{_T4}/unbindLock'
        self.write(
            f'echo $(basename $(readlink {device}/driver)) $(cat {lock}) '
            f'>> {self.said}'
        )
        self.one = self.cleaner(ways.Way.HOOK, str(self.program))

    def write(self, text):
        self.program.write_text(f'#!/bin/sh\n{text}\n')
        self.program.chmod(0o755)

    def clean_once(self, error=None):
        if error is None:
            self.one.clean(self.card, self.dirty)
        else:
            self.assertRaises(error, self.one.clean, self.card, self.dirty)

    def runs(self):
        return self.said.read_text().splitlines() if self.ran else []

    @property
    def ran(self):
        return self.said.exists()

    def test_has_the_driver_from_before_and_may_open_the_card(self):
        self.clean_once()
        self.assertEqual(['nvidia 0'], self.runs())

    def test_waits_for_a_guest(self):
        self.libvirt.guest = 'an orphan'
        for _ in range(3):
            self.clean_once(exception.ReleaseFailed)
        self.assertFalse(self.ran)
        self.libvirt.guest = None
        self.clean_once()
        self.assertEqual(['nvidia 0'], self.runs())

    def test_waits_for_a_process_of_the_host(self):
        pid = self.host.start('python3', '/dev/nvidia0')
        self.clean_once(exception.ReleaseFailed)
        self.assertFalse(self.ran)
        self.host.stop(pid)
        self.clean_once()
        self.assertTrue(self.ran)

    def test_is_not_run_again_where_the_reset_failed(self):
        sick = sickness.Sickness(self.host, _T4)
        sick.reset_fails(errno.ENOTTY)
        for _ in range(2):
            self.clean_once(exception.CleanFailed)
        sick.heal()
        self.clean_once()
        self.assertEqual(['nvidia 0'], self.runs())

    def test_runs_for_the_next_time_that_the_instance_had_it(self):
        for _ in range(2):
            self.clean_once()
        self.assertEqual(2, len(self.runs()))

    def test_runs_again_where_the_instance_had_it_again(self):
        sick = sickness.Sickness(self.host, _T4)
        sick.reset_fails(errno.ENOTTY)
        self.clean_once(exception.CleanFailed)
        self.one.forget(self.dirty.instance)
        self.clean_once(exception.CleanFailed)
        self.assertEqual(2, len(self.runs()))

    def test_runs_again_after_it_failed(self):
        self.write(f'echo x >> {self.said}; exit 1')
        for _ in range(2):
            self.clean_once(exception.CleanFailed)
        self.assertEqual(2, len(self.runs()))


class VgpuHookTest(base.CleanerTestCase):
    def test_waits_for_the_guest_that_has_the_vgpu(self):
        self.start('t4')
        survey = self.gpus.survey(refresh=True)
        profile = next(
            s for g in survey.gpus for s in g.shares if s.kind == 'mdev'
        ).profiles[0]
        slot = model.Slot('mdev', survey.gpus[0].address, 0, profile.slug)
        dirty = record.Dirty(str(slot), base.INSTANCE, '2026-11-30T02:56:03Z')
        self.libvirt.guest = 'an orphan'
        asked = []
        self.libvirt.guest_with = lambda vgpu: asked.append(vgpu) or 'it'
        error = self.assertRaises(
            exception.ReleaseFailed,
            self.clean,
            slot.device,
            dirty,
            way=ways.Way.HOOK,
            program='/bin/false',
        )
        self.assertIn('the running guest it', error.found)
        self.assertEqual([vgpu.uuid_of(slot, base.INSTANCE)], asked)


class HooksTest(base.CleanerTestCase):
    """The site's program for an instance that had several cards."""

    def test_each_card_has_its_own(self):
        self.start('mi300x-hive')
        survey = self.gpus.survey(refresh=True)
        first, second = [g.address for g in survey.gpus][:2]
        self.handover.attach(
            base.INSTANCE,
            [model.Claim('', f'passthrough:{x}') for x in (first, second)],
        )
        entries = dict(self.dirt.entries())
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        said = folder / 'said'
        program = folder / 'hook'
        program.write_text(f'#!/bin/sh\necho $1 >> {said}\n')
        program.chmod(0o755)
        one = self.cleaner(ways.Way.HOOK, str(program))
        sickness.Sickness(self.host, str(second)).reset_fails(errno.ENOTTY)
        for card in (second, first, second):
            with contextlib.suppress(exception.CleanFailed):
                one.clean(card, entries[card])
        self.assertEqual([str(second), str(first)], said.read_text().split())
