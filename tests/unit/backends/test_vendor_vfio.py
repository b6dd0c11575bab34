"""A VF becomes a vGPU and is taken back, each with its check before.

NVIDIA's driver refuses much of what is checked before, and so does the
simulated one: what counts here is also that nothing was written.
"""

import dataclasses
import errno
import pathlib
import threading
import time
from collections import Counter

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import vendor_vfio
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root
from nova_gpuvirt.simulation import simulated

_CARD = model.PciAddress.parse('0001:c8:00.0')
_VF = model.PciAddress.parse('0001:c8:00.2')
_CURRENT = 'nvidia/current_vgpu_type'
_48Q = 1535
_24Q = 1531
_SLOT = model.Slot('vendor-vfio', _VF, profile='nvidia-dc-48q')
_MANAGER = 'nvidia-vgpu-mgr'


def _few_vfs(enabled=4, kind='domain-1', **changes):
    """Describe a card with VFs for a few guests, to be quick."""
    host = hosts.HOSTS[kind]()
    functions = tuple(
        dataclasses.replace(
            f,
            vfs=dataclasses.replace(f.vfs, total=4, enabled=enabled),
            **changes,
        )
        if f.vfs
        else f
        for f in host.functions
    )
    return dataclasses.replace(host, functions=functions)


class Libvirt(hypervisor.Absent):
    """A libvirt of any version, with guests that have VFs."""

    def __init__(self):
        super().__init__()
        self.guests = {}
        self.found = 10_000_000

    def guest_with(self, function):
        return self.guests.get(function)

    def version(self):
        return self.found


class Root(root.Root):
    """A root who remembers what he wrote, and may be deaf."""

    def __init__(self, host):
        super().__init__(host)
        self.written = []
        self.moved = []
        self.deaf = False
        self.blind = False

    def set_vgpu_type(self, address, number):
        self.written.append((address, number))
        if not self.deaf:
            super().set_vgpu_type(address, number)

    def set_vgpu_place(self, device, gpu_instance, placement):
        self.moved.append((device, gpu_instance, placement))
        super().set_vgpu_place(device, gpu_instance, placement)

    def openers(self, address):
        if self.blind:
            raise PermissionError(errno.EPERM, 'no process can be seen')
        return super().openers(address)


class VendorVfioTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.logger = self.useFixture(fixtures.FakeLogger())
        self.boot(_few_vfs())

    def boot(self, host):
        """Boot a host with a backend."""
        folder = self.useFixture(fixtures.TempDir()).path
        self.host = simulated.SimulatedHost(host, pathlib.Path(folder))
        self.root = Root(self.host)
        self.libvirt = Libvirt()
        self.sysfs = sysfs.Sysfs(self.host.root, self.root)
        self.names = pciids.PciIds([self.host.root])
        self.start()

    def start(self):
        """Start the backend, which knows nothing yet."""
        seen = machine.Machine(
            self.sysfs, self.names, self.libvirt, self.root.run
        )
        self.backend = vendor_vfio.VendorVfio(seen)

    def found(self):
        """The card as the kernel shows it, before any backend."""
        (gpu,) = discovery.discover(self.sysfs, self.names).gpus
        return gpu

    def card(self):
        gpu = self.found()
        self.backend.refresh(gpu)
        return self.backend.discover(gpu)

    def prepare(self):
        return self.backend.prepare(self.card(), _SLOT, 'guest')

    def refused(self):
        error = self.assertRaises(exception.PrepareFailed, self.prepare)
        return str(error)

    def kept(self):
        error = self.assertRaises(
            exception.ReleaseFailed, self.backend.release, _SLOT, 'guest'
        )
        return str(error)

    def make(self, number=_48Q, vf=_VF):
        """Make a vGPU past the backend, as a stranger does."""
        self.host.write(f'/sys/bus/pci/devices/{vf}/{_CURRENT}', f'{number}\n')

    def current(self):
        return self.sysfs.number(_VF, _CURRENT)


