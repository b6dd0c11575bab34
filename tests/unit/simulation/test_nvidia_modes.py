"""NVIDIA's commands change a card, and refuse as they do on real hosts."""

import dataclasses
import errno
import subprocess

from nova_gpuvirt.host import commands
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.hosts import rtx_pro_6000
from nova_gpuvirt.vendors import gpu_instances
from tests.unit.simulation import base

CARD = '0000:41:00.0'
NODE = '/dev/nvidia0'
SRIOV_MANAGE = '/usr/lib/nvidia/sriov-manage'
_BUSY = 'In use by another client'


class ModesTestCase(base.TestCase):
    def start(self, name):
        self.start_described(hosts.HOSTS[name]())

    def start_described(self, host):
        """Start a host, of which each card has few VFs, to be quick."""
        functions = tuple(
            dataclasses.replace(
                f, vfs=dataclasses.replace(f.vfs, total=4, enabled=4)
            )
            if f.vfs and f.vfs.enabled
            else f
            for f in host.functions
        )
        super().start_described(dataclasses.replace(host, functions=functions))
        self.power = root.Root(self.host)

    def run_as_root(self, *argv):
        return self.host.run(argv, as_root=True)

    def smi(self, *words):
        return self.run_as_root('nvidia-smi', *words)

    def query(self):
        return self.smi('-q', '-i', CARD)

    def mode(self):
        """Read MIG mode, as it is and as it is pending."""
        lines = self.query().partition('MIG Mode\n')[2].splitlines()[:2]
        return tuple(line.partition(': ')[2] for line in lines)

    def vfs(self):
        return int(self.read(self.device(CARD, 'sriov_numvfs')))

    def instances(self):
        found = gpu_instances.parse(self.power.gpu_instances(CARD))
        return {instance.number: instance.profile for instance in found}

    def types(self, vf='virtfn0'):
        folder = self.device(CARD, f'{vf}/nvidia')
        return self.read(f'{folder}/creatable_vgpu_types')

    def make(self, number, vf='virtfn0'):
        path = self.device(CARD, f'{vf}/nvidia/current_vgpu_type')
        self.host.write(path, f'{number}\n')

    def failed(self, code, said, *argv, as_root=True):
        """Check that a command fails, says this and changes nothing."""
        before = self.host.snapshot(), self.smi('-q', '-i', CARD)
        error = self.assertRaises(
            subprocess.CalledProcessError,
            *(self.host.run, argv),
            as_root=as_root,
        )
        self.assertEqual(code, error.returncode)
        self.assertIn(said, error.output)
        self.assertEqual(
            before, (self.host.snapshot(), self.smi('-q', '-i', CARD))
        )

    def refused(self, said, call, *args):
        """Check that what root asks for fails with what the command says."""
        error = self.assertRaises(commands.CommandFailed, call, *args)
        self.assertIn(said, str(error))


