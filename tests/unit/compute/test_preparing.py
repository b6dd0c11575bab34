"""Cards are asked, and who has them, only where that can change something."""

import contextlib
import itertools
import pathlib
import shutil

import fixtures
import testtools

from nova_gpuvirt import model
from nova_gpuvirt.compute import preparing
from nova_gpuvirt.health import records
from nova_gpuvirt.host import card_openers
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.layout import document
from nova_gpuvirt.layout import in_force
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root as root_
from nova_gpuvirt.simulation import simulated
from tests.unit import functions

_FIRST, _SECOND = map(model.PciAddress.parse, ('0000:41:00.0', '0000:a1:00.0'))
_CLAIM = model.Claim('VGPU', 'vendor-vfio:0000:41:00.4@nvidia-h100-1-10c')
_AS_IT_IS = """
version: 1
cards:
  - select: {address: '0000:41:00.0'}
    mig: [1g.10gb, 1g.10gb, 1g.10gb, 1g.10gb, 1g.10gb, 1g.10gb, 1g.10gb]
  - mig: [3g.40gb, 2g.20gb, 2g.20gb]
"""
_WITH_VFS = _AS_IT_IS.replace('    mig:', '    vfs: all\n    mig:').replace(
    '- mig: [3g', '- vfs: all\n    mig: [3g'
)
_OTHERWISE = _AS_IT_IS.replace('[1g.10gb, 1g.10gb, ', '[2g.20gb, ')


class Layout:
    """A file of which the text can be set."""

    invalid = None

    def __init__(self, text):
        self.text = text

    def read(self):
        return document.parse(self.text, 'layout.yaml')


class Libvirt(hypervisor.Absent):
    """A libvirt with at most one domain, which has all cards."""

    domain = None

    def domain_with(self, devices, servers):
        return self.domain


class PreparingTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = fixtures.TempDir(rootdir=simulated.memory())
        root = pathlib.Path(self.useFixture(folder).path)
        power = root_.Root(hosts.simulated('h100-mig', root))
        self.commands = []
        self.now = 0.0
        self.claims = {}
        self.held_is_asked = 0
        self.layout = Layout(_AS_IT_IS)
        self.libvirt = Libvirt()
        self.machine = machine.Machine(
            sysfs.Sysfs(root, power),
            pciids.PciIds([root]),
            self.libvirt,
            lambda argv: (self.commands.append(argv), power.run(argv))[1],
        )
        self.state = root / 'state'
        self.state.mkdir()
        self.start()

    def start(self, held=None):
        """Start, as a nova-compute does, with what is remembered."""
        self.preparing = preparing.Preparing(
            self.machine,
            self.layout,
            in_force.InForce(records.Records(self.state)),
            held or self.held,
            lambda card: self.claims.get(card, ()),
            contextlib.nullcontext,
            lambda: self.now,
        )

    def held(self):
        self.held_is_asked += 1
        return self.claims, ()

    def look(self):
        """Look once, and tell which cards were asked."""
        self.commands.clear()
        self.preparing.look()
        return {argv[-1] for argv in self.commands}

    def test_nobody_is_asked_for_claims_where_all_is_as_it_shall_be(self):
        self.assertEqual({str(_FIRST), str(_SECOND)}, self.look())
        self.assertEqual(set(), self.look())
        self.now += 600
        self.assertEqual({str(_FIRST), str(_SECOND)}, self.look())
        self.assertEqual(0, self.held_is_asked)

    def test_card_of_which_no_mode_is_named_is_not_asked(self):
        self.layout.text = """
version: 1
cards:
  - select: {address: '0000:41:00.0'}
    offer: [mdev]
  - left_alone: true
"""
        self.assertEqual(set(), self.look())

    def test_entry_that_selects_no_card_is_told_once(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.layout.text = """
version: 1
cards:
  - select: {address: '42:00.0'}
    left_alone: true
"""
        self.look()
        self.look()
        self.assertEqual(
            'the entry in line 4 of the layout says what no card of this '
            'host shall be: see the addresses and models in `nova-gpuvirt '
            'discover`\n',
            log.output,
        )
        # Another one in its line is told too, also after none.
        text = self.layout.text
        for changed in (_AS_IT_IS, text):
            self.layout.text = changed
            self.look()
        self.assertEqual(2, log.output.count('the entry in line 4'))

    def test_card_that_waits_is_not_asked_again_while_a_server_has_it(self):
        self.claims = {_FIRST: [_CLAIM]}
        self.layout.text = _OTHERWISE
        self.assertEqual({str(_FIRST), str(_SECOND)}, self.look())
        self.assertEqual(set(), self.look())
        self.assertEqual(set(), self.look())
        self.assertEqual(3, self.held_is_asked)
        # The last is gone.
        self.claims = {}
        self.assertEqual({str(_FIRST)}, self.look())
        self.assertIn(
            '2g.20gb', self.machine.sysfs.rootly.gpu_instances(str(_FIRST))
        )
        self.assertEqual(set(), self.look())

    def test_claims_that_are_not_known_withhold_what_would_change(self):
        self.layout.text = _OTHERWISE
        self.start(self.nobody_answers)
        self.look()
        self.assertEqual([_FIRST], self.withheld('nobody answers'))
        self.assertEqual(1, self.held_is_asked)

    def test_card_that_is_claimed_meanwhile_is_not_changed(self):
        self.layout.text = _OTHERWISE
        self.claims = {_FIRST: [_CLAIM]}
        before = self.machine.sysfs.rootly.gpu_instances(str(_FIRST))
        self.start(held=lambda: ({}, ()))
        self.look()
        self.assertEqual([_FIRST], self.withheld('a server has claimed'))
        self.assertEqual(
            before, self.machine.sysfs.rootly.gpu_instances(str(_FIRST))
        )

    def test_half_made_card_is_not_offered_to_who_comes_beside(self):
        self.layout.text = _OTHERWISE
        root = self.machine.sysfs.rootly
        make = root.make_gpu_instances
        root.make_gpu_instances = self.refuse
        self.look()
        self.assertEqual([_FIRST], self.withheld('Insufficient Resources'))
        self.libvirt.domain = 'a domain'
        self.look()
        self.assertEqual([_FIRST], self.withheld('a domain of libvirt has it'))
        self.libvirt.domain = None
        root.make_gpu_instances = make
        self.look()
        self.assertEqual([], self.withheld(''))

    def small_instances(self):
        """Count the GPU instances of the first card that its server has."""
        try:
            text = self.machine.sysfs.rootly.gpu_instances(str(_FIRST))
        except commands.CommandFailed:
            return 0
        return text.count('1g.10gb')

    def reboot(self, text):
        """Lose all modes, and start with another file."""
        root = self.machine.sysfs.rootly
        root.remove_gpu_instances(str(_FIRST))
        root.set_nvidia_vfs(str(_FIRST), False)
        root.set_mig(str(_FIRST), False)
        self.layout.text = text
        self.start()
        self.look()

    def test_what_can_not_be_is_not_taken_for_what_was_made(self):
        for wrong in ('mig: [9g.99gb]', 'vfs: 3'):
            self.layout.text = _WITH_VFS
            self.claims = {_FIRST: [_CLAIM]}
            self.look()
            self.layout.text = f'version: 1\ncards: [{{{wrong}}}]'
            self.look()
            self.reboot(_WITH_VFS)
            self.assertEqual(7, self.small_instances(), wrong)

    def test_file_that_is_as_the_bare_card_after_a_reboot(self):
        """What a server has claimed is made again nevertheless."""
        for other in ('mig: false, vfs: 0', 'whole: true', 'vfs: 0'):
            self.layout.text = _WITH_VFS
            self.claims = {_FIRST: [_CLAIM]}
            self.look()
            self.reboot(f'version: 1\ncards: [{{{other}}}]')
            self.assertEqual(7, self.small_instances(), other)
            self.assertEqual([], self.withheld(''))

    def test_process_with_another_number_is_no_news(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.layout.text = _OTHERWISE
        numbers = itertools.count(100)
        self.machine.sysfs.card_openers = lambda cards, *_: {
            card: [card_openers.Opener(next(numbers), 'nvidia-smi')]
            for card in cards
        }
        for _ in range(3):
            self.look()
        self.assertEqual(1, log.output.count('of the host has it open'))

    def test_folder_that_can_not_be_written_is_told_once(self):
        log = self.useFixture(fixtures.FakeLogger())
        shutil.rmtree(self.state)
        for _ in range(3):
            self.look()
        self.assertEqual(log.output.count('0000:41:00.0'), 1, log.output)

    def refuse(self, *_):
        raise commands.CommandFailed('nvidia-smi: Insufficient Resources')

    def withheld(self, why):
        """List the cards that are withheld for a reason."""
        found = {
            g.address: self.preparing.readiness.why_not(g)
            for g in self.cards()
        }
        return [a for a, reason in found.items() if reason and why in reason]

    def nobody_answers(self):
        self.held_is_asked += 1
        raise ConnectionError('nobody answers')

    def cards(self):
        return [
            model.Gpu(functions.function(address), (), '', '')
            for address in (_FIRST, _SECOND)
        ]