class PlaceTestCase(VendorVfioTestCase):
    """Where sizes mix, a vGPU goes where it leaves the most room."""

    VFS = tuple(model.PciAddress.parse(f'0000:41:00.{n}') for n in range(2, 6))
    KIND = 'rtx-pro-6000'

    def setUp(self):
        super().setUp()
        self.boot(_few_vfs(kind=self.KIND))

    def prepare(self, vf, profile):
        slot = model.Slot('vendor-vfio', vf, profile=f'nvidia-dc-{profile}')
        return self.backend.prepare(self.card(), slot, 'guest')

    def where(self, vf):
        return tuple(
            self.sysfs.read(vf, f'nvidia/{name}')
            for name in ('gpu_instance_id', 'placement_id')
        )

    def left(self):
        share = self.card().share('vendor-vfio')
        return {
            p.slug: n
            for p in share.profiles
            if (n := share.rule.left(share.profiles, Counter())[p.slug])
        }


class PlaceTest(PlaceTestCase):
    def test_beside_another_small_one(self):
        for vf, profile in zip(self.VFS, ('24q', '12q', '24q'), strict=False):
            self.prepare(vf, profile)
        self.sysfs.set_vgpu_type(self.VFS[0], 0)
        # The driver would take 0, and the other half is not free either.
        self.prepare(self.VFS[3], '12q')
        self.assertEqual('36', self.where(self.VFS[3])[1])
        self.assertEqual(1, self.left()['nvidia-dc-24q'])

    def test_place_of_the_driver_stays_where_it_can_not_be_written(self):
        self.prepare(self.VFS[0], '24q')
        self.prepare(self.VFS[1], '24q')
        self.sysfs.set_vgpu_type(self.VFS[0], 0)
        self.host.fail('*/placement_id', errno.EIO)
        self.assertTrue(self.prepare(self.VFS[2], '12q'))
        self.assertEqual(('Not Applicable', '0'), self.where(self.VFS[2]))

    def test_driver_before_r570_is_not_written_to(self):
        (function,) = (f for f in _few_vfs(kind=self.KIND).functions if f.vfs)
        driver = dataclasses.replace(function.pf_driver, can_move=False)
        self.boot(_few_vfs(kind=self.KIND, pf_driver=driver))
        self.prepare(self.VFS[0], '24q')
        self.prepare(self.VFS[1], '24q')
        self.sysfs.set_vgpu_type(self.VFS[0], 0)
        self.root.moved.clear()
        self.prepare(self.VFS[2], '12q')
        self.assertEqual([], self.root.moved)
        rule = self.card().share('vendor-vfio').rule
        self.assertFalse(rule.chosen)

    def test_what_is_left_is_what_has_a_place(self):
        for vf in self.VFS[:3]:
            self.make(1531, vf)
        self.sysfs.set_vgpu_type(self.VFS[1], 0)
        # 24 to 48 and 72 to 96 are free: half of the card, and no half.
        left = self.left()
        self.assertNotIn('nvidia-dc-48q', left)
        self.assertEqual(2, left['nvidia-dc-24q'])


class GpuInstancePlaceTest(PlaceTestCase):
    """The same in GPU instances in which sizes mix."""

    KIND = 'rtx-pro-6000-mig'

    def test_beside_another_small_one(self):
        for vf, profile in zip(
            self.VFS, ('1-12q', '1-12q', '1-6q'), strict=False
        ):
            self.prepare(vf, profile)
        self.assertEqual('4', self.where(self.VFS[2])[0])
        self.sysfs.set_vgpu_type(self.VFS[0], 0)
        # The driver would take the first GPU instance, which has a half.
        self.prepare(self.VFS[3], '1-6q')
        self.assertEqual(('4', '6'), self.where(self.VFS[3]))
        self.assertEqual(1, self.left()['nvidia-dc-1-12q'])


