"""What servers have is made again after a reboot, whatever the file says."""

import functools

import fixtures

from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cli import apply
from nova_gpuvirt.health import records
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.layout import document
from nova_gpuvirt.layout import in_force
from nova_gpuvirt.layout import survey
from nova_gpuvirt.layout import users
from nova_gpuvirt.simulation import root as root_
from tests.functional import base

_TWO = """
version: 1
cards:
  - select: {model: '*B60*'}
    vfs: 2
    vf_memory: 2000 MiB
"""
_FOUR = _TWO.replace('vfs: 2', 'vfs: 4').replace('2000', '4096')
_PART = {'resources:CUSTOM_VGPU_INTEL_ARC_PRO_B60_4096M': '1'}
_LARGE = """
version: 1
cards:
  - vfs: all
    mig: [3g.40gb, 2g.20gb, 1g.10gb, 1g.10gb]
"""
_SMALL = """
version: 1
cards:
  - vfs: all
    mig: [1g.10gb, 1g.10gb, 1g.10gb, 1g.10gb, 1g.10gb, 1g.10gb, 1g.10gb]
"""
_40C = {'resources:CUSTOM_VGPU_NVIDIA_H100_3_40C': '1'}
_10C = {'resources:CUSTOM_VGPU_NVIDIA_H100_1_10C': '1'}


class RebootTestCase(base.GpuTestCase):
    def setUp(self):
        super().setUp()
        self.flags(resume_guests_state_on_host_boot=True)

    def start(self, kind, layout):
        self.host = self.start_gpu_host(
            'host1', kind, bare=True, layout=layout
        )

    def apply(self, layout):
        """Do what nova-gpuvirt-layout.service does, before libvirt runs."""
        root = self.host.root
        power = root_.Root(self.host)
        machine = machine_.Machine(
            sysfs.Sysfs(root, power),
            pciids.PciIds((root,)),
            hypervisor.Absent(),
            power.run,
        )
        kept = records.Records(self.state_path('host1'))
        had = functools.partial(users.remembered, kept)
        made = in_force.InForce(kept)
        made.look()
        gpus = discovery.of(machine).gpus
        wanted = document.parse(layout, 'layout.yaml')
        making = apply._making(machine, made, had)
        return [
            making.make(card) for card in survey.survey(machine, gpus, wanted)
        ]


class RebootTest(RebootTestCase):
    def assert_kept(self, kind, one, other, spec):
        """Reboot while a changed line waits for a server."""
        self.start(kind, one)
        server = self.boot(spec)
        slot = self.slot(server)
        self.write_layout('host1', other)
        self.run_periodic()
        self.reboot_host('host1', lambda: self.apply(other))
        self.assertEqual(slot, self.slot(server))
        server = self._wait_for_state_change(server, 'ACTIVE')
        self.assert_agreed()
        self.run_periodic()
        self.assertIn('it stays as it is for now', self.log())
        self._delete_server(server)
        self.run_periodic()
        self.assertEqual({}, self.offered('host1', [*spec][0][10:]))
        self.assert_agreed()

    def test_vf_of_another_quota(self):
        self.assert_kept('b60', _FOUR, _TWO, _PART)

    def test_gpu_instances_of_another_list(self):
        self.assert_kept('h100-mig', _LARGE, _SMALL, _40C)

    def test_vfs_of_a_card_that_shall_go_whole(self):
        self.assert_kept(
            'l40s',
            'version: 1\ncards: [{vfs: all}]',
            'version: 1\ncards: [{whole: true}]',
            {'resources:CUSTOM_VGPU_NVIDIA_L40S_8Q': '1'},
        )

    def test_without_nova_compute_no_stopped_servers_card_is_changed(self):
        """Also where libvirt, which knows its guest, does not run."""
        self.host = self.start_gpu_host('host1', 'b60')
        server = self.boot(_PART)
        self._stop_server(server)
        self.computes['host1'].stop()
        (outcome,) = self.apply(_TWO)
        self.assertEqual((), outcome.done)
        self.assertIn(f'the server {server["id"]} has sriov:', outcome.user)

    def test_gpu_instances_made_by_half_under_a_claim(self):
        """nvidia-smi makes one of four, and is well then."""
        self.start('h100-mig', _LARGE)
        server = self.boot(_10C)
        self._stop_server(server)
        failed = []
        make = root_.Root.make_gpu_instances

        def half(root, address, profiles):
            if address not in failed:
                failed.append(address)
                make(root, address, profiles[:1])
                raise commands.CommandHangs('nvidia-smi mig: timed out')
            make(root, address, profiles)

        self.useFixture(
            fixtures.MockPatchObject(root_.Root, 'make_gpu_instances', half)
        )
        self.reboot_host('host1')
        self.assertNotEqual([], failed)
        self.run_periodic()
        self._start_server(server)
        self.assert_agreed()


class DirtyTest(RebootTestCase):
    """The service leaves a card alone that a server has left dirty."""

    def _use_sysfs_of(self, name):
        super()._use_sysfs_of(name)
        self.flags(
            clean={'passthrough': 'hook', 'sriov': 'hook'},
            clean_hook='/bin/false',
            group='gpuvirt',
        )

    def leave_dirty(self, spec):
        server = self.boot(spec)
        ((name, _),) = self.gpu_allocations(server).items()
        self._delete_server(server)
        self.run_periodic()
        self.computes['host1'].stop()
        card = name.rpartition('_')[2]
        return self.host.root / f'sys/bus/pci/devices/{card}/sriov_numvfs'

    def test_card_of_which_no_layout_is_remembered(self):
        """Also where libvirt runs, which knows its guest no more."""
        self.start('b60', None)
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_gpuvirt.host.hypervisor.Absent.answers', True
            )
        )
        numvfs = self.leave_dirty(base.PGPU)
        (outcome,) = self.apply(_TWO)
        self.assertIn('it is not clean yet', outcome.user)
        self.assertNotEqual((), outcome.waiting)
        self.assertEqual('0', numvfs.read_text().strip())

    def test_card_is_made_again_what_it_was_and_no_more(self):
        self.start('b60', _FOUR)
        numvfs = self.leave_dirty(_PART)
        for wanted in (_TWO, _FOUR):
            self.host.reboot()
            self.assertEqual('0', numvfs.read_text().strip())
            (outcome,) = self.apply(wanted)
            self.assertEqual('4', numvfs.read_text().strip())
        self.assertTrue(outcome.is_as_wished)