class VfsTest(ModesTestCase):
    def setUp(self):
        super().setUp()
        self.start('l40s')

    def test_vfs_are_removed_and_made(self):
        before = self.host.snapshot()
        self.power.set_nvidia_vfs(CARD, False)
        self.assertEqual(0, self.vfs())
        self.assertNotIn('virtfn0', self.names(self.device(CARD)))
        self.power.set_nvidia_vfs(CARD, True)
        self.assertEqual(before, self.host.snapshot())

    def test_vfs_that_are_there_are_left(self):
        self.make(1148)
        before = self.host.snapshot()
        said = self.run_as_root(SRIOV_MANAGE, '-e', CARD)
        self.assertIn('already has VFs enabled', said)
        self.power.set_nvidia_vfs(CARD, True)
        self.assertEqual(before, self.host.snapshot())
        self.make(0)
        self.power.set_nvidia_vfs(CARD, False)
        self.power.set_nvidia_vfs(CARD, False)
        self.assertEqual(0, self.vfs())

    def test_card_that_a_process_has_open_is_not_locked(self):
        pid = self.host.start('nv-hostengine', NODE)
        for option in ('-d', '-e'):
            wanted = option == '-e'
            self.refused(
                'Cannot obtain unbindLock',
                *(self.power.set_nvidia_vfs, CARD, wanted),
            )
            self.failed(
                1, 'Cannot obtain unbindLock', SRIOV_MANAGE, option, CARD
            )
            self.host.stop(pid)
            self.power.set_nvidia_vfs(CARD, False)
            pid = self.host.start('nv-hostengine', NODE)

    def test_vfs_in_use_are_not_removed(self):
        self.make(1148)
        self.failed(1, 'in use', SRIOV_MANAGE, '-d', CARD)
        vf = self.path(self.device(CARD, 'virtfn0')).resolve().name
        self.host.hold(vf)
        self.failed(1, 'in use', SRIOV_MANAGE, '-d', CARD)
        self.host.release_hold(vf)
        self.make(0)
        self.power.set_nvidia_vfs(CARD, False)

    def test_it_may_end_well_without_any_vf(self):
        self.power.set_nvidia_vfs(CARD, False)
        self.host.ignore(SRIOV_MANAGE)
        self.power.set_nvidia_vfs(CARD, True)
        self.assertEqual(0, self.vfs())
        self.power.set_nvidia_vfs(CARD, True)
        self.assertEqual(4, self.vfs())

    def test_only_root_may(self):
        argv = (SRIOV_MANAGE, '-d', CARD)
        self.failed(1, 'Permission denied', *argv, as_root=False)

    def test_other_cards_and_other_words_are_refused(self):
        self.failed(1, 'no GPU', SRIOV_MANAGE, '-e', '0000:40:01.0')
        self.failed(1, 'Usage', SRIOV_MANAGE, '-x', CARD)
        self.start('t4')
        self.refused(
            'no GPU with SR-IOV',
            *(self.power.set_nvidia_vfs, '0000:3b:00.0', True),
        )
        self.start('none')
        self.assertRaises(
            commands.CommandMissing, self.power.set_nvidia_vfs, CARD, True
        )

    def test_number_of_vfs_is_not_written(self):
        for count in (0, 2):
            self.assert_refused(
                errno.ENOENT, self.power.set_numvfs, CARD, count
            )

    def test_vfs_that_make_mdevs(self):
        self.start('a40')
        before = self.host.snapshot()
        self.create('0000:41:00.4', 'nvidia-558', base.UUID_1)
        self.refused('in use', self.power.set_nvidia_vfs, CARD, False)
        self.remove(base.UUID_1)
        self.power.set_nvidia_vfs(CARD, False)
        self.assertEqual([], self.names('/sys/class/mdev_bus'))
        self.power.set_nvidia_vfs(CARD, True)
        self.assertEqual(before, self.host.snapshot())