class DiscoverTest(VendorVfioTestCase):
    def share(self):
        return self.card().share('vendor-vfio')

    def test_card_is_asked_again_only_when_its_vfs_changed(self):
        asked = []
        self.root.run = lambda argv, run=self.root.run: (
            asked.append(argv),
            run(argv),
        )[1]
        self.start()
        self.card()
        first = len(asked)
        self.assertGreater(first, 0)
        self.card()
        self.assertEqual(first, len(asked))
        self.make()
        self.card()
        self.assertGreater(len(asked), first)

    def test_sizes_that_are_mixed_later_are_seen_on_an_idle_card(self):
        self.assertIs(size_rules.EQUAL_SIZE, self.share().rule)
        self.root.set_mixed_sizes(str(_CARD), None, True)
        self.assertIs(size_rules.EQUAL_SIZE, self.share().rule)
        later = time.monotonic() + 600
        self.useFixture(
            fixtures.MockPatchObject(
                self.backend._smi, '_clock', lambda: later
            )
        )
        self.assertIsNot(size_rules.EQUAL_SIZE, self.share().rule)

    def test_command_that_hangs_is_started_once(self):
        self.host.hang('nvidia-smi')
        said = self.failures()
        before = self.found().traits
        for _ in range(3):
            self.assertEqual(before, self.card().traits)
        self.assertEqual(1, sum('timed out' in s for s in said))

    def failures(self):
        """Collect what failing commands say from now on."""
        said = []

        def run(argv, run=self.root.run):
            try:
                return run(argv)
            except commands.CommandFailed as error:
                said.append(str(error))
                raise

        self.root.run = run
        self.start()
        return said

    def test_libvirt_is_asked_once_for_its_version(self):
        self.card()
        self.libvirt.found = 9_000_000
        self.assertIsNone(self.share().refusal)

    def test_libvirt_that_is_too_old_is_named(self):
        self.libvirt.found = 9_999_999
        self.assertIn('libvirt 9999999 can not give', self.share().refusal)

    def test_libvirt_that_is_not_asked_yet_refuses_nothing(self):
        share = self.backend.discover(self.found()).share('vendor-vfio')
        self.assertIsNone(share.refusal)

    def test_compute_capability_is_what_the_command_says(self):
        trait = 'CUSTOM_GPU_CUDA_COMPUTE_CAPABILITY_V12_0'
        self.assertIn(trait, self.card().traits)
        self.host.fail('nvidia-smi', errno.EIO, times=99)
        self.start()
        self.assertNotIn(trait, self.card().traits)

    def test_command_that_tells_no_compute_capability(self):
        def older(argv, run=self.root.run):
            if any('compute_cap' in word for word in argv):
                raise commands.CommandFailed('not a valid field to query')
            return run(argv)

        self.root.run = older
        self.start()
        self.assertEqual(self.found().traits, self.card().traits)

    def test_vf_that_does_not_go_alone_is_withheld(self):
        group = f'{self.host.root}/sys/kernel/iommu_groups'
        number = self.sysfs.link(_VF, 'iommu_group')
        other = model.PciAddress.parse('0001:c8:00.3')
        pathlib.Path(group, number, 'devices', str(other)).symlink_to('x')
        share = self.share()
        self.assertEqual([_VF], list(share.withheld))
        self.assertIn(f'take along {other}', share.withheld[_VF])
        self.assertNotIn(_VF, share.profiles[0].places)

    def test_vf_whose_neighbour_can_not_be_read_is_withheld_alone(self):
        group = f'{self.host.root}/sys/kernel/iommu_groups'
        number = self.sysfs.link(_VF, 'iommu_group')
        pathlib.Path(group, number, 'devices', '0001:c9:00.0').symlink_to('x')
        share = self.share()
        self.assertEqual([_VF], list(share.withheld))
        self.assertIsNone(share.refusal)

    def test_vf_whose_type_can_not_be_read_is_withheld_alone(self):
        self.host.break_file(str(_VF), _CURRENT, None)
        share = self.share()
        self.assertEqual([_VF], list(share.withheld))
        self.assertIn(_CURRENT, share.withheld[_VF])
        self.assertIsNone(share.refusal)

    def test_vf_whose_gpu_instance_can_not_be_read_is_still_one(self):
        self.make()
        for text in (None, 'Not Applicable\n'):
            self.host.break_file(str(_VF), 'nvidia/gpu_instance_id', text)
            share = self.share()
            self.assertEqual({}, share.withheld)
            self.assertEqual([str(_VF)], [v.device for v in share.vgpus])

    def test_list_in_a_form_that_nobody_knows_is_no_empty_list(self):
        for vf in self.found().virtfns:
            self.host.break_file(
                str(vf), 'nvidia/creatable_vgpu_types', '{"types": 1}\n'
            )
        share = self.share()
        self.assertIsNone(share.refusal)
        self.assertIn('report this form', share.withheld[_VF])

    def test_daemon_is_named_where_nothing_can_be_made(self):
        for vf in self.found().virtfns:
            self.host.break_file(
                str(vf), 'nvidia/creatable_vgpu_types', 'ID    : vGPU Name\n'
            )
        self.assertNotIn(_MANAGER, self.share().refusal)
        self.host.end(_MANAGER)
        self.assertIn(f'{_MANAGER} is not running', self.share().refusal)

    def test_daemon_that_a_container_hides_is_not_called_missing(self):
        for vf in self.found().virtfns:
            self.host.break_file(
                str(vf), 'nvidia/creatable_vgpu_types', 'ID    : vGPU Name\n'
            )
        self.host.hide_processes()
        refusal = self.share().refusal
        self.assertNotIn('is not running', refusal)
        self.assertIn(f'whether {_MANAGER} runs can not be seen', refusal)
        self.assertIn('pid_mode: host', refusal)

    def test_daemon_is_not_missed_where_something_can_be_made(self):
        self.host.end(_MANAGER)
        self.assertIsNone(self.share().refusal)


