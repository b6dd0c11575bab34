"""Root changes a card by allowed words, and by nothing else."""

import contextlib
import errno
import pathlib
import re
import unittest

import fixtures
import testtools
from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt.host import commands
from nova_gpuvirt.host import files
from nova_gpuvirt.host import root_changes
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root

_CARD = '0000:41:00.0'
_GIM = '0000:05:00.0'
_ADDRESS = r'[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]'
_PROFILE = r'[0-9a-z.+:-]{1,20}'
_COMMANDS = re.compile(
    rf'/usr/lib/nvidia/sriov-manage -[ed] {_ADDRESS}'
    rf'|nvidia-smi -i {_ADDRESS} -mig [01]'
    rf'|nvidia-smi mig -i {_ADDRESS} -cgi {_PROFILE}(,{_PROFILE})*'
    rf'|nvidia-smi mig -i {_ADDRESS} -d[cg]i'
    rf'|nvidia-smi vgpu -i {_ADDRESS} (-gi [0-9]+ )?-shm [01]'
)
_WRITES = re.compile(
    rf'(sys/bus/pci/devices/{_ADDRESS}/(sriov_numvfs'
    r'|sriov_admin/vf[0-9]+/profile/vram_quota'
    r'|memory_partition_mode|accelerator_partition_profile)) '
    r'([0-9]+|NPS[1248])'
)
_CALLS = {
    'set_numvfs': 1,
    'set_nvidia_vfs': 1,
    'set_mig': 1,
    'make_gpu_instances': 1,
    'remove_gpu_instances': 0,
    'set_mixed_sizes': 2,
    'set_vf_memory': 2,
    'set_memory_mode': 1,
    'set_partition': 1,
}
_TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        (
            *('NPS4', 'CPX', 'NPS3', 'cpx', '1g.10gb', '1g.24gb+gfx:2'),
            *('19', '19,9', '19 -C', '-C', '../x', '1g.10gb\n', '١g.10gb'),
            *(_CARD, f'{_CARD}/..', f'{_CARD} -i 0', 'ALL', '0', '0000:41'),
        )
    ),
)
_VALUES = st.one_of(
    _TEXTS,
    st.booleans(),
    st.none(),
    st.integers(),
    st.integers(0, 40),
    st.floats(),
    st.lists(_TEXTS, max_size=4),
)


class _Files(files.Files):
    """A host on which each file is there, and lists each mode."""

    def read(self, path, size=-1):
        return b'0  SPX  1\n1  CPX  8\n'

    def names(self, path):
        return []

    def target(self, path):
        raise FileNotFoundError

    def changed(self, path):
        raise FileNotFoundError

    def mode(self, path):
        raise FileNotFoundError

    def exists(self, path):
        return True


class Recorder(root_changes.RootChanges):
    """Who notes what would be run and written."""

    def __init__(self, refuse=()):
        self.ran = []
        self.written = []
        self._refuse = dict(refuse)
        super().__init__(_Files(), self._note, self._start)

    def _note(self, path, text):
        self.written.append((path, text))

    def _start(self, argv):
        self.ran.append(' '.join(argv))
        error = self._refuse.get(argv[-1])
        if error is not None:
            raise error
        return ''