class MigTest(ModesTestCase):
    def setUp(self):
        super().setUp()
        self.start_described(
            rtx_pro_6000.with_memory('0000:41', nvidia.EqualSize())
        )

    def prepare(self):
        self.power.set_nvidia_vfs(CARD, False)
        self.power.set_mig(CARD, True)
        self.power.set_nvidia_vfs(CARD, True)

    def test_from_equal_sizes_to_gpu_instances(self):
        self.prepare()
        self.assertEqual('', self.types())
        profiles = ['1g.24gb+gfx', '47', '2g.48gb+gfx']
        self.power.make_gpu_instances(CARD, profiles)
        for number in (2, 3, 4):
            self.power.set_mixed_sizes(CARD, number, True)
        made = self.host.snapshot(), self.power.gpu_instances(CARD)
        self.start('rtx-pro-6000-mig')
        described = self.host.snapshot(), self.power.gpu_instances(CARD)
        self.assertEqual(described, made)

    def test_and_back(self):
        before = self.host.snapshot()
        self.prepare()
        self.power.make_gpu_instances(CARD, ['35:6'])
        self.assertEqual({2: 35}, self.instances())
        self.power.remove_gpu_instances(CARD)
        self.power.set_nvidia_vfs(CARD, False)
        self.power.set_mig(CARD, False)
        self.power.set_nvidia_vfs(CARD, True)
        self.assertEqual(before, self.host.snapshot())

    def test_mode_of_a_busy_card_is_pending(self):
        self.power.set_nvidia_vfs(CARD, False)
        pid = self.host.start('nv-hostengine', NODE)
        said = self.smi('-i', CARD, '-mig', '1')
        self.assertIn('MIG mode is in pending enable state', said)
        self.assertEqual(('Disabled', 'Enabled'), self.mode())
        self.host.stop(pid)
        said = self.smi('-i', CARD, '-mig', '1')
        self.assertEqual(
            'Enabled MIG Mode for GPU 00000000:41:00.0\nAll done.\n', said
        )
        self.assertEqual(('Enabled', 'Enabled'), self.mode())
        self.host.start('nv-hostengine', NODE)
        self.power.set_mig(CARD, False)
        self.assertEqual(('Enabled', 'Disabled'), self.mode())
        self.power.set_mig(CARD, True)
        self.assertEqual(('Enabled', 'Enabled'), self.mode())

    def test_mode_stays_while_there_are_vfs_or_gpu_instances(self):
        argv = ('nvidia-smi', '-i', CARD, '-mig')
        self.failed(19, _BUSY, *argv, '1')
        self.prepare()
        self.failed(19, _BUSY, *argv, '0')
        self.power.set_nvidia_vfs(CARD, False)
        self.power.make_gpu_instances(CARD, ['0'])
        self.failed(19, _BUSY, *argv, '0')

    def test_card_without_the_mode_is_a_warning_alone(self):
        self.start('l40s')
        said = self.smi('-i', CARD, '-mig', '1')
        self.assertIn('Not Supported\nTreating as warning', said)
        self.assertEqual(('N/A', 'N/A'), self.mode())

    def test_only_root_may(self):
        self.power.set_nvidia_vfs(CARD, False)
        for argv in (
            ('-i', CARD, '-mig', '1'),
            ('vgpu', '-i', CARD, '-shm', '1'),
        ):
            self.failed(
                4,
                'Insufficient Permissions',
                *('nvidia-smi', *argv),
                as_root=False,
            )
        self.power.set_mig(CARD, True)
        for words in (('-lgip',), ('-cgi', '47')):
            argv = ('nvidia-smi', 'mig', '-i', CARD, *words)
            self.failed(4, 'Insufficient Permissions', *argv, as_root=False)
        self.power.make_gpu_instances(CARD, ['47'])
        argv = ('nvidia-smi', 'mig', '-i', CARD, '-dgi')
        self.failed(4, 'Insufficient Permissions', *argv, as_root=False)

    def test_gpu_instances_need_the_mode(self):
        for words in (('-cgi', '47'), ('-dgi',), ('-dci',), ('-lgip',)):
            argv = ('nvidia-smi', 'mig', '-i', CARD, *words)
            self.failed(6, 'No MIG-enabled devices found', *argv)

    def test_profile_that_is_not_the_cards_is_refused(self):
        self.prepare()
        for name in ('1g.10gb', '19', '47:1'):
            argv = ('nvidia-smi', 'mig', '-i', CARD, '-cgi', name)
            self.failed(2, 'Invalid Argument', *argv)

    def test_what_was_made_before_a_refusal_stays(self):
        self.prepare()
        self.refused(
            'using profile 35: Insufficient Resources',
            *(self.power.make_gpu_instances, CARD, ['47:3', '47:6', '35']),
        )
        self.assertEqual({4: 47, 5: 47}, self.instances())

    def test_place_that_is_taken_is_refused(self):
        self.prepare()
        self.power.make_gpu_instances(CARD, ['47:0'])
        argv = ('nvidia-smi', 'mig', '-i', CARD, '-cgi', '47:0')
        self.failed(23, 'Insufficient Resources', *argv)

    def test_card_that_a_process_has_open_gets_no_gpu_instances(self):
        self.prepare()
        self.host.start('nv-hostengine', NODE)
        argv = ('nvidia-smi', 'mig', '-i', CARD, '-cgi', '47')
        self.failed(19, f'using profile 47: {_BUSY}', *argv)

    def test_gpu_instance_with_a_vgpu_stays(self):
        self.prepare()
        self.power.make_gpu_instances(CARD, ['47', '35'])
        self.make(1564)
        self.refused(_BUSY, self.power.remove_gpu_instances, CARD)
        # It removes one after the other.
        self.assertEqual({2: 35}, self.instances())
        self.make(0)
        self.power.remove_gpu_instances(CARD)
        self.refused('Not Found', self.power.remove_gpu_instances, CARD)

    def test_sriov_manage_wipes_them_and_keeps_the_mode(self):
        self.power.set_nvidia_vfs(CARD, False)
        self.power.set_mig(CARD, True)
        self.power.make_gpu_instances(CARD, ['47'])
        self.power.set_nvidia_vfs(CARD, True)
        self.assertEqual({}, self.instances_or_none())
        self.assertEqual(('Enabled', 'Enabled'), self.mode())

    def instances_or_none(self):
        error = self.assertRaises(
            commands.CommandFailed, self.power.gpu_instances, CARD
        )
        return {} if gpu_instances.says_none(str(error)) else None

    def test_profiles_tell_what_is_left(self):
        self.prepare()
        self.power.make_gpu_instances(CARD, ['2g.48gb'])
        text = self.power.gpu_instance_profiles(CARD)
        lines = {len(line) for line in text.splitlines()}
        self.assertEqual({81}, lines)
        for row in (
            'MIG 1g.24gb+gfx     47     2/4 ',
            'MIG 2g.48gb+gfx     35     1/2 ',
            'MIG 4g.96gb          0     0/1 ',
            'MIG 1g.24gb+me.all  65     0/1 ',
        ):
            self.assertIn(row, text)

    def test_gpu_instances_of_vgpus_that_are_mdevs(self):
        self.start_described(rtx_pro_6000.on_mdevs(nvidia.EqualSize()))
        vf = '0000:41:00.2'
        self.prepare()
        self.assertNotIn('nvidia-1531', self.available(vf))
        self.assertEqual(0, self.available(vf)['nvidia-1561'])
        self.power.make_gpu_instances(CARD, ['47'])
        self.assertEqual(1, self.available(vf)['nvidia-1561'])
        self.create(vf, 'nvidia-1561', base.UUID_1)
        self.refused(_BUSY, self.power.remove_gpu_instances, CARD)
        folder = f'{base.MDEVS}/{base.UUID_1}/nvidia'
        self.assertEqual('3\n', self.read(f'{folder}/gpu_instance_id'))
        self.remove(base.UUID_1)
        self.power.remove_gpu_instances(CARD)
        self.assertEqual(0, self.available(vf)['nvidia-1561'])

    def test_one_kind_of_call_fails_where_that_is_asked_for(self):
        self.host.fail('nvidia-smi mig * -cgi *', errno.EIO)
        self.prepare()
        before = self.host.snapshot()
        self.refused('', self.power.make_gpu_instances, CARD, ['47'])
        self.assertEqual(before, self.host.snapshot())
        self.power.make_gpu_instances(CARD, ['47'])