class GpuInstancesTest(VendorVfioTestCase):
    """A card with seven GPU instances, asked by a user who is not root."""

    def setUp(self):
        super().setUp()
        host = hosts.HOSTS['h100-mig']()
        first = tuple(
            dataclasses.replace(
                f, vfs=dataclasses.replace(f.vfs, total=8, enabled=8)
            )
            if f.vfs
            else f
            for f in host.functions
            if f.address.startswith(('0000:40', '0000:41'))
        )
        self.boot(dataclasses.replace(host, functions=first))

    def small(self):
        share = self.card().share('vendor-vfio')
        return share, share.profile('nvidia-h100-1-10c').available

    def test_root_counts_them_for_it(self):
        share, count = self.small()
        self.assertEqual(7, count)
        self.assertIsNone(share.doubt)

    def test_without_root_they_are_in_doubt_and_not_one(self):
        self.sysfs = sysfs.Sysfs(self.host.root)
        self.start()
        share, _ = self.small()
        self.assertIs(size_rules.ONE_AT_A_TIME, share.rule)
        self.assertIn('root must ask', share.doubt)
        self.assertIn('Insufficient Permissions', self.logger.output)

    def test_daemon_that_can_not_start_leaves_what_was_known(self):
        self.small()
        self.root.gpu_instances = self.refuse
        self.make(1010, vf='0000:41:00.4')
        share, count = self.small()
        self.assertEqual(6, count)
        self.assertIsNone(share.doubt)
        self.assertIn('no sudo', self.logger.output)

    def refuse(self, address):
        raise commands.CommandFailed('no sudo')


class WithoutTypesTest(VendorVfioTestCase):
    """Cards of which there are no vGPUs to be had."""

    def refusals(self, gpu):
        return [s.refusal for s in self.backend.discover(gpu).shares]

    def test_vfs_that_are_not_enabled(self):
        self.boot(_few_vfs(enabled=0))
        (refusal,) = self.refusals(self.found())
        self.assertIn(f'sriov-manage -e {_CARD}', refusal)

    def test_vfs_without_types(self):
        self.boot(_few_vfs(pf_driver=None))
        (refusal,) = self.refusals(self.found())
        self.assertIn('its VFs show no vGPU types', refusal)

    def test_card_that_makes_none_has_no_share(self):
        self.boot(_few_vfs(pf_driver=None))
        gpu = self.found()
        for changes in (
            {'driver': 'vfio-pci'},
            {'driver': None},
            {'sriov_totalvfs': 0, 'virtfns': ()},
        ):
            function = dataclasses.replace(gpu.function, **changes)
            other = dataclasses.replace(gpu, function=function)
            self.assertEqual([], self.refusals(other), changes)
        renderer = dataclasses.replace(
            gpu,
            function=None,
            companions=(),
            render_node=model.RenderNode.parse('renderD128'),
        )
        self.assertEqual([], self.refusals(renderer))

    def test_card_that_makes_mdevs_is_not_told_to_make_others(self):
        self.boot(_few_vfs(pf_driver=None))
        mdevs = model.Share('mdev', size_rules.EQUAL_SIZE, _CARD)
        gpu = dataclasses.replace(self.found(), shares=(mdevs,))
        self.assertEqual((mdevs,), self.backend.discover(gpu).shares)