class WordsTest(unittest.TestCase):
    @given(
        st.sampled_from(sorted(_CALLS)),
        st.one_of(st.just(_CARD), _TEXTS),
        st.lists(_VALUES, min_size=2, max_size=2),
    )
    def test_nothing_but_allowed_words_is_run_or_written(
        self, name, address, values
    ):
        recorder = Recorder()
        with contextlib.suppress(ValueError, TypeError, OSError):
            getattr(recorder, name)(address, *values[: _CALLS[name]])
        for line in recorder.ran:
            self.assertRegex(line, rf'\A(?:{_COMMANDS.pattern})\Z')
        for path, text in recorder.written:
            self.assertRegex(
                f'{path} {text[:-1]}', rf'\A(?:{_WRITES.pattern})\Z'
            )
            self.assertEqual('\n', text[-1])

    def test_each_command_and_write(self):
        recorder = Recorder()
        recorder.set_nvidia_vfs(_CARD, True)
        recorder.set_nvidia_vfs(_CARD, False)
        recorder.set_mig(_CARD, True)
        recorder.make_gpu_instances(_CARD, ['1g.24gb+me.all', '35:6', '9'])
        recorder.remove_gpu_instances(_CARD)
        recorder.set_mixed_sizes(_CARD, None, True)
        recorder.set_mixed_sizes(_CARD.upper(), 3, False)
        self.assertEqual(
            [
                f'/usr/lib/nvidia/sriov-manage -e {_CARD}',
                f'/usr/lib/nvidia/sriov-manage -d {_CARD}',
                f'nvidia-smi -i {_CARD} -mig 1',
                f'nvidia-smi mig -i {_CARD} -cgi 1g.24gb+me.all,35:6,9',
                f'nvidia-smi mig -i {_CARD} -dci',
                f'nvidia-smi mig -i {_CARD} -dgi',
                f'nvidia-smi vgpu -i {_CARD} -shm 1',
                f'nvidia-smi vgpu -i {_CARD} -gi 3 -shm 0',
            ],
            recorder.ran,
        )
        recorder.set_numvfs(_CARD, 4)
        recorder.set_memory_mode(_CARD, 'NPS4')
        recorder.set_partition(_CARD, 'CPX')
        folder = f'sys/bus/pci/devices/{_CARD}'
        self.assertEqual(
            [
                (f'{folder}/sriov_numvfs', '4\n'),
                (f'{folder}/memory_partition_mode', 'NPS4\n'),
                (f'{folder}/accelerator_partition_profile', '1\n'),
            ],
            recorder.written,
        )

    def test_what_is_no_value_is_refused_before_anything_is_done(self):
        for name, *values in (
            ('set_numvfs', -1),
            ('set_numvfs', True),
            ('set_numvfs', '4'),
            ('set_numvfs', 65536),
            ('set_nvidia_vfs', 1),
            ('set_mig', 'on'),
            ('make_gpu_instances', []),
            ('make_gpu_instances', ['9', '-C']),
            ('make_gpu_instances', ['9'] * 17),
            ('set_mixed_sizes', -1, True),
            ('set_vf_memory', 0, 1),
            ('set_vf_memory', 1, 1 << 64),
            ('set_memory_mode', 'NPS3'),
            ('set_partition', 'XPX'),
        ):
            recorder = Recorder()
            with self.assertRaises(ValueError, msg=name):
                getattr(recorder, name)(_CARD, *values)
            self.assertEqual(([], []), (recorder.ran, recorder.written))

    def test_no_compute_instances_are_no_failure(self):
        none = commands.CommandFailed('No GPU instances found: Not Found')
        recorder = Recorder({'-dci': none})
        recorder.remove_gpu_instances(_CARD)
        self.assertEqual(2, len(recorder.ran))
        recorder = Recorder({'-dgi': none})
        with self.assertRaises(commands.CommandFailed):
            recorder.remove_gpu_instances(_CARD)

    def test_command_that_hangs_is_not_followed_by_another(self):
        for kind in (commands.CommandHangs, commands.CommandMissing):
            recorder = Recorder({'-dci': kind('x')})
            with self.assertRaises(kind):
                recorder.remove_gpu_instances(_CARD)
            self.assertEqual(1, len(recorder.ran))