class MixedSizesTest(ModesTestCase):
    def setUp(self):
        super().setUp()
        self.start_described(
            rtx_pro_6000.with_memory('0000:41', nvidia.EqualSize())
        )
        self.argv = ('nvidia-smi', 'vgpu', '-i', CARD)

    def is_mixed(self):
        return 'vGPU Heterogeneous Mode           : Enabled' in self.query()

    def test_sizes_mix_and_do_no_more(self):
        before = self.host.snapshot()
        said = self.smi('vgpu', '-i', CARD, '-shm', '1')
        self.assertEqual(
            'Enabled vGPU heterogeneous mode for GPU 00000000:41:00.0\n', said
        )
        self.assertTrue(self.is_mixed())
        self.make(1531)
        self.make(1535, 'virtfn1')
        for vf in ('virtfn0', 'virtfn1'):
            self.make(0, vf)
        self.power.set_mixed_sizes(CARD, None, False)
        self.assertFalse(self.is_mixed())
        self.assertEqual(before, self.host.snapshot())

    def test_vgpu_that_exists_is_in_the_way(self):
        self.make(1531)
        self.failed(19, _BUSY, *self.argv, '-shm', '1')

    def test_process_that_has_the_card_open_is_in_the_way(self):
        self.host.start('nv-hostengine', NODE)
        self.failed(19, _BUSY, *self.argv, '-shm', '1')

    def test_card_that_can_not_is_refused(self):
        self.start('l40s')
        self.failed(3, 'Not Supported', *self.argv, '-shm', '1')

    def test_without_mig_mode_there_is_no_gpu_instance(self):
        self.failed(3, 'Not Supported', *self.argv, '-gi', '3', '-shm', '1')

    def test_in_mig_mode_it_is_a_gpu_instances(self):
        self.power.set_nvidia_vfs(CARD, False)
        self.power.set_mig(CARD, True)
        self.power.set_nvidia_vfs(CARD, True)
        self.failed(3, 'Not Supported', *self.argv, '-shm', '1')
        self.failed(6, 'Not Found', *self.argv, '-gi', '3', '-shm', '1')
        # Nothing says that vGPUs share one of 4g.
        self.power.make_gpu_instances(CARD, ['32'])
        self.failed(3, 'Not Supported', *self.argv, '-gi', '0', '-shm', '1')
        self.power.remove_gpu_instances(CARD)
        self.power.make_gpu_instances(CARD, ['47', '35'])
        self.make(1561)
        self.failed(19, _BUSY, *self.argv, '-gi', '3', '-shm', '1')
        self.power.set_mixed_sizes(CARD, 2, True)
        said = self.smi('vgpu', '-gi', '2', '-ghm', '-i', CARD)
        self.assertIn('Enabled', said)
        said = self.smi('vgpu', '-gi', '3', '-ghm', '-i', CARD)
        self.assertIn('Disabled', said)

    def test_sriov_manage_ends_it(self):
        self.power.set_nvidia_vfs(CARD, False)
        self.power.set_mixed_sizes(CARD, None, True)
        self.power.set_nvidia_vfs(CARD, True)
        self.assertFalse(self.is_mixed())

    def test_sizes_that_mix_among_mdevs(self):
        self.start_described(rtx_pro_6000.on_mdevs(nvidia.EqualSize()))
        one, two = '0000:41:00.2', '0000:41:00.3'
        self.create(one, 'nvidia-1531', base.UUID_1)
        self.assertEqual(0, self.available(two)['nvidia-1535'])
        self.failed(19, _BUSY, *self.argv, '-shm', '1')
        self.remove(base.UUID_1)
        self.power.set_mixed_sizes(CARD, None, True)
        self.create(one, 'nvidia-1531', base.UUID_1)
        self.assertEqual(1, self.available(two)['nvidia-1535'])
