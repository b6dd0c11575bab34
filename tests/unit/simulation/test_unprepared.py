"""A start takes VFs and modes from cards, if nothing restores them."""

import dataclasses

from nova_gpuvirt.host import commands
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root
from nova_gpuvirt.simulation import simulated
from tests.unit.simulation import base

_CARD = '0000:41:00.0'
_MI300X = '0000:05:00.0'
_V710 = '0000:43:00.0'


class UnpreparedTest(base.TestCase):
    def start_bare(self, name):
        self.host = hosts.simulated(name, self.root(), bare=True)
        self.power = root.Root(self.host)

    def vfs(self, address=_CARD):
        return int(self.read(self.device(address, 'sriov_numvfs')))

    def query(self):
        return self.host.run(('nvidia-smi', '-q', '-i', _CARD))

    def mig(self):
        lines = self.query().partition('MIG Mode\n')[2].splitlines()
        return lines[0].split()[-1]

    def test_bare_host_stays_bare(self):
        for name in hosts.names():
            self.start_bare(name)
            before = self.host.snapshot()
            self.host.reboot()
            self.assertEqual(before, self.host.snapshot(), name)

    def test_prepared_host_that_becomes_bare_is_as_one_that_was(self):
        for name in ('l40s', 'h100-mig', 'rtx-pro-6000', 'b60', 'flex140'):
            self.start_bare(name)
            bare = self.host.snapshot()
            self.start(name)
            self.assertNotEqual(bare, self.host.snapshot(), name)
            self.host.bare = True
            self.host.reboot()
            self.assertEqual(bare, self.host.snapshot(), name)

    def test_only_amds_drivers_make_vfs_themselves(self):
        for name in hosts.names():
            self.start_bare(name)
            for address in self.names(f'{base.PCI}/devices'):
                names = self.names(self.device(address))
                if 'virtfn0' in names:
                    self.assertEqual('gim', self.driver(address), name)

    def test_hopper_loses_mig_mode(self):
        self.start_bare('h100-mig')
        self.assertEqual('Disabled', self.mig())
        self.power.set_mig(_CARD, True)
        self.host.reboot()
        self.assertEqual('Disabled', self.mig())

    def test_ampere_keeps_mig_mode_and_no_gpu_instances(self):
        self.start_bare('a100-mig')
        self.assertEqual('Disabled', self.mig())
        self.power.set_mig(_CARD, True)
        self.power.make_gpu_instances(_CARD, ['9'])
        self.host.reboot()
        self.assertEqual('Enabled', self.mig())
        self.assertEqual(0, self.vfs())
        self.power.make_gpu_instances(_CARD, ['0'])
        self.power.remove_gpu_instances(_CARD)
        self.power.set_mig(_CARD, False)
        self.host.reboot()
        self.assertEqual('Disabled', self.mig())

    def test_mode_that_is_pending_comes_with_the_reboot(self):
        self.start_bare('a100-mig')
        self.host.start('nv-hostengine', '/dev/nvidia0')
        self.power.set_mig(_CARD, True)
        self.assertEqual('Disabled', self.mig())
        self.host.reboot()
        self.assertEqual('Enabled', self.mig())

    def test_mode_goes_with_the_card(self):
        self.start_bare('a100-mig')
        self.power.set_mig(_CARD, True)
        self.host.unplug(_CARD)
        self.host.reboot()
        self.host.plug(_CARD)
        self.assertEqual('Enabled', self.mig())
        (card,) = (f for f in self.host.description.functions if f.vfs)
        self.host.unplug(_CARD)
        self.host.plug(_CARD, card)
        self.assertEqual('Disabled', self.mig())

    def test_what_was_changed_is_gone_and_what_was_described_is_back(self):
        self.start('rtx-pro-6000-mig')
        before = self.host.snapshot()
        power = root.Root(self.host)
        power.set_nvidia_vfs(_CARD, False)
        power.set_mig(_CARD, False)
        self.host.reboot()
        self.assertEqual(before, self.host.snapshot())
        self.assertIn('2g.48gb+gfx', power.gpu_instances(_CARD))

    def test_sizes_are_not_mixed(self):
        self.start_bare('rtx-pro-6000')
        self.power.set_nvidia_vfs(_CARD, True)
        self.power.set_mixed_sizes(_CARD, None, True)
        self.host.reboot()
        said = 'vGPU Heterogeneous Mode           : Disabled'
        self.assertIn(said, self.query())
        self.assertEqual(0, self.vfs())

    def test_gpu_instances_for_mdevs_are_gone_and_mig_mode_is_kept(self):
        self.start('a100-mig')
        vf = '0000:41:00.4'
        before = self.available(vf)
        self.host.bare = True
        self.host.reboot()
        power = root.Root(self.host)
        power.set_nvidia_vfs(_CARD, True)
        self.assertEqual(dict.fromkeys(before, 0), self.available(vf))
        self.assertEqual('Enabled', self.mig())
        self.assertRaises(commands.CommandFailed, power.gpu_instances, _CARD)
        power.make_gpu_instances(_CARD, ['9', '14', '19', '19'])
        self.assertEqual(before, self.available(vf))

    def test_card_whose_vgpus_need_no_vfs_loses_nothing(self):
        self.start('t4')
        before = self.host.snapshot()
        self.host.bare = True
        self.host.reboot()
        self.assertEqual(before, self.host.snapshot())

    def test_mi300x_has_its_vfs_and_whole_memory(self):
        self.start_bare('mi300x')
        self.assertEqual(8, self.vfs(_MI300X))
        mode = self.power.read(_MI300X, 'memory_partition_mode')
        self.assertIn('memory_partition_mode: NPS1\n', mode)
        self.power.set_memory_mode(_MI300X, 'NPS4')
        self.power.set_partition(_MI300X, 'CPX')
        files = ('memory_partition_mode', 'accelerator_partition_profile')
        made = [self.read(self.device(_MI300X, name)) for name in files]
        self.start('mi300x')
        self.assertEqual(
            [self.read(self.device(_MI300X, name)) for name in files], made
        )

    def test_mi300x_with_one_vf_is_not_divided(self):
        host = hosts.HOSTS['mi300x']()
        functions = tuple(
            dataclasses.replace(f, vfs=dataclasses.replace(f.vfs, enabled=1))
            if f.vfs
            else f
            for f in host.functions
        )
        host = dataclasses.replace(host, functions=functions)
        self.host = simulated.SimulatedHost(host, self.root(), bare=True)
        mode = self.read(self.device(_MI300X, 'spatial_partition_mode'))
        self.assertEqual('SPX\n', mode)

    def test_card_without_partitions_has_none(self):
        self.start_bare('v710')
        self.assertEqual(12, self.vfs(_V710))
        before = self.host.snapshot()
        self.start('v710')
        self.assertEqual(before, self.host.snapshot())
