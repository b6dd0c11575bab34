"""What is offered of NVIDIA's VFs can be made, whatever was made before.

The simulated card is the judge: it refuses as the driver does.
"""

import unittest
from collections import Counter

from hypothesis import settings
from hypothesis import stateful
from hypothesis import strategies as st

from nova_gpuvirt import model
from nova_gpuvirt.cards import offers
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.vendors import nvidia_smi
from nova_gpuvirt.vendors import nvidia_vfs
from tests.unit import functions

_CARD = model.PciAddress(0, 0x41, 0, 0)
_VFS = tuple(model.PciAddress(0, 0x41, 1, n) for n in range(8)) + tuple(
    model.PciAddress(0, 0x41, 2, n) for n in range(8)
)
_FUNCTION = functions.function(
    _CARD,
    device_id=0x26B9,
    driver='nvidia',
    sriov_totalvfs=len(_VFS),
    virtfns=_VFS,
)
_SIZES = (2, 3, 4, 6, 8, 12, 24)
_TIME_SLICED = tuple(
    nvidia.VgpuType(
        10 * gib + i, f'NVIDIA L40S-{gib}{s}', gib << 10, 24 // gib
    )
    for gib in _SIZES
    for i, s in enumerate('QA')
)
_MIG = (
    nvidia.VgpuType(1, 'NVIDIA DC-1-6Q', 6 << 10, 16, gi_profile=47, per_gi=4),
    nvidia.VgpuType(2, 'NVIDIA DC-1-6A', 6 << 10, 16, gi_profile=47, per_gi=4),
    nvidia.VgpuType(3, 'NVIDIA DC-1-8Q', 8 << 10, 12, gi_profile=47, per_gi=3),
    nvidia.VgpuType(4, 'NVIDIA DC-2-48Q', 48 << 10, 2, gi_profile=35),
)
_INSTANCES = nvidia.GpuInstances(
    (
        nvidia.GpuInstance('1g.24gb', 47, 0, 1),
        nvidia.GpuInstance('1g.24gb', 47, 1, 1),
        nvidia.GpuInstance('2g.48gb', 35, 2, 2),
    )
)


class _Life(stateful.RuleBasedStateMachine):
    """Claims, builds and releases in any order, also by strangers."""

    memory = nvidia.EqualSize()
    types = _TIME_SLICED
    # Whether what is offered may find no place in a card full of holes.
    has_holes = False

    def __init__(self):
        super().__init__()
        self.made = {}
        self.claims = []
        self.names = {}

    def share(self):
        """What the product says of the card as it is now."""
        creatable = {
            kind.number: kind.name
            for kind in self.types
            if self.memory.place(kind, self.made.values())
        }
        self.names |= creatable
        vfs = [
            nvidia_vfs.Vf(vf, made.kind.number, {}, made.gpu_instance)
            if (made := self.made.get(vf))
            else nvidia_vfs.Vf(vf, 0, creatable, None)
            for vf in _VFS
        ]
        told = {
            kind.number: nvidia_smi.VgpuType(
                kind.number,
                kind.name,
                kind.gi_profile,
                kind.max_instance,
                1,
                kind.per_gi if kind.gi_profile is not None else None,
                kind.framebuffer,
            )
            for kind in self.types
        }
        instances = Counter(
            i.profile for i in getattr(self.memory, 'instances', ())
        )
        mixed = isinstance(self.memory, nvidia.MixedSizes)
        card = nvidia_smi.Card(told, mixed, instances, None)
        return nvidia_vfs.share('vendor-vfio', vfs, self.names, card)

    def slots(self):
        """Every slot that is offered now."""
        gpu = model.Gpu(
            _FUNCTION,
            (),
            'NVIDIA',
            'L40S',
            whole_refusal='it has VFs',
            shares=(self.share(),),
        )
        claims = [model.Claim('', str(slot)) for slot in self.claims]
        found = offers.offers(gpu, claims, None)
        for offer in found:
            limit = offer.per_guest or offer.count
            assert len({*offer.slots}) == min(offer.count, limit), offer
        return sorted({s for offer in found for s in offer.slots}, key=str)

    def make(self, slot):
        """Make the vGPU of a slot, as a backend would; tell whether."""
        kind = next(
            k for k in self.types if nvidia_vfs.slug(k.name) == slot.profile
        )
        made = self.memory.place(kind, self.made.values())
        if made is not None:
            self.made[slot.device] = made
        return made is not None

    @stateful.precondition(lambda self: self.slots())
    @stateful.rule(data=st.data())
    def claim(self, data):
        self.claims.append(data.draw(st.sampled_from(self.slots())))

    @stateful.precondition(lambda self: self.claims)
    @stateful.rule(data=st.data())
    def build(self, data):
        slot = data.draw(st.sampled_from(self.claims))
        if slot.device not in self.made and not self.make(slot):
            assert self.has_holes, slot
            self.claims.remove(slot)

    @stateful.precondition(lambda self: self.claims)
    @stateful.rule(data=st.data())
    def release(self, data):
        slot = data.draw(st.sampled_from(self.claims))
        self.claims.remove(slot)
        self.made.pop(slot.device, None)

    @stateful.invariant()
    def no_vf_is_given_twice(self):
        devices = [slot.device for slot in self.claims]
        assert len(devices) == len(set(devices))
        taken = {*devices, *self.made}
        assert taken.isdisjoint(slot.device for slot in self.slots())

    @stateful.invariant()
    def every_claim_can_be_built_at_once(self):
        before = dict(self.made)
        for slot in self.claims:
            if slot.device not in self.made:
                assert self.make(slot) or self.has_holes, slot
        self.made = before


class _Mixed(_Life):
    memory = nvidia.MixedSizes(24)
    has_holes = True

    @stateful.invariant()
    def no_more_is_claimed_than_there_is(self):
        sizes = {nvidia_vfs.slug(k.name): k.framebuffer for k in self.types}
        assert sum(sizes[s.profile] for s in self.claims) <= 24 << 10


class _Mig(_Life):
    memory = _INSTANCES
    types = _MIG


_SETTINGS = settings(max_examples=60, stateful_step_count=30, deadline=None)


class EqualSizeTest(_Life.TestCase, unittest.TestCase):
    settings = _SETTINGS


class MixedSizesTest(_Mixed.TestCase, unittest.TestCase):
    settings = _SETTINGS


class GpuInstancesTest(_Mig.TestCase, unittest.TestCase):
    settings = _SETTINGS