class PrepareTest(VendorVfioTestCase):
    def test_vgpu_is_made_once(self):
        self.assertTrue(self.prepare())
        self.assertFalse(self.prepare())
        self.assertEqual([(str(_VF), _48Q)], self.root.written)
        self.assertEqual(_48Q, self.current())

    def test_another_type_is_never_written_over(self):
        self.make(_24Q)
        self.assertIn('that it is a nvidia-dc-24q', self.refused())
        self.assertEqual([], self.root.written)

    def test_type_without_a_name_is_made_anew(self):
        self.make()
        self.make(vf='0001:c8:00.3')
        self.host.fail('nvidia-smi', errno.EIO, times=99)
        self.assertTrue(self.prepare())
        self.assertEqual([(str(_VF), 0), (str(_VF), _48Q)], self.root.written)

    def test_type_of_a_moment_ago_is_never_written_over(self):
        gpu = self.card()
        self.make()
        error = self.assertRaises(
            exception.PrepareFailed, self.backend.prepare, gpu, _SLOT, 'guest'
        )
        self.assertIn('vGPU of this moment', str(error))
        self.assertEqual([], self.root.written)

    def test_profile_that_can_not_be_made_is_not_written(self):
        self.make(_24Q, vf='0001:c8:00.3')
        self.assertIn('it can become NVIDIA RTX Pro 6000', self.refused())
        self.assertEqual([], self.root.written)

    def test_vf_that_can_become_nothing_is_not_written(self):
        for vf in ('0001:c8:00.3', '0001:c8:00.4'):
            self.make(vf=vf)
        self.assertIn('it can become nothing now', self.refused())
        self.assertEqual([], self.root.written)

    def test_drivers_refusal_is_told(self):
        self.host.fail(f'*{_CURRENT}', errno.EIO)
        said = self.refused()
        self.assertIn('Input/output error', said)
        self.assertIn("look for NVRM's reason", said)
        self.assertEqual(0, self.current())

    def test_daemon_is_named_where_the_driver_refuses(self):
        self.host.end(_MANAGER)
        self.assertIn(f'{_MANAGER} is not running: start it', self.refused())

    def test_driver_that_lies_is_found_out(self):
        self.root.deaf = True
        self.assertIn(
            f'its type is 0 after {_48Q} was written', self.refused()
        )


class TwoCardsTest(VendorVfioTestCase):
    def test_card_waits_for_no_other_that_does_not_answer(self):
        self.boot(_few_vfs(kind='l40s'))
        answers = threading.Event()
        self.addCleanup(answers.set)
        asked = threading.Event()
        write = self.root.set_vgpu_type

        def slowly(address, number):
            if address.startswith('0000:41'):
                asked.set()
                answers.wait(60)
            write(address, number)

        self.root.set_vgpu_type = slowly
        slow, other = (
            threading.Thread(target=self.made, args=(gpu,), daemon=True)
            for gpu in discovery.discover(self.sysfs, self.names).gpus
        )
        slow.start()
        self.assertTrue(asked.wait(60))
        other.start()
        other.join(10)
        self.assertFalse(other.is_alive())
        answers.set()
        slow.join(60)
        self.assertFalse(slow.is_alive())

    def test_vgpus_of_one_card_are_made_one_after_the_other(self):
        self.boot(_few_vfs(kind='l40s'))
        answers = threading.Event()
        self.addCleanup(answers.set)
        asked = threading.Event()
        written = []
        write = self.root.set_vgpu_type

        def slowly(address, number):
            written.append(address)
            asked.set()
            answers.wait(60)
            write(address, number)

        self.root.set_vgpu_type = slowly
        gpu, _ = discovery.discover(self.sysfs, self.names).gpus
        one, other = (
            threading.Thread(target=self.made, args=(gpu, n), daemon=True)
            for n in range(2)
        )
        one.start()
        self.assertTrue(asked.wait(60))
        other.start()
        other.join(0.3)
        self.assertEqual([str(gpu.virtfns[0])], written)
        answers.set()
        one.join(60)
        other.join(60)
        self.assertEqual(2, len(written))

    def made(self, gpu, number=0):
        slot = model.Slot(
            'vendor-vfio', gpu.virtfns[number], profile='nvidia-l40s-8q'
        )
        self.backend.prepare(gpu, slot, 'guest')


