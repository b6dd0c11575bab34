"""Plans lead from what a card is to what it shall be."""

import dataclasses
import unittest

import hypothesis
from hypothesis import strategies as st

from nova_gpuvirt.layout import planner
from nova_gpuvirt.layout import state as state_
from nova_gpuvirt.layout import steps
from nova_gpuvirt.layout import wish as wish_
from nova_gpuvirt.vendors import gpu_instance_profiles
from nova_gpuvirt.vendors import gpu_instances

_ONE = gpu_instances.GpuInstance(7, '1g.10gb', 19, 0, 1)
_TWO = gpu_instances.GpuInstance(3, '2g.20gb', 14, 2, 2)
H100 = state_.State(
    driver='nvidia', total_vfs=20, mig=False, mig_pending=False
)
BLACKWELL = dataclasses.replace(H100, mixed_sizes=False)
XE = state_.State(driver='xe', total_vfs=12)
GIM = state_.State(
    driver='gim', vfs=8, total_vfs=8, partition='SPX', memory_mode='NPS1'
)
T4 = state_.State(driver='nvidia', mixed_sizes=None)


def names(state, **wish):
    return [str(s) for s in planner.plan(state, wish_.Wish(**wish)).steps]


class PlanTest(unittest.TestCase):
    def test_nothing_is_done_that_is_not_wished_for(self):
        for state in (H100, BLACKWELL, XE, GIM, T4):
            found = planner.plan(state, wish_.NOTHING)
            self.assertTrue(found.is_nothing)

    def test_card_in_mig_mode(self):
        self.assertEqual(
            [
                'turn MIG mode on',
                'make 20 VFs',
                'make the GPU instances 1g.10gb, 2g.20gb',
            ],
            names(
                H100, vfs='all', mig=True, gpu_instances=('1g.10gb', '2g.20gb')
            ),
        )

    def test_what_making_vfs_ends_is_made_again(self):
        state = dataclasses.replace(
            BLACKWELL,
            mig=True,
            gpu_instances=(_ONE, _TWO),
            mixed_instances=frozenset({3, 7}),
        )
        wish = {
            'vfs': 'all',
            'mig': True,
            'gpu_instances': ('1g.10gb', '2g.20gb'),
            'mixed_sizes': True,
        }
        self.assertEqual(
            [
                'make 20 VFs',
                'make the GPU instances 1g.10gb, 2g.20gb',
                'turn mixed sizes of GPU instance 0 on',
                'turn mixed sizes of GPU instance 1 on',
            ],
            names(state, **wish),
        )
        found = planner.plan(state, wish_.Wish(**wish))
        self.assertEqual(
            '2 GPU instances, the mode of mixed sizes', found.loses[0]
        )

    def test_nothing_is_ended_that_is_not_named(self):
        """Who made it would not get it back."""
        instances = dataclasses.replace(
            H100, mig=True, gpu_instances=(_ONE, _TWO)
        )
        for state, wish, named in (
            (dataclasses.replace(H100, vfs=20), {'mig': True}, 'vfs'),
            (instances, {'vfs': 'all'}, 'mig'),
            (
                dataclasses.replace(BLACKWELL, mixed_sizes=True),
                {'vfs': 'all'},
                'mixed_sizes',
            ),
            (
                dataclasses.replace(XE, vfs=4),
                {'vf_memory': 2000 << 20},
                'vfs',
            ),
            (
                dataclasses.replace(H100, vfs=16),
                {'vfs': 4, 'mig': True},
                'vfs',
            ),
        ):
            found = planner.plan(state, wish_.Wish(**wish))
            self.assertEqual((), found.steps)
            self.assertIn(f'with {named}', found.impossible[-1])

    def test_vfs_are_away_while_mig_mode_changes(self):
        state = dataclasses.replace(H100, vfs=20)
        self.assertEqual(
            ['remove its VFs', 'turn MIG mode on', 'make 20 VFs'],
            names(state, vfs='all', mig=True),
        )

    def test_other_gpu_instances(self):
        state = dataclasses.replace(H100, mig=True, gpu_instances=(_ONE, _TWO))
        for same in (
            ('1g.10gb', '2g.20gb'),
            ('14', '19'),
            ('2g.20gb:2', '1g.10gb'),
            ('14', '19:0'),
        ):
            self.assertEqual([], names(state, mig=True, gpu_instances=same))
        for other in (('1g.10gb',), ('1g.10gb', '2g.20gb:0'), ('19', '19')):
            self.assertEqual(
                [
                    'remove its GPU instances',
                    f'make the GPU instances {", ".join(other)}',
                ],
                names(state, mig=True, gpu_instances=other),
            )

    def test_mixed_sizes_of_a_card_and_of_its_instances(self):
        self.assertEqual(
            ['turn mixed sizes on'], names(BLACKWELL, mixed_sizes=True)
        )
        state = dataclasses.replace(
            BLACKWELL, mig=True, gpu_instances=(_ONE, _TWO)
        )
        self.assertEqual(
            [
                'turn mixed sizes of GPU instance 7 on',
                'turn mixed sizes of GPU instance 3 on',
            ],
            names(state, mixed_sizes=True),
        )

    def test_memory_of_intels_vfs_comes_before_them(self):
        size = 2000 << 20
        self.assertEqual(
            [
                'give 2000 MiB to VF 1',
                'give 2000 MiB to VF 2',
                'make 2 VFs',
            ],
            names(XE, vfs=2, vf_memory=size),
        )
        state = dataclasses.replace(XE, vfs=1, vf_memory={1: size})
        self.assertEqual([], names(state, vf_memory=size))
        self.assertEqual(
            ['remove its VFs', 'give 2000 MiB to VF 2', 'make 2 VFs'],
            names(state, vfs=2, vf_memory=size),
        )

    def test_amds_memory_mode_comes_first(self):
        self.assertEqual(
            ['set the memory mode NPS4', 'set the partition mode CPX'],
            names(GIM, partition='CPX', memory_mode='NPS4'),
        )

    def test_whole_card_has_nothing_to_lose(self):
        state = dataclasses.replace(
            H100, vfs=20, mig=True, gpu_instances=(_ONE,)
        )
        whole = {'vfs': 0, 'mig': False}
        self.assertEqual(
            ['remove its VFs', 'turn MIG mode off'], names(state, **whole)
        )
        for state in (H100, T4, state_.State()):
            self.assertEqual([], names(state, **whole))

    def test_what_can_not_be_is_told_and_the_rest_is_done(self):
        for state, wish, name, rest in (
            (T4, {'mig': True}, 'mig', []),
            (T4, {'vfs': 4}, 'vfs', []),
            (T4, {'vfs': 'all'}, 'vfs', []),
            (H100, {'vfs': 4, 'mig': True}, 'vfs', ['turn MIG mode on']),
            (H100, {'mixed_sizes': True}, 'mixed_sizes', []),
            (H100, {'partition': 'CPX'}, 'partition', []),
            (H100, {'vf_memory': 1}, 'vf_memory', []),
            (GIM, {'vfs': 1}, 'vfs', []),
            (XE, {'vfs': 13}, 'vfs', []),
        ):
            found = planner.plan(state, wish_.Wish(**wish))
            (why,) = found.impossible
            self.assertTrue(why.startswith(f'{name}: wanted'), why)
            self.assertEqual(rest, [str(s) for s in found.steps])

    def test_gpu_instances_that_the_card_can_not_have(self):
        """Before those are removed that it has."""
        state = dataclasses.replace(
            H100,
            mig=True,
            gpu_instances=(_ONE,),
            gi_profiles=(
                gpu_instance_profiles.GiProfile('1g.10gb', 19, 7),
                gpu_instance_profiles.GiProfile('1g.10gb+me', 20, 1),
            ),
        )
        for wanted, found in (
            (('9g.999gb',), '9g.999gb, found that the card has 1g.10gb (19)'),
            (('19', '999:0'), '999, found'),
            (('019',), '019, found'),
            (8 * ('19',), '8 of 1g.10gb, found that it can have 7'),
            ((*7 * ('19',), '1g.10gb:6'), '8 of 1g.10gb'),
            (2 * ('1g.10gb+me:0',), '2 of 1g.10gb+me, found that it can'),
        ):
            wish = wish_.Wish(mig=True, gpu_instances=wanted)
            plan = planner.plan(state, wish)
            self.assertEqual((), plan.steps, wanted)
            (why,) = plan.impossible
            self.assertIn(f'mig: wanted {found}', why)
            # It may be that a driver does not tell.
            silent = dataclasses.replace(state, gi_profiles=())
            self.assertEqual((), planner.plan(silent, wish).impossible)
        wanted = ('1g.10gb:3', '20', *5 * ('19',))
        names_of = names(state, mig=True, gpu_instances=wanted)
        self.assertEqual(2, len(names_of))

    def test_no_vfs_are_made_while_what_they_have_is_not_known(self):
        state = dataclasses.replace(XE, unknown={'vf_memory': 'EIO'})
        found = planner.plan(state, wish_.Wish(vfs=2, vf_memory=2 << 30))
        self.assertEqual((), found.steps)
        self.assertIn('is not known: EIO', found.impossible[0])
        # Who wants none has no reason to wait.
        self.assertEqual(['make 2 VFs'], names(state, vfs=2))

    def test_gpu_instances_with_one_vgpu_each_mix_no_sizes(self):
        state = dataclasses.replace(
            BLACKWELL,
            vfs=20,
            mig=True,
            gpu_instances=(_ONE, _TWO),
            shared_instances=frozenset({7}),
        )
        wish = {'mixed_sizes': True}
        self.assertEqual(
            ['turn mixed sizes of GPU instance 7 on'], names(state, **wish)
        )
        state = dataclasses.replace(state, shared_instances=frozenset())
        found = planner.plan(state, wish_.Wish(**wish))
        self.assertEqual((), found.steps)
        self.assertIn('GPU instances holds one vGPU', found.impossible[0])
        # Others may be made.
        wish |= {'mig': True, 'gpu_instances': ('1g.24gb+gfx',)}
        found = planner.plan(state, wish_.Wish(**wish))
        self.assertEqual((), found.impossible)

    def test_card_of_gims_goes_whole_only_without_gim(self):
        (why,) = planner.plan(GIM, wish_.Wish(vfs=0, mig=False)).impossible
        self.assertIn('vfs: wanted none, found 8: gim has VFs as long', why)
        self.assertIn('blacklist gim', why)

    def test_vfio_pci_makes_nothing_of_a_card(self):
        state = state_.State(driver='vfio-pci', total_vfs=20)
        for name, value, whose in (
            ('vfs', 'all', 'its own driver makes VFs'),
            ('vfs', 4, 'its own driver makes VFs'),
            ('mig', True, "not NVIDIA's driver"),
            ('mixed_sizes', True, "not NVIDIA's driver"),
            ('partition', 'CPX', "not AMD's gim"),
            ('memory_mode', 'NPS4', "not AMD's gim"),
            ('vf_memory', 1, "not Intel's driver"),
        ):
            found = planner.plan(state, wish_.Wish(**{name: value}))
            self.assertEqual((), found.steps)
            (why,) = found.impossible
            self.assertTrue(why.startswith(f'{name}: wanted'), why)
            self.assertIn('found that vfio-pci has the card', why)
            self.assertIn(whose, why)

    def test_card_that_a_guest_has_waits_for_it(self):
        """libvirt gives it back to its driver, which makes VFs."""
        state = state_.State(
            driver='vfio-pci', total_vfs=20, is_overridden=True
        )
        self.assertEqual(['make 20 VFs'], names(state, vfs='all'))

    def test_modes_of_gims_go_with_its_number_of_vfs(self):
        """It refuses a partition that another number of VFs goes with."""
        state = dataclasses.replace(GIM, partition='CPX', memory_mode='NPS4')
        found = planner.plan(
            state, wish_.Wish(vfs=1, partition='SPX', memory_mode='NPS1')
        )
        self.assertEqual((), found.steps)
        modes, vfs = found.impossible[:2], found.impossible[2]
        self.assertEqual(
            (
                'partition: wanted SPX with vfs: 1, found 8 VFs',
                'memory_mode: wanted NPS1 with vfs: 1, found 8 VFs',
            ),
            modes,
        )
        self.assertIn('vfs: wanted 1, found 8: gim makes them', vfs)
        # What is so already wants nothing.
        found = planner.plan(
            state, wish_.Wish(vfs=1, partition='CPX', memory_mode='NPS4')
        )
        (why,) = found.impossible
        self.assertIn('vfs: wanted 1', why)

    def test_what_is_not_known_is_not_changed(self):
        state = dataclasses.replace(
            H100, unknown={'mig': 'it hangs', 'mixed_sizes': 'it hangs'}
        )
        found = planner.plan(state, wish_.Wish(vfs='all', mig=True))
        self.assertEqual((), found.steps)
        self.assertEqual(
            (
                'mig: what it is now is not known: it hangs',
                'make 20 VFs: it ends mig, of which nothing is known now',
            ),
            found.impossible,
        )
        # A card that shall not be in that mode has nothing to be told.
        found = planner.plan(state, wish_.Wish(vfs=0, mig=False))
        self.assertTrue(found.is_nothing)

    def test_card_that_is_left_alone(self):
        found = planner.plan(H100, wish_.Wish(left_alone=True, vfs='all'))
        self.assertTrue(found.is_nothing)


