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
from nova_gpuvirt.vendors import nvidia_places
from nova_gpuvirt.vendors import nvidia_smi
from nova_gpuvirt.vendors import nvidia_types
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
        nvidia.GpuInstance(3, '1g.24gb', 47, 0, 3),
        nvidia.GpuInstance(4, '1g.24gb', 47, 3, 3),
        nvidia.GpuInstance(2, '2g.48gb', 35, 6, 6),
    )
)


def _card(memory, types):
    """What NVIDIA's command says of a card."""
    told = {
        kind.number: nvidia_types.VgpuType(
            kind.number,
            kind.name,
            kind.gi_profile,
            kind.max_instance,
            1,
            kind.per_gi if kind.gi_profile is not None else None,
            kind.framebuffer,
            places.size if (places := memory.places(kind)) else None,
            places.ids if places else (),
        )
        for kind in types
    }
    instances = getattr(memory, 'instances', ())
    return nvidia_smi.Card(
        told,
        isinstance(memory, nvidia.MixedSizes),
        Counter(i.profile for i in instances),
        None,
        {i.number: i.profile for i in instances if i.mixed},
    )


class _Life(stateful.RuleBasedStateMachine):
    """Claims, builds and releases in any order, also by strangers."""

    memory = nvidia.EqualSize()
    types = _TIME_SLICED
    # Whether we choose the places, where sizes mix.
    chosen = True
    is_exact = True

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
            nvidia_vfs.Vf(
                vf,
                made.kind.number,
                {},
                made.gpu_instance,
                placement=self.told(made),
            )
            if (made := self.made.get(vf))
            else nvidia_vfs.Vf(vf, 0, creatable, None)
            for vf in _VFS
        ]
        self.card = _card(self.memory, self.types)
        return nvidia_vfs.share(
            'vendor-vfio', vfs, self.names, self.card, chosen=self.chosen
        )

    def told(self, made):
        """What the driver says where a vGPU lies."""
        return made.placement

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
            limit = offer.per_card or offer.count
            assert len({*offer.slots}) == min(offer.count, limit), offer
        return sorted({s for offer in found for s in offer.slots}, key=str)

    def make(self, slot):
        """Make the vGPU of a slot, as a backend would; tell whether."""
        kind = next(
            k for k in self.types if nvidia_vfs.slug(k.name) == slot.profile
        )
        others = [*self.made.values()]
        made = self.memory.place(kind, others)
        if made is None:
            return False
        if self.chosen:
            made = self.moved(made, others)
        self.made[slot.device] = made
        return True

    def moved(self, made, others):
        """Where the product would move a vGPU that the driver made."""
        move = nvidia_places.move(
            self.card, self.seen(made), [*map(self.seen, others)]
        )
        if move is None:
            return made
        if move.gpu_instance is not None:
            made = self.memory.move_to_instance(
                made, others, move.gpu_instance
            )
        return self.memory.move(made, others, move.placement)

    def seen(self, made):
        """What the product reads of a vGPU."""
        return nvidia_places.Made(
            made.kind.number, made.gpu_instance, self.told(made)
        )

    @stateful.precondition(lambda self: self.slots())
    @stateful.rule(data=st.data())
    def claim(self, data):
        self.claims.append(data.draw(st.sampled_from(self.slots())))

    @stateful.precondition(lambda self: self.claims)
    @stateful.rule(data=st.data())
    def build(self, data):
        slot = data.draw(st.sampled_from(self.claims))
        if slot.device not in self.made:
            assert self.make(slot), slot

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
        self.share()
        before = dict(self.made)
        for claims in (self.claims, self.claims[::-1]):
            for slot in claims:
                if slot.device not in self.made:
                    assert self.make(slot), slot
            self.made = dict(before)

    @stateful.invariant()
    def all_that_fits_is_offered_when_nothing_is_pending(self):
        if any(slot.device not in self.made for slot in self.claims):
            return
        share = self.share()
        left = share.rule.left(share.profiles, Counter())
        for kind in self.types:
            slug = nvidia_vfs.slug(kind.name)
            if slug not in left or not self.is_exact:
                continue
            made = [*self.made.values()]
            while one := self.memory.place(kind, made):
                made.append(one)
            fits = min(len(made), len(_VFS)) - len(self.made)
            assert left[slug] == fits, (slug, left[slug], fits)


class _Mixed(_Life):
    memory = nvidia.MixedSizes(24)


class _ByTheDriver(_Mixed):
    """The driver chooses: what is there can't be written."""

    chosen = False


class _Guide(_Mixed):
    """A card from before Blackwell, of 94 GB."""

    memory = nvidia.MixedSizes(94, blackwell=False)
    types = tuple(
        nvidia.VgpuType(gib, f'NVIDIA H800L-{gib}C', gib << 10, most)
        for gib, most in (
            *((94, 1), (47, 2), (23, 4), (15, 6)),
            *((11, 8), (6, 15), (4, 23)),
        )
    )


class _GuideByTheDriver(_Guide):
    chosen = False


class _Untold(_Guide):
    """Nobody knows where vGPUs lie."""

    chosen = False
    is_exact = False

    def told(self, made):
        return None


class _MixedMig(_Life):
    memory = nvidia.GpuInstances(
        (
            nvidia.GpuInstance(3, '1g.24gb', 47, 0, 3, 24, mixed=True),
            nvidia.GpuInstance(4, '1g.24gb', 47, 3, 3, 24, mixed=True),
            nvidia.GpuInstance(2, '2g.48gb', 35, 6, 6, 48),
        )
    )
    types = (
        *_MIG,
        nvidia.VgpuType(
            5, 'NVIDIA DC-1-12Q', 12 << 10, 8, gi_profile=47, per_gi=2
        ),
        nvidia.VgpuType(
            6, 'NVIDIA DC-2-24Q', 24 << 10, 4, gi_profile=35, per_gi=2
        ),
    )


class _PartlyMixedMig(_MixedMig):
    memory = nvidia.GpuInstances(
        (
            nvidia.GpuInstance(3, '1g.24gb', 47, 0, 3, 24, mixed=True),
            nvidia.GpuInstance(4, '1g.24gb', 47, 3, 3),
            nvidia.GpuInstance(2, '2g.48gb', 35, 6, 6, 48, mixed=True),
        )
    )


class _Mig(_Life):
    memory = _INSTANCES
    types = _MIG


_SETTINGS = settings(max_examples=60, stateful_step_count=30, deadline=None)
# Where sizes mix, each step looks at many orders.
_FEWER = settings(max_examples=12, stateful_step_count=12, deadline=None)


class EqualSizeTest(_Life.TestCase, unittest.TestCase):
    settings = _SETTINGS


class MixedSizesTest(_Mixed.TestCase, unittest.TestCase):
    settings = _FEWER


class MixedByTheDriverTest(_ByTheDriver.TestCase, unittest.TestCase):
    settings = _FEWER


class GuideTest(_Guide.TestCase, unittest.TestCase):
    settings = _FEWER


class GuideByTheDriverTest(_GuideByTheDriver.TestCase, unittest.TestCase):
    settings = _FEWER


class UntoldTest(_Untold.TestCase, unittest.TestCase):
    settings = _FEWER


class GpuInstancesTest(_Mig.TestCase, unittest.TestCase):
    settings = _SETTINGS


class MixedInstancesTest(_MixedMig.TestCase, unittest.TestCase):
    settings = _FEWER


class PartlyMixedInstancesTest(_PartlyMixedMig.TestCase, unittest.TestCase):
    settings = _FEWER