class ReleaseTest(VendorVfioTestCase):
    def release(self):
        self.backend.release(_SLOT, 'guest')

    def test_vgpu_is_taken_away_once(self):
        self.make()
        for _ in range(2):
            self.release()
        self.assertEqual([(str(_VF), 0)], self.root.written)
        self.assertEqual(0, self.current())

    def test_vf_that_is_gone_has_nothing(self):
        self.host.unplug(str(_CARD))
        self.release()
        self.assertEqual([], self.root.written)

    def test_vf_that_a_process_holds_is_never_written(self):
        self.make()
        self.host.hold(str(_VF))
        self.assertRegex(self.kept(), r'that process \d+ has it')
        self.assertEqual([], self.root.written)

    def test_vf_that_a_guest_has_is_never_written(self):
        self.make()
        self.libvirt.guests[_VF] = 'a-guest'
        self.assertIn('the running guest a-guest has it', self.kept())
        self.assertEqual([], self.root.written)

    def test_vf_of_an_ended_guest_is_released_where_processes_are_hidden(self):
        self.make()
        self.host.hide_processes()
        self.libvirt.guests[_VF] = 'a-guest'
        self.assertIn('the running guest a-guest has it', self.kept())
        self.libvirt.guests.clear()
        self.release()
        self.assertEqual(0, self.current())

    def test_vf_of_which_nobody_knows_who_holds_it_is_never_written(self):
        self.make()
        self.root.blind = True
        self.assertIn('no answer who has it', self.kept())
        self.assertEqual([], self.root.written)

    def test_drivers_refusal_is_told(self):
        self.make()
        self.host.fail(f'*{_CURRENT}', errno.EIO)
        self.assertIn('Input/output error', self.kept())
        self.assertEqual(_48Q, self.current())

    def test_driver_that_lies_is_found_out(self):
        self.make()
        self.root.deaf = True
        self.assertIn(f'its type is {_48Q} after 0 was written', self.kept())

    def test_driver_that_takes_it_away_itself_is_no_error(self):
        self.make()
        write = self.root.set_vgpu_type

        def write_late(address, number):
            write(address, number)
            write(address, number)

        self.root.set_vgpu_type = write_late
        self.release()
        self.assertEqual(2, len(self.root.written))
        self.assertEqual(0, self.current())

    def test_vgpu_that_the_manager_keeps_stays(self):
        self.make()
        self.host.linger(5)
        self.host.hold(str(_VF))
        self.host.release_hold(str(_VF))
        self.assertIn('resource busy', self.kept())
        self.host.advance(5)
        self.release()
        self.assertEqual(0, self.current())


class LeftoversTest(VendorVfioTestCase):
    def leftovers(self, *claimed, **wish):
        gpu = operator_filter.OperatorFilter(**wish).narrow(self.card())
        return [x.slot.device for x in self.backend.leftovers(gpu, [*claimed])]

    def test_vgpu_that_nobody_claims_is_left_over(self):
        self.make()
        self.assertEqual([], self.leftovers(_SLOT))
        self.assertEqual([_VF], self.leftovers())

    def test_vgpu_on_a_card_that_is_not_offered_is_somebody_elses(self):
        self.make()
        self.assertEqual([], self.leftovers(kinds=['passthrough']))

    def test_vgpu_on_a_vf_that_is_excluded_is_somebody_elses(self):
        self.make()
        self.assertEqual([], self.leftovers(exclude=[str(_VF)]))

    def test_vgpu_that_a_process_holds_is_no_leftover(self):
        self.make()
        self.host.hold(str(_VF))
        self.assertEqual([], self.leftovers())

    def test_vgpu_that_somebody_hidden_may_hold_is_no_leftover(self):
        self.make()
        (leftover,) = self.backend.leftovers(self.card(), ())
        self.host.hide_processes()
        self.host.hold(str(_VF))
        error = self.assertRaises(exception.ReleaseFailed, self.leftovers)
        self.assertIn('pid_mode: host', str(error))
        self.assertRaises(
            exception.ReleaseFailed, self.backend.discard, leftover
        )
        self.assertEqual([], self.root.written)

    def test_card_without_vgpus_has_none(self):
        gpu = self.found()
        self.assertIsNone(gpu.share('vendor-vfio'))
        self.assertEqual((), self.backend.leftovers(gpu, ()))

    def test_leftover_that_is_held_meanwhile_is_never_written(self):
        self.make()
        (leftover,) = self.backend.leftovers(self.card(), ())
        self.host.hold(str(_VF))
        self.assertRaises(
            exception.ReleaseFailed, self.backend.discard, leftover
        )
        self.assertEqual([], self.root.written)
        self.host.release_hold(str(_VF))
        self.backend.discard(leftover)
        self.assertEqual(0, self.current())
