"""What nvidia-smi says of NVLinks is remembered, and asked for rarely."""

import subprocess
import unittest

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.vendors import nvlinks

_A, _B, _C, _D = (
    model.PciAddress(0, bus, 0, 0) for bus in (0x17, 0x2A, 0x3D, 0x63)
)
_MODEL = 0x2321


def _link(number, address):
    return (
        f'         Link {number}: Remote Device 0000{str(address).upper()}: '
        f'Link {number}\n'
    )


class Hung:
    """A process that no signal ends."""

    pid = 4711
    returncode = None

    def communicate(self, *, timeout):
        raise subprocess.TimeoutExpired('nvidia-smi', timeout)

    def poll(self):
        return None

    def kill(self):
        pass


class NvLinksTest(unittest.TestCase):
    def setUp(self):
        self.asked = []
        self.says = {_A: [_C], _C: [_A], _B: [], _D: []}
        self.fails = None
        self.links = nvlinks.NvLinks(self.run_command)

    def run_command(self, argv):
        *question, name = argv
        self.assertEqual(['nvidia-smi', 'nvlink', '-R', '-i'], question)
        card = model.PciAddress.parse(name)
        self.asked.append(card)
        if self.fails:
            raise self.fails
        return 'GPU 0: NVIDIA H100 NVL (UUID: GPU-1)\n' + ''.join(
            _link(*link) for link in enumerate(self.says[card])
        )

    def learn(self, **drivers):
        cards = {'a': _A, 'b': _B, 'c': _C, 'd': _D}
        self.links.learn(
            _MODEL, {cards[name]: driver for name, driver in drivers.items()}
        )
        return self.links.view()

    def test_both_cards_of_a_bridge_are_told(self):
        view = self.learn(a='nvidia', b='nvidia', c='nvidia')
        self.assertEqual({_A: {_A, _C}, _C: {_A, _C}}, {**view.groups})
        self.assertEqual(frozenset(), view.unknown)

    def test_it_is_asked_again_when_the_driver_has_another(self):
        self.learn(a='nvidia', b='nvidia', c='vfio-pci')
        self.learn(a='nvidia', b='nvidia', c='vfio-pci')
        self.assertEqual([_A, _B], self.asked)
        self.learn(a='nvidia', b='nvidia', c='nvidia')
        self.assertEqual([_A, _B, _A, _B, _C], self.asked)

    def test_nothing_is_asked_when_a_card_leaves_and_comes_back(self):
        self.learn(a='nvidia', b='nvidia', c='nvidia')
        self.says = dict.fromkeys(self.says, [])
        for driver in ('vfio-pci', 'nvidia', None):
            view = self.learn(a='nvidia', b='nvidia', c=driver)
            self.assertIn(_A, view.groups)
            self.assertEqual(frozenset(), view.unknown)
        self.assertEqual([_A, _B, _C], self.asked)

    def test_cards_that_take_turns_are_asked_once_beside_each_other(self):
        for others in 2 * ({'b': 'nvidia'}, {'c': 'nvidia'}):
            self.learn(a='nvidia', **others, d=None)
        self.assertEqual([_A, _B, _A, _C], self.asked)

    def test_card_that_nobody_could_ask_is_unknown_beside_a_pair(self):
        view = self.learn(a='nvidia', b='vfio-pci', c='nvidia')
        self.assertEqual({_B}, view.unknown)
        view = nvlinks.NvLinks(self.run_command).view()
        self.assertEqual(frozenset(), view.unknown)

    def test_card_that_only_its_peer_tells_is_known(self):
        view = self.learn(a='nvidia', c=None)
        self.assertEqual({_A, _C}, view.groups[_C])
        self.assertEqual(frozenset(), view.unknown)

    def test_card_that_came_back_is_not_known_until_it_was_asked(self):
        self.learn(a='vfio-pci', c='vfio-pci')
        self.links.saw(_A)
        self.assertEqual({_A}, self.links.view().unasked)
        self.fails = commands.CommandFailed('no such question')
        self.assertEqual(
            frozenset(), self.learn(a='nvidia', c='vfio-pci').unasked
        )
        self.links.saw(_C)
        self.fails = None
        view = self.learn(a='nvidia', c='nvidia')
        self.assertEqual(frozenset(), view.unasked)
        self.assertEqual({_A, _C}, view.groups[_A])

    def test_single_card_that_came_back_is_known(self):
        self.learn(a='vfio-pci')
        self.links.saw(_A)
        self.assertEqual(frozenset(), self.links.view().unasked)

    def test_single_card_is_not_asked(self):
        self.learn(a='nvidia')
        self.assertEqual([], self.asked)

    def test_what_is_no_card_of_the_model_joins_nothing(self):
        switch = model.PciAddress(0, 7, 0, 0)
        self.says = {_A: [switch], _C: [switch]}
        self.assertEqual({}, {**self.learn(a='nvidia', c='nvidia').groups})

    def test_group_is_all_that_can_be_reached(self):
        self.says = {_A: [_B, _C], _B: [_A], _C: [_D], _D: []}
        view = self.learn(a='nvidia', b='nvidia', c='nvidia', d='nvidia')
        self.assertEqual({_A, _B, _C, _D}, view.groups[_D])

    def test_failure_is_no_answer(self):
        self.fails = commands.CommandFailed('no devices')
        self.assertEqual({}, {**self.learn(a='nvidia', c='nvidia').groups})
        self.fails = None
        self.assertIn(_A, self.learn(a='nvidia', c='nvidia').groups)

    def test_command_that_hangs_is_let_be(self):
        started = []

        def start(argv):
            started.append(argv[-1])
            return Hung()

        # Whoever runs commands sees to it.
        self.links = nvlinks.NvLinks(commands.Commands(start, seconds=0))
        self.learn(a='nvidia', c='nvidia')
        self.assertEqual([str(_A)], started)
        self.learn(a='nvidia', c='nvidia')
        self.assertEqual([str(_A)], started)


class ParseTest(unittest.TestCase):
    @given(st.text())
    def test_any_text_is_read(self, text):
        nvlinks.parse(text)
        nvlinks.parse(f'Remote Device {text}')

    def test_lines_of_a_real_host(self):
        # As users of two bridged H100 PCIe have shown.
        text = (
            'GPU 0: NVIDIA H100 PCIe (UUID: GPU-6968dfc2)\n'
            '         Link 0: Remote Device 00000000:D5:00.0: Link 0\n'
            '         Link 4: Remote Device 00000000:D5:00.0: Link 6\n'
        )
        self.assertEqual(
            {model.PciAddress(0, 0xD5, 0, 0)}, nvlinks.parse(text)
        )
