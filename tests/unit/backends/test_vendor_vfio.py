"""A VF becomes a vGPU and is taken back, each with its check before.

NVIDIA's driver refuses much of what is checked before, and so does the
simulated one: what counts here is also that nothing was written.
"""

import dataclasses
import errno
import pathlib

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


def _few_vfs(enabled=4, **changes):
    """Describe a card with VFs for a few guests, to be quick."""
    host = hosts.HOSTS['domain-1']()
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
        self.deaf = False
        self.blind = False

    def set_vgpu_type(self, address, number):
        self.written.append((address, number))
        if not self.deaf:
            super().set_vgpu_type(address, number)

    def openers(self, address):
        if self.blind:
            raise PermissionError(errno.EPERM, 'no process can be seen')
        return super().openers(address)


class VendorVfioTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
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

    def test_daemon_is_named_where_nothing_can_be_made(self):
        for vf in self.found().virtfns:
            self.host.break_file(
                str(vf), 'nvidia/creatable_vgpu_types', 'ID    : vGPU Name\n'
            )
        self.assertNotIn(_MANAGER, self.share().refusal)
        self.host.end(_MANAGER)
        self.assertIn(f'{_MANAGER} is not running', self.share().refusal)

    def test_daemon_is_not_missed_where_something_can_be_made(self):
        self.host.end(_MANAGER)
        self.assertIsNone(self.share().refusal)


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
        self.assertIn(
            f'start {_MANAGER}, which is not running', self.refused()
        )

    def test_driver_that_lies_is_found_out(self):
        self.root.deaf = True
        self.assertIn(
            f'its type is 0 after {_48Q} was written', self.refused()
        )


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