_INSTANCES = st.lists(
    st.sampled_from(('1g.10gb', '2g.20gb', '3g.40gb:4', '19')), max_size=4
).map(tuple)


@st.composite
def cards(draw):
    """A card of NVIDIA's, in any state, with a wish."""
    mig = draw(st.sampled_from((None, False, True)))
    state = state_.State(
        driver='nvidia',
        vfs=draw(st.sampled_from((0, 16))),
        total_vfs=16,
        mig=mig,
        gpu_instances=steps.MakeGpuInstances(draw(_INSTANCES))
        .after(H100)
        .gpu_instances
        if mig
        else (),
        mixed_sizes=draw(st.sampled_from((None, False, True))),
    )
    wanted = draw(st.sampled_from((None, False, True)))
    wish = wish_.Wish(
        vfs=draw(st.sampled_from((None, 0, 16, 'all', 3, 99))),
        mig=wanted,
        gpu_instances=draw(_INSTANCES) if wanted else (),
        mixed_sizes=draw(st.sampled_from((None, False, True))),
    )
    return state, wish


class PropertyTest(unittest.TestCase):
    @hypothesis.given(cards())
    def test_steps_end_where_nothing_is_left(self, card):
        state, wish = card
        found = planner.plan(state, wish)
        for number, step in enumerate(found.steps):
            left = planner.plan(state, wish).steps
            self.assertEqual(found.steps[number:], left)
            state = step.after(state)
            self.assertTrue(step.is_done(state), step)
        self.assertEqual((), planner.plan(state, wish).steps)

    @hypothesis.given(cards())
    def test_no_step_finds_what_forbids_it(self, card):
        state, wish = card
        for step in planner.plan(state, wish).steps:
            match step:
                case steps.MakeVfs():
                    self.assertEqual(0, state.vfs)
                case steps.SetMig():
                    self.assertEqual((0, ()), (state.vfs, state.gpu_instances))
                case steps.MakeGpuInstances():
                    self.assertTrue(state.mig)
                    self.assertEqual((), state.gpu_instances)
            state = step.after(state)
