"""What a guest had is clean before another one gets it, or goes to nobody."""

import errno
import pathlib
import shutil
import stat
import time

import fixtures

from nova_gpuvirt import model
from nova_gpuvirt.health import record
from nova_gpuvirt.health import records
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import sickness
from tests.functional import base

_TRAIT = 'CUSTOM_GPU_QUARANTINED'
_GONE = '455d900f-4e14-4e4c-a73d-069cbf4541e6'
_WHOLE = 'version: 1\ncards: [{whole: true}]'
_VFS = """
    version: 1
    cards: [{vfs: 2, vf_memory: 2000 MiB}]
"""


class CleaningTestCase(base.GpuTestCase):
    kind = 't4'
    spec = base.PGPU

    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', self.kind)
        self.records = records.Records(self.state_path('host1'))
        self.before = self.left()

    def left(self):
        (rc,) = (key.partition(':')[2] for key in self.spec)
        return self.totals('host1', rc)

    def dirty(self):
        return [
            one
            for found in self.records.read().values()
            for one in found.dirty
        ]

    def driver(self, address):
        return sysfs.Sysfs(self.host.root).link(
            model.PciAddress.parse(address), 'driver'
        )

    def card_of(self, server):
        ((name, _),) = self.gpu_allocations(server).items()
        return name.rpartition('_')[2]

    def assert_free(self):
        """Make sure that all is as it was before anybody had anything."""
        self.assertEqual([], self.dirty())
        self.assertEqual(self.before, self.left())
        self.assertEqual(frozenset(), self.host.unclean())
        self.assertEqual((), self.host.reset_under_a_guest())
        self.assert_agreed()

    def assert_withheld(self, card, why):
        """Make sure that nobody gets anything of a card, and why."""
        self.assertEqual(0, self.left()[card])
        (dirty,) = self.dirty()
        self.assertIn(why, dirty.failed)
        self.run_periodic()
        self.assertEqual(0, self.left()[card])
        self.assertIn(_TRAIT, self.gpu_providers('host1')[card]['traits'])

    def release(self, card):
        (address,) = (a for a in self.records.read() if str(a) == card)
        self.records.change(
            address, lambda r: r.released(record.By.OPERATOR).to_be_tried()
        )
        self.run_periodic()
        self.wait_until_clean()
        self.run_periodic()
        self.run_periodic()


class CardTest(CleaningTestCase):
    def test_is_dirty_while_a_guest_has_it_and_clean_after(self):
        server = self.boot(self.spec)
        (dirty,) = self.dirty()
        self.assertEqual(server['id'], dirty.instance)
        self.assertEqual(self.slot(server), dirty.slot)
        self.assertTrue(all(f.config for f in dirty.functions))
        self._reboot_server(server, hard=True)
        self.assertEqual([dirty], self.dirty())
        self._delete_server(server)
        self.assert_free()

    def test_is_reset_though_vfio_has_not_done_it(self):
        server = self.boot(self.spec)
        card = self.card_of(server)
        self.host.let_close_not_reset(card)
        self._delete_server(server)
        self.assert_free()

    def test_reset_that_fails(self):
        server = self.boot(self.spec)
        card = self.card_of(server)
        sick = sickness.Sickness(self.host, card)
        sick.reset_fails(errno.ENOTTY)
        self._delete_server(server)
        self.assert_withheld(card, 'it reset')
        sick.heal()
        self.release(card)
        self.assert_free()

    def assert_broken(self, how, why):
        server = self.boot(self.spec)
        card = self.card_of(server)
        sick = sickness.Sickness(self.host, card)
        sick.reset_breaks(how)
        self._delete_server(server)
        self.assert_withheld(card, why)
        sick.heal()
        self.release(card)
        self.assert_free()

    def test_config_space_that_is_gone_after_the_reset(self):
        self.assert_broken('config', 'nothing but ones')

    def test_bar_that_is_lost_in_the_reset(self):
        self.assert_broken('bars', 'BAR')

    def test_capability_that_is_gone_after_the_reset(self):
        self.assert_broken('capabilities', 'capability')

    def test_error_that_is_counted_during_the_reset(self):
        self.assert_broken('error', 'PCIe errors')

    def test_driver_that_does_not_take_it_again(self):
        server = self.boot(self.spec)
        card = self.card_of(server)
        sick = sickness.Sickness(self.host, card)
        sick.reset_loses_driver()
        self._delete_server(server)
        self.assert_withheld(card, 'to take it again')
        sick.heal()
        self.release(card)
        self.assert_free()