class SimulatedTest(testtools.TestCase):
    """The kernel's files, on hosts that answer as theirs does."""

    def start(self, name):
        place = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = hosts.simulated(name, place)
        self.root = root.Root(self.host)

    def read(self, address, name):
        path = f'sys/bus/pci/devices/{address}/{name}'
        return self.host.root.joinpath(path).read_text().strip()

    def refused(self, number, call, *args):
        before = self.host.snapshot()
        error = self.assertRaises(OSError, call, *args)
        self.assertEqual(number, error.errno, error)
        self.assertEqual(before, self.host.snapshot())

    def test_numvfs_is_another_by_way_of_none(self):
        self.start('b60')
        card = '0000:17:00.0'
        self.refused(errno.EBUSY, self.root.set_numvfs, card, 2)
        self.root.set_numvfs(card, 0)
        self.refused(errno.ERANGE, self.root.set_numvfs, card, 8)
        self.root.set_numvfs(card, 2)
        self.assertEqual('2', self.read(card, 'sriov_numvfs'))

    def test_numvfs_of_other_vendors_cards_is_not_written(self):
        for name, card in (('l40s', _CARD), ('mi300x', _GIM)):
            self.start(name)
            self.refused(errno.ENOENT, self.root.set_numvfs, card, 0 + 1)

    def test_memory_of_a_vf_in_sysfs(self):
        self.start('b60')
        card = '0000:17:00.0'
        self.root.set_numvfs(card, 0)
        self.root.set_vf_memory(card, 2, 4 << 30)
        name = 'sriov_admin/vf{}/profile/vram_quota'
        self.assertEqual(str(4 << 30), self.read(card, name.format(2)))
        self.refused(errno.ENOSPC, self.root.set_vf_memory, card, 1, 1 << 40)
        self.refused(errno.ENOENT, self.root.set_vf_memory, card, 8, 1 << 30)

    def test_memory_of_a_vf_in_debugfs(self):
        self.start('b50')
        card = '0000:17:00.0'
        self.root.set_numvfs(card, 0)
        self.root.set_vf_memory(card, 1, 2 << 30)
        self.assertEqual(
            str(2 << 30), self.root.read(card, 'gt0/vf1/lmem_quota')
        )

    def test_memory_of_a_vf_of_i915(self):
        self.start('flex140')
        card = '0000:50:00.0'
        self.root.set_numvfs(card, 0)
        self.root.set_vf_memory(card, 3, 1 << 29)
        self.assertEqual(
            str(1 << 29), self.read(card, 'drm/card1/iov/vf3/gt/lmem_quota')
        )

    def test_vf_with_memory_of_two_tiles_is_left_to_its_owner(self):
        self.start('flex140')
        card = '0000:50:00.0'
        folder = f'sys/bus/pci/devices/{card}/drm/card1/iov/vf3'
        place = self.host.root / folder
        place.joinpath('gt').rename(place / 'gt0')
        place.joinpath('gt1').mkdir()
        place.joinpath('gt1/lmem_quota').write_text('0\n')
        self.refused(
            errno.EOPNOTSUPP, self.root.set_vf_memory, card, 3, 1 << 29
        )

    def test_card_without_quotas_has_no_file_for_them(self):
        for name, card in (('l40s', _CARD), ('alder-lake', '0000:00:02.0')):
            self.start(name)
            self.refused(errno.ENOENT, self.root.set_vf_memory, card, 1, 0)

    def test_modes_of_amd(self):
        self.start('mi300x')
        self.root.set_memory_mode(_GIM, 'NPS1')
        self.root.set_partition(_GIM, 'CPX')
        self.assertEqual('CPX', self.read(_GIM, 'spatial_partition_mode'))
        mode = self.read(_GIM, 'memory_partition_mode')
        self.assertIn('memory_partition_mode: NPS1\n', mode)

    def test_mode_that_does_not_go_with_the_vfs_is_not_listed(self):
        self.start('mi300x')
        self.refused(errno.EOPNOTSUPP, self.root.set_partition, _GIM, 'SPX')

    def test_card_that_is_not_gims_has_no_modes(self):
        self.start('l40s')
        self.refused(errno.ENOENT, self.root.set_partition, _CARD, 'SPX')
        self.refused(errno.ENOENT, self.root.set_memory_mode, _CARD, 'NPS1')
