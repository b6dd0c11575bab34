"""A claim whose mode is lost is named, with what restores it."""

import dataclasses
import unittest

from nova_gpuvirt import model
from nova_gpuvirt.cards import lost_modes
from nova_gpuvirt.cards import profiles
from nova_gpuvirt.cards import size_rules
from tests.unit import functions

_CARD = model.PciAddress(0, 0x41, 0, 0)
_VFS = tuple(model.PciAddress(0, 0x41, 0, n) for n in (4, 5, 6))


def gpu(*creatable, made=(), vfs=_VFS, **changes):
    """A card whose VFs can become these types, and of which some are made."""
    function = functions.function(
        _CARD,
        device_id=0x2331,
        driver='nvidia',
        sriov_totalvfs=3,
        virtfns=vfs,
        **changes,
    )
    names = {*creatable, *made}
    share = model.Share(
        'vendor-vfio',
        size_rules.EQUAL_SIZE,
        profiles=tuple(
            dataclasses.replace(
                profiles.nvidia(name, '1', 1),
                places=_VFS if name in creatable else (),
            )
            for name in sorted(names)
        ),
        vgpus=tuple(
            model.Vgpu(str(vf), slot(name, vf).profile, slot(name, vf))
            for name, vf in zip(made, vfs, strict=False)
        ),
    )
    return model.Gpu(
        function, (), 'NVIDIA', 'H100', shares=(share,) if vfs else ()
    )


def slot(name, vf):
    return model.Slot('vendor-vfio', vf, profile=profiles.nvidia_slug(name))


def claims(*names):
    return [
        model.Claim('VGPU', str(slot(name, vf)))
        for name, vf in zip(names, _VFS, strict=False)
    ]


class LostModesTest(unittest.TestCase):
    def assert_lost(self, mode, command, found, made):
        text = lost_modes.of(found, made)
        self.assertIsNotNone(text)
        self.assertIn(made[0].identifier, text)
        self.assertIn(f'can not be had without {mode}', text)
        self.assertIn(command, text)

    def test_what_is_made_or_can_be_made_waits_for_nothing(self):
        for found in (
            gpu('NVIDIA H100-1-10C'),
            gpu(made=['NVIDIA H100-1-10C']),
        ):
            self.assertIsNone(
                lost_modes.of(found, claims('NVIDIA H100-1-10C'))
            )
        self.assertIsNone(lost_modes.of(gpu(), ()))

    def test_mig_mode(self):
        self.assert_lost(
            'MIG mode and its GPU instances',
            'nvidia-smi -i 0000:41:00.0 -mig 1',
            gpu('NVIDIA H100-10C'),
            claims('NVIDIA H100-1-10C'),
        )

    def test_gpu_instances_that_are_missing_for_some(self):
        found = gpu(made=['NVIDIA H100-1-10C'])
        made = claims('NVIDIA H100-1-10C', 'NVIDIA H100-2-20C')
        text = lost_modes.of(found, made)
        self.assertIn(made[1].identifier, text)
        self.assertNotIn(made[0].identifier, text)

    def test_mig_mode_that_should_be_off(self):
        self.assert_lost(
            'MIG mode off',
            'nvidia-smi -i 0000:41:00.0 -mig 0',
            gpu('NVIDIA H100-1-10C'),
            claims('NVIDIA H100-10C'),
        )

    def test_mixed_sizes(self):
        made = claims('NVIDIA DC-24Q', 'NVIDIA DC-48Q')
        self.assert_lost(
            'mixed sizes',
            'nvidia-smi vgpu -i 0000:41:00.0 -shm 1',
            gpu('NVIDIA DC-24A', made=['NVIDIA DC-24Q']),
            made[1:],
        )

    def test_sizes_that_each_could_be_had_alone(self):
        self.assert_lost(
            'mixed sizes',
            '-shm 1',
            gpu('NVIDIA DC-24Q', 'NVIDIA DC-48Q'),
            claims('NVIDIA DC-24Q', 'NVIDIA DC-48Q'),
        )
        made = claims('NVIDIA DC-24Q', 'NVIDIA DC-24Q')
        self.assertIsNone(lost_modes.of(gpu('NVIDIA DC-24Q'), made))

    def test_vfs(self):
        self.assert_lost(
            'VFs',
            'sriov-manage -e 0000:41:00.0',
            gpu(vfs=()),
            claims('NVIDIA H100-10C', 'NVIDIA H100-10C'),
        )
        text = lost_modes.of(gpu(vfs=()), claims(*2 * ['NVIDIA H100-10C']))
        self.assertIn('and 1 more', text)
        self.assertIn('sriov_numvfs is not 0', text)

    def test_card_that_makes_vgpus_without_vfs_has_lost_none(self):
        # A T4 has the capability of SR-IOV, and needs no VFs.
        types = (profiles.nvidia('GRID T4-2Q', '1', 8),)
        share = model.Share('mdev', size_rules.EQUAL_SIZE, _CARD, types)
        found = dataclasses.replace(gpu(vfs=()), shares=(share,))
        text = f'mdev:{_CARD}/0@nvidia-t4-4q'
        self.assertIsNone(lost_modes.of(found, [model.Claim('VGPU', text)]))

    def test_other_reasons_are_the_drivers(self):
        self.assertIsNone(lost_modes.of(gpu(), claims('NVIDIA H100-10C')))

    def test_whole_cards_sets_and_what_nobody_can_read_wait_for_nothing(self):
        for text in ('passthrough:0000:41:00.0', 'strange'):
            claim = model.Claim('PGPU', text)
            self.assertIsNone(lost_modes.of(gpu(), [claim]))

    def test_other_vendors_have_no_such_modes(self):
        found = gpu(vfs=(), vendor_id=0x8086)
        self.assertIsNone(lost_modes.of(found, claims('NVIDIA H100-10C')))

    def test_what_a_boot_needs(self):
        self.assertIn('-mig 1', lost_modes.needs(_CARD, 'nvidia-h100-1-10c'))
        text = lost_modes.needs(_CARD, 'nvidia-dc-24q')
        self.assertIn('-mig 0', text)
        self.assertIn('-shm 1', text)