class UnrememberedTest(CleaningTestCase):
    """What can't be remembered ends no server that is here already."""

    def setUp(self):
        self.flags(resume_guests_state_on_host_boot=True)
        super().setUp()

    def assert_goes_on(self, server):
        """Make sure that it was told, and that it is cleaned in the end."""
        self.assertEqual('ACTIVE', self.api.get_server(server['id'])['status'])
        told = f'that instance {server["id"]} has it'
        self.assertEqual(1, self.log().count(told))
        self.assertEqual(1, len(self.hostdevs('host1', server)))

    def assert_is_remembered(self, server):
        self.run_periodic()
        self.assertEqual(
            [(server['id'], self.slot(server))],
            [(one.instance, one.slot) for one in self.dirty()],
        )
        self.host.let_close_not_reset(self.card_of(server))
        self._delete_server(server)
        self.run_periodic()
        self.assert_free()

    def test_hard_reboot_without_the_folder(self):
        server = self.boot(self.spec)
        folder = self.state_path('host1')
        shutil.rmtree(folder)
        self._reboot_server(server, hard=True)
        self.assert_goes_on(server)
        self.assertIn('install -d', self.log())
        self.run_periodic()
        self.assertIn('Exhausted all hosts', self.boot_refused(self.spec))
        folder.mkdir()
        self.assert_is_remembered(server)

    def test_reboot_of_the_host_with_a_record_that_can_not_be_read(self):
        server = self.boot(self.spec)
        card = self.card_of(server)
        file = self.state_path('host1') / 'cards' / f'{card}.json'
        self.reboot_host('host1', lambda: file.write_text(''))
        self.assert_goes_on(server)
        self.assertIn(str(file), self.log())
        file.unlink()
        self.assert_is_remembered(server)


class HangingTestCase(CleaningTestCase):
    def hang(self):
        server = self.boot(self.spec)
        card = self.card_of(server)
        sick = sickness.Sickness(self.host, card)
        sick.reset_hangs()
        return server, card, sick

    def wait(self, what):
        for _ in range(300):
            if what():
                return
            time.sleep(0.1)
        self.fail('waited in vain')


class KilledTest(HangingTestCase):
    def kill_cleaning(self):
        """Let what waits for the kernel end with nova-compute."""

        def end(*_):
            raise SystemExit

        old = self.computes['host1'].driver
        old._cleaner._resetting._read_back = end

    def test_nova_compute_is_killed_while_the_reset_hangs(self):
        server, card, sick = self.hang()
        self.api.delete_server(server['id'])
        self._wait_until_deleted(server)
        self.wait(lambda: self.left()[card] == 0)
        self.kill_cleaning()
        self.restart_compute_service('host1')
        self.assertEqual(0, self.left()[card])
        self.assertIsNone(self.dirty()[0].failed)
        sick.heal()
        self.run_periodic()
        self.wait(lambda: not self.dirty())
        # Whether NVLinks join the card with others is asked there.
        self.run_periodic()
        self.assert_free()


class HangTest(HangingTestCase):
    reset_seconds = 1.0

    def test_reset_that_does_not_return(self):
        server, card, sick = self.hang()
        self._delete_server(server)
        self.assert_withheld(card, 'no answer within 1 seconds')
        sick.heal()
        self.release(card)
        self.assert_free()


