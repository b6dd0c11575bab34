"""Whatever root is asked for, it touches a device's own files alone.

Who asks runs as Nova's user, and may be somebody who took that over: so each
entry point is called with anything, and what it would open or run is noted.
"""

import builtins
import inspect
import os
import re
import subprocess
import unittest
from unittest import mock

import hypothesis
from hypothesis import strategies as st

from nova_gpuvirt import privileged

_ADDRESS = r'[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]'
_UUID = r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
_FUNCTION = f'/sys/bus/pci/devices/{_ADDRESS}'
_WRITTEN = re.compile(
    rf'{_FUNCTION}/(sriov_numvfs|reset|memory_partition_mode'
    r'|accelerator_partition_profile|sriov_admin/vf\d+/profile/vram_quota'
    r'|nvidia/(current_vgpu_type|gpu_instance_id|placement_id))'
    rf'|/sys/bus/mdev/devices/{_UUID}/nvidia/(gpu_instance|placement)_id'
    rf'|/sys/kernel/debug/dri/{_ADDRESS}/(gt0/vf\d+/lmem_quota'
    r'|sriov/vf\d+/tile0/vram_quota)'
    rf'|/proc/driver/nvidia/gpus/{_ADDRESS}/unbindLock'
    r'|/dev/vfio/(vfio|\d+)'
)
_READ = re.compile(
    rf'{_WRITTEN.pattern}|{_FUNCTION}/(config|spatial_partition_mode'
    r'|accelerator_partition_profile_config|drm(/card\d+/(prelim_)?iov/vf\d+)?'
    r'|vfio-dev)'
    r'|/proc(/\d+/(fd|comm|status))?|/dev/kmsg'
    rf'|/proc/driver/nvidia/gpus/{_ADDRESS}/information'
    r'|/sys/class/kfd/kfd/.*'
)
_RUN = re.compile(
    rf'/usr/lib/nvidia/sriov-manage -[ed] {_ADDRESS}'
    rf'|nvidia-smi -i {_ADDRESS} -mig [01]'
    rf'|nvidia-smi mig (-i {_ADDRESS} -(cgi [0-9a-z.+:,-]+|d[cg]i)'
    rf'|-lgip? -i {_ADDRESS})'
    rf'|nvidia-smi vgpu -i {_ADDRESS} (-gi \d+ )?-shm [01]'
)
_TEXTS = st.one_of(
    st.sampled_from(
        (
            *('0000:3b:00.0', '0000:3B:00.0 ', '\n0000:3b:00.0', '0000:3b:00'),
            *('0000:3b:00.0/../../..', '../../../../etc/passwd', '/etc/x'),
            *('0000:3b:00.0\0', '0000:3b:00.0\n-r', '-h', '--help', ''),
            *('155d900f-4e14-4e4c-a73d-069cbf4541e6', '{155d900f}.'),
            *('155d900f4e144e4ca73d069cbf4541e6', 'memory_partition_mode'),
            *('gt0/vf1/lmem_quota', 'gt0/vf1/../../x', 'gt0/vf٣/lmem_quota'),
            *('reset_gpu', 'spatial_partition_mode', 'NPS4', 'CPX', '19,9'),
            *('1g.10gb', '1g.10gb -C', '1g.10gb:2', '19\n', '1\n0'),
        )
    ),
    st.text(max_size=12),
)
_VALUES = st.one_of(
    _TEXTS,
    st.booleans(),
    st.none(),
    st.integers(),
    st.integers(0, 64),
    st.floats(),
    st.binary(max_size=4),
    st.lists(_TEXTS, max_size=3),
    st.dictionaries(_TEXTS, st.integers(), max_size=2),
)


