"""Only who stays with a card keeps it from guests."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt import model
from nova_gpuvirt.cards import in_use
from nova_gpuvirt.host import card_openers

_CARD = model.PciAddress(0, 1, 0, 0)

openers = st.builds(
    card_openers.Opener,
    st.integers(1, 3),
    st.sampled_from(('Xorg', 'nvidia-smi', 'qemu-system-x86')),
    st.booleans(),
)


class InUseTest(unittest.TestCase):
    def setUp(self):
        self.in_use = in_use.InUse()

    def after(self, *updates):
        for found in updates:
            self.in_use.saw(_CARD, found)
        return self.in_use.why_not(_CARD)

    def test_process_that_is_seen_twice(self):
        xorg = card_openers.Opener(7, 'Xorg')
        self.assertIsNone(self.after({xorg}))
        self.assertIn('process 7 (Xorg) of the host', self.after({xorg}))
        self.assertIsNone(self.after(()))
        self.assertIsNone(self.after({xorg}))

    def test_another_process_each_time_is_monitoring(self):
        monitors = [card_openers.Opener(n, 'nvidia-smi') for n in range(3)]
        self.assertIsNone(self.after(*({m} for m in monitors)))

    def test_process_of_a_guest_is_told_by_its_claim(self):
        for name in ('qemu-system-x86', 'qemu-kvm', 'nvidia-vgpu-mgr'):
            guest = card_openers.Opener(7, name)
            self.assertIsNone(self.after({guest}, {guest}))

    def test_card_that_its_driver_lost_is_in_nobodys_use(self):
        xorg = card_openers.Opener(7, 'Xorg')
        self.after({xorg}, {xorg})
        self.in_use.forget(_CARD)
        self.assertIsNone(self.in_use.why_not(_CARD))
        self.assertIsNone(self.after({xorg}))

    def test_many_are_counted(self):
        found = [card_openers.Opener(n, 'python3') for n in range(1, 8)]
        self.assertIn('process 3 (python3) and 4 more', in_use.named(found))

    @given(st.lists(st.sets(openers), min_size=1))
    def test_it_is_in_use_by_those_of_the_last_two_updates(self, updates):
        self.in_use = in_use.InUse()
        found = self.after(*updates)
        last, before = updates[-1], updates[-2] if updates[1:] else set()
        staying = {
            o
            for o in last & before
            if not o.is_own and not o.name.startswith('qemu')
        }
        self.assertEqual(bool(staying), found is not None)