class HookTest(CleaningTestCase):
    def setUp(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.program = folder / 'hook'
        self.said = folder / 'said'
        self.let('exit 0')
        super().setUp()

    def let(self, what):
        self.program.write_text(
            f'#!/bin/sh\necho "$@" >> {self.said}\n{what}\n'
        )
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)

    def _use_sysfs_of(self, name):
        super()._use_sysfs_of(name)
        self.flags(
            clean={'passthrough': 'hook', 'mdev': 'hook'},
            clean_hook=str(self.program),
            clean_hook_seconds=2,
            group='gpuvirt',
        )

    def test_runs_once_for_a_guest(self):
        server = self.boot(self.spec)
        card = self.card_of(server)
        self._reboot_server(server, hard=True)
        self._delete_server(server)
        self.assertEqual(
            [f'{card} passthrough NVIDIA Tesla T4'],
            self.said.read_text().splitlines(),
        )
        self.assert_free()

    def test_one_that_fails_or_hangs(self):
        for what, why in (('exit 7', 'ended with 7'), ('sleep 60', '2 s')):
            self.let(what)
            server = self.boot(self.spec)
            card = self.card_of(server)
            self._delete_server(server)
            self.assert_withheld(card, why)
            self.let('exit 0')
            self.release(card)
            self.assert_free()

    def test_vgpu_is_there_until_the_hook_has_run(self):
        listing = self.host.root / 'sys/bus/mdev/devices'
        self.let(f'ls {listing} >> {self.said}')
        server = self.boot(base.VGPU)
        (mdev,) = [path.name for path in listing.iterdir()]
        self._reboot_server(server, hard=True)
        self.assertEqual([mdev], [path.name for path in listing.iterdir()])
        self._delete_server(server)
        self.assertIn(mdev, self.said.read_text())
        self.assertEqual([], [*listing.iterdir()])
        self.assert_free()


class LayoutTest(base.GpuTestCase):
    def _use_sysfs_of(self, name):
        super()._use_sysfs_of(name)
        self.flags(
            clean={'passthrough': 'hook'},
            clean_hook='/bin/false',
            group='gpuvirt',
        )

    def assert_no_vfs(self, card):
        numvfs = self.host.root / f'sys/bus/pci/devices/{card}/sriov_numvfs'
        self.assertEqual('0', numvfs.read_text().strip())

    def test_no_step_is_taken_on_a_dirty_card(self):
        """Also in the first moment of a nova-compute that starts."""
        self.host = self.start_gpu_host(
            'host1', 'b60', bare=True, layout=_WHOLE
        )
        server = self.boot(base.PGPU)
        ((name, _),) = self.gpu_allocations(server).items()
        card = name.rpartition('_')[2]
        self.host.let_close_not_reset(card)
        self._delete_server(server)
        self.run_periodic()
        self.write_layout('host1', _VFS)
        self.run_periodic()
        self.assert_no_vfs(card)
        self.restart_compute_service('host1')
        self.assert_no_vfs(card)
        self.assertEqual({card}, self.host.unclean())


class VfsOfAUnitTest(base.GpuTestCase):
    """VFs that a unit of the operator's makes when the host starts."""

    def numvfs(self, card):
        numvfs = self.host.root / f'sys/bus/pci/devices/{card}/sriov_numvfs'
        return int(numvfs.read_text())

    def test_card_that_was_whole_is_cleaned_and_has_them_still(self):
        self.host = self.start_gpu_host('host1', 'b60', bare=True)
        server = self.boot(base.PGPU)
        ((name, _),) = self.gpu_allocations(server).items()
        card = name.rpartition('_')[2]
        self.host.let_close_not_reset(card)
        self.reboot_host('host1', bare=False)
        self.assertEqual(4, self.numvfs(card))
        self._delete_server(server)
        self.assertEqual(4, self.numvfs(card))
        self.assertEqual(frozenset(), self.host.unclean())
        self.run_periodic()
        self._delete_server(self.boot(base.VGPU))
        self.assert_agreed()