class Touched:
    """What is opened and run, none of which there is."""

    def __init__(self):
        self.written, self.read, self.ran = [], [], []

    def open(self, path, flags=os.O_RDONLY, *args, **kwargs):
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        (self.written if writes else self.read).append(os.fspath(path))
        raise FileNotFoundError(2, 'No such file or directory', str(path))

    def open_file(self, path, mode='r', *args, **kwargs):
        assert mode == 'rb', mode
        return self.open(path)

    def run(self, argv, **kwargs):
        self.ran.append(' '.join(argv))
        raise FileNotFoundError(2, 'No such file or directory', argv[0])

    def exists(self, path):
        """Have every file, so that one is chosen."""
        self.read.append(os.fspath(path))
        return True


def entry_points():
    """List what the daemon is asked for, by name."""
    return {
        name: call
        for name, call in vars(privileged).items()
        if inspect.isfunction(call)
        and call.__module__ == privileged.__name__
        and name.lstrip('_') not in ('entrypoint_within', 'said')
    }


class ArgumentsTest(unittest.TestCase):
    def setUp(self):
        patches = (
            mock.patch.object(privileged.context, 'client_mode', False),
        )
        for patch in patches:
            patch.start()
            self.addCleanup(patch.stop)

    def touched_by(self, call, arguments):
        touched = Touched()
        with (
            mock.patch.object(os, 'open', touched.open),
            mock.patch.object(os, 'listdir', touched.open),
            mock.patch.object(builtins, 'open', touched.open_file),
            mock.patch.object(subprocess, 'Popen', touched.run),
            mock.patch.object(os.path, 'lexists', touched.exists),
        ):
            try:
                call(*arguments)
            except Exception as error:
                self.assertNotIsInstance(error, AssertionError)
        return touched

    @hypothesis.settings(max_examples=600)
    @hypothesis.given(st.data())
    def test_only_a_devices_own_files_are_touched(self, data):
        name = data.draw(st.sampled_from(sorted(entry_points())))
        call = entry_points()[name]
        count = len(inspect.signature(call).parameters)
        arguments = [data.draw(_VALUES) for _ in range(count)]
        # Half of the time a device that can be, so that the others count.
        if count and data.draw(st.booleans()):
            arguments[0] = '0000:3b:00.0'
        touched = self.touched_by(call, arguments)
        for found, allowed in (
            (touched.written, _WRITTEN),
            (touched.read, _READ),
            (touched.ran, _RUN),
        ):
            for each in found:
                self.assertRegex(each, rf'\A(?:{allowed.pattern})\Z', name)

    def test_what_is_asked_for_rightly_is_done(self):
        card, vf = '0000:3b:00.0', '0000:3b:00.4'
        for name, arguments, kind, expected in (
            ('set_numvfs', (card, 4), 'written', 'sriov_numvfs'),
            ('set_vgpu_type', (vf, 558), 'written', 'current_vgpu_type'),
            ('set_vgpu_place', (vf, None, 4), 'written', 'placement_id'),
            ('set_vf_memory', (card, 1, 1 << 30), 'written', 'vram_quota'),
            ('set_memory_mode', (card, 'NPS4'), 'written', 'memory_partit'),
            ('reset_function', (card,), 'written', 'reset'),
            ('hold_unbind_lock', (card, True), 'written', 'unbindLock'),
            ('read', (card, 'memory_partition_mode'), 'read', 'memory_part'),
            ('config_space', (card,), 'read', 'config'),
            ('set_mig', (card, True), 'ran', '-mig 1'),
            ('make_gpu_instances', (card, ['19']), 'ran', '-cgi 19'),
            ('set_nvidia_vfs', (card, True), 'ran', 'sriov-manage -e'),
        ):
            touched = self.touched_by(entry_points()[name], arguments)
            self.assertIn(expected, ' '.join(getattr(touched, kind)), name)

    def test_numbers_are_numbers_that_a_driver_takes(self):
        for number in (True, -1, 1 << 32, 10**5000, 1.0, '1', '1\n', None):
            touched = self.touched_by(
                privileged.set_vgpu_type, ('0000:3b:00.4', number)
            )
            self.assertEqual([], touched.written, number)