class VfTest(CleaningTestCase):
    """A VF goes to a variant driver of VFIO for its guest, and back."""

    kind = 'b60'
    spec = base.VGPU

    def test_is_clean_beside_another_guest(self):
        servers = [self.boot(self.spec) for _ in range(2)]
        self.assertEqual(2, len(self.dirty()))
        self._delete_server(servers[0])
        (dirty,) = self.dirty()
        self.assertEqual(servers[1]['id'], dirty.instance)
        self.assert_agreed()
        self._delete_server(servers[1])
        self.assert_free()

    def test_one_that_fails_leaves_the_other_guest_alone(self):
        first, second = (self.boot(self.spec) for _ in range(2))
        card = self.card_of(first)
        vf = self.slot(first).partition(':')[2].partition('@')[0]
        sickness.Sickness(self.host, vf).reset_fails(errno.EIO)
        self._delete_server(first)
        self.run_periodic()
        self.assertEqual(0, self.left()[card])
        self.assertIn(_TRAIT, self.gpu_providers('host1')[card]['traits'])
        self._reboot_server(second, hard=True)
        self.assertEqual('vfio-pci', self.driver(vf))


class MovesTest(CleaningTestCase):
    def setUp(self):
        self.flags(allow_resize_to_same_host=True)
        super().setUp()

    def test_resize_within_the_host_and_back(self):
        server = self.boot(self.spec)
        (first,) = self.dirty()
        self._resize_server(server, self.flavor(self.spec))
        self.assertEqual(2, len(self.dirty()))
        self._revert_resize(server)
        self.wait_until_one(first.slot)
        self.wait_until_clean()

        self._resize_server(server, self.flavor(self.spec))
        self._confirm_resize(server)
        self.wait_until_one(self.slot(server))
        self._delete_server(server)
        self.assert_free()

    def wait_until_one(self, slot):
        for _ in range(300):
            if [slot] == [one.slot for one in self.dirty()]:
                return
            time.sleep(0.1)
        self.fail(f'{self.dirty()} is dirty, and not {slot} alone')

    def test_next_guest_waits_for_the_one_before(self):
        # As where Nova has handed the slot out before it knew of the dirt.
        cards = [self.boot(self.spec) for _ in self.before]
        slot = self.slot(cards[0])
        card = self.card_of(cards[0])
        gone = record.Dirty(slot, _GONE, '2026-11-30T02:56:03Z')
        (address,) = (a for a in self.records.read() if str(a) == card)
        self._reboot_server(cards[0], hard=True)
        self.records.change(
            address, lambda r: r.cleaned(r.dirty[0]).with_dirty(gone)
        )
        self._reboot_server(cards[0], hard=True)
        self.assertEqual(
            [cards[0]['id']],
            [one.instance for one in self.dirty() if one.slot == slot],
        )
        self.assert_agreed()

    def test_server_that_is_older_than_its_mark(self):
        server = self.boot(self.spec)
        ((address, _),) = self.records.read().items()
        self.records.change(address, lambda r: record.Record(layout=r.layout))
        self.run_periodic()
        (dirty,) = self.dirty()
        self.assertEqual(server['id'], dirty.instance)
        self._delete_server(server)
        self.assert_free()

    def test_server_that_is_older_and_deleted_right_after_a_restart(self):
        server = self.boot(self.spec)
        ((address, _),) = self.records.read().items()
        self.host.let_close_not_reset(self.card_of(server))
        self.records.change(address, lambda r: record.Record(layout=r.layout))
        self.restart_compute_service('host1')
        (dirty,) = self.dirty()
        self.assertEqual(server['id'], dirty.instance)
        self._delete_server(server)
        # Whether NVLinks join the card with others is asked there.
        self.run_periodic()
        self.assert_free()

    def test_nothing_that_can_not_be_remembered_is_given(self):
        cards = self.state_path('host1')
        shutil.rmtree(cards)
        self.run_periodic()
        self.boot_refused(self.spec)
        self.assertIn('install -d', self.log())
        cards.mkdir()
        self._delete_server(self.boot(self.spec))
        self.assert_free()
