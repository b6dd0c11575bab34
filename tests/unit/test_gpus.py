"""Cards are attached, released and repaired on a host that refuses."""

import errno
import pathlib
import uuid

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import gpus
from nova_gpuvirt import handover
from nova_gpuvirt import model
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.cards import vgpu
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.placement import inventory
from nova_gpuvirt.simulation import hosts

_CARD = '0000:3b:00.0'
_INSTANCE = str(uuid.uuid4())


class Libvirt(hypervisor.Absent):
    """As much of a hypervisor as a host without guests needs."""

    def __init__(self, host):
        self._host = host
        self.guests = {}

    def create_mdev(self, parent, type_id, mdev):
        try:
            self._host.write(
                f'/sys/bus/pci/devices/{parent}/mdev_supported_types/'
                f'{type_id}/create',
                str(mdev),
            )
        except OSError as error:
            raise exception.PrepareFailed(
                str(parent), wanted=type_id, found=str(error), remedy='-'
            ) from error

    def remove_mdev(self, parent, mdev):
        self._host.write(f'/sys/bus/mdev/devices/{mdev}/remove', '1')

    def guest_with(self, mdev):
        return self.guests.get(str(mdev))


class GpusTestCase(testtools.TestCase):
    kind = 't4'

    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = hosts.simulated(self.kind, root)
        self.before = self.host.snapshot()
        self.libvirt = Libvirt(self.host)
        self.gpus = gpus.Gpus(
            machine.Machine(
                sysfs.Sysfs(root), pciids.PciIds([root]), self.libvirt
            ),
            operator_filter.OperatorFilter(),
        )
        self.handover = handover.Handover(self.gpus)
        self.log = self.useFixture(fixtures.FakeLogger())

    def claim(self, index=0, profile='nvidia-t4-8q', card=_CARD):
        return model.Claim('VGPU', f'mdev:{card}/{index}@{profile}')

    def mdevs(self):
        folder = self.host.root / 'sys/bus/mdev/devices'
        return {path.name for path in folder.iterdir()}


class TypesTest(GpusTestCase):
    def names(self, **kwargs):
        gpus = self.gpus.survey(**kwargs).gpus
        (card,) = (gpu for gpu in gpus if str(gpu.address) == _CARD)
        return {profile.type_id: profile.name for profile in card.profiles}

    def test_texts_of_types_are_kept_until_a_periodic_update(self):
        before = self.names()
        self.host.break_file(
            _CARD, 'mdev_supported_types/nvidia-233/name', 'GRID T4-8X\n'
        )
        self.assertEqual(before, self.names())
        after = self.names(refresh=True)
        self.assertEqual(before | {'nvidia-233': 'GRID T4-8X'}, after)
        self.assertEqual(after, self.names())


class RefreshTest(GpusTestCase):
    def test_answer_about_all_cards_that_fails_hides_none(self):
        def fail(backend, gpus):
            raise RuntimeError('no answer')

        before = self.gpus.survey(refresh=True).gpus
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_gpuvirt.backends.passthrough.Passthrough.refresh_all',
                fail,
            )
        )
        self.assertEqual(before, self.gpus.survey(refresh=True).gpus)
        self.assertIn('No answer about passthrough: no', self.log.output)


class ClaimsTest(GpusTestCase):
    kind = 'l40s'
    card = '0000:41:00.0'
    vf = '0000:41:00.6'

    def found(self, *identifiers):
        claims = [model.Claim('VGPU', text) for text in identifiers]
        return self.gpus.of_claims(claims)

    def test_a_claim_leads_to_its_card_as_a_survey_shows_it(self):
        every = {str(g.address): g for g in self.gpus.survey().gpus}
        for identifier in (
            f'passthrough:{self.card}',
            f'vendor-vfio:{self.vf}@nvidia-l40s-8q',
        ):
            self.assertEqual((every[self.card],), self.found(identifier))

    def test_a_set_leads_to_each_of_its_cards(self):
        every = self.gpus.survey().gpus
        addresses = '+'.join(str(gpu.address) for gpu in every)
        self.assertEqual(every, self.found(f'set:{addresses}'))

    def test_nothing_is_read_of_other_cards(self):
        self.host.break_file('0000:a1:00.0', 'class', None)
        (gpu,) = self.found(f'vendor-vfio:{self.vf}@nvidia-l40s-8q')
        self.assertIsNone(gpu.refusal)
        self.assertEqual({}, self.gpus._look([gpu.address]).unreadable)

    def test_a_claim_on_what_is_gone_leads_to_nothing(self):
        self.host.unplug(self.card)
        self.assertEqual((), self.found(f'passthrough:{self.card}'))

    def test_no_readable_claim_leads_to_nothing(self):
        self.assertEqual((), self.found('of another version'))


class VgpuTest(GpusTestCase):
    def test_vgpu_is_made_once_and_removed_once(self):
        claim = self.claim()
        mdev = str(vgpu.uuid_of(claim.slot, _INSTANCE))
        for _ in range(2):
            (device,) = self.handover.attach(_INSTANCE, [claim])
            self.assertEqual(mdev, str(device.uuid))
            self.assertEqual({mdev}, self.mdevs())
        for _ in range(2):
            self.handover.release(_INSTANCE, [claim])
            self.assertEqual(self.before, self.host.snapshot())

    def test_release_leaves_the_vgpu_of_another_instance(self):
        self.handover.attach(_INSTANCE, [self.claim()])
        self.handover.release(str(uuid.uuid4()), [self.claim()])
        self.assertEqual(1, len(self.mdevs()))

    def test_what_was_made_goes_when_the_next_can_not_be_made(self):
        self.handover.attach(_INSTANCE, [self.claim(0)])
        before = self.host.snapshot()
        error = self.assertRaises(
            exception.PrepareFailed,
            self.handover.attach,
            _INSTANCE,
            [self.claim(0), self.claim(1), self.claim(2, 'nvidia-t4-4q')],
        )
        self.assertIn('Input/output error', str(error))
        # The one that was there before stays: its guest may be running.
        self.assertEqual(before, self.host.snapshot())

    def test_vgpu_that_a_guest_has_is_not_removed(self):
        claim = self.claim()
        self.handover.attach(_INSTANCE, [claim])
        (mdev,) = self.mdevs()
        self.libvirt.guests[mdev] = 'the-guest'
        failures = self.handover.release(_INSTANCE, [claim])
        self.assertEqual({mdev}, self.mdevs())
        self.assertIn('the running guest the-guest has it', failures[claim])

    def test_leftovers_are_those_that_nobody_claims(self):
        claims = [self.claim(0), self.claim(1)]
        self.handover.attach(_INSTANCE, claims)
        left = self.handover.leftovers([claims[0].slot])
        self.assertEqual([claims[1].slot], [x.slot for x in left])
        self.handover.discard(left)
        self.assertEqual(1, len(self.mdevs()))

    def test_error_that_nobody_thought_of_leaves_nothing_half_made(self):
        create = self.libvirt.create_mdev

        def create_one(parent, type_id, mdev):
            if self.mdevs():
                raise RuntimeError('a bug')
            create(parent, type_id, mdev)

        self.libvirt.create_mdev = create_one
        claims = [self.claim(0), self.claim(1)]
        self.assertRaises(
            RuntimeError, self.handover.attach, _INSTANCE, claims
        )
        self.assertEqual(self.before, self.host.snapshot())

    def test_release_goes_on_after_any_error(self):
        claims = [self.claim(0), self.claim(1)]
        self.handover.attach(_INSTANCE, claims)
        self.host.fail('*/remove', errno.EIO)
        failures = self.handover.release(_INSTANCE, claims)
        self.assertEqual(1, len(self.mdevs()))
        self.assertEqual([claims[0]], [*failures])
        self.assertIn('Input/output error', failures[claims[0]])
        self.assertEqual({}, self.handover.release(_INSTANCE, claims))

    def test_vgpu_that_its_driver_removes_meanwhile_is_released(self):
        claims = [self.claim()]
        self.handover.attach(_INSTANCE, claims)
        (mdev,) = self.mdevs()
        remove = self.libvirt.remove_mdev

        def remove_and_fail(parent, uuid_):
            remove(parent, uuid_)
            raise exception.ReleaseFailed(
                parent, wanted='-', found='no such node device', remedy='-'
            )

        self.libvirt.remove_mdev = remove_and_fail
        self.assertEqual({}, self.handover.release(_INSTANCE, claims))
        self.assertEqual(self.before, self.host.snapshot())

    def test_profile_that_is_gone_is_named(self):
        error = self.assertRaises(
            exception.PrepareFailed,
            self.handover.attach,
            _INSTANCE,
            [self.claim(profile='nvidia-t4-3q')],
        )
        for word in (_CARD, 'nvidia-t4-3q', 'nvidia-t4-8q', _INSTANCE):
            self.assertIn(word, str(error))

    def test_driver_that_lies_is_found_out(self):
        self.libvirt.create_mdev = lambda *_: None
        error = self.assertRaises(
            exception.PrepareFailed,
            self.handover.attach,
            _INSTANCE,
            [self.claim()],
        )
        self.assertIn('sysfs does not show it', str(error))


class CardTest(GpusTestCase):
    kind = 'workstation'

    def setUp(self):
        super().setUp()
        self.card = model.Claim('PGPU', 'passthrough:0000:01:00.0')

    def test_every_function_goes_into_one_slot(self):
        devices = self.handover.attach(_INSTANCE, [self.card])
        self.assertEqual(
            [f'0000:01:00.{n}' for n in range(4)],
            [str(d.host) for d in devices],
        )
        self.assertEqual({'0000:01:00.0'}, {d.slot for d in devices})
        self.assertEqual([0, 1, 2, 3], [d.function for d in devices])
        self.assertTrue(all(d.managed for d in devices))
        self.handover.release(_INSTANCE, [self.card])
        self.assertEqual(self.before, self.host.snapshot())

    def test_card_that_may_not_be_given_any_more(self):
        boot_vga = model.Claim('PGPU', 'passthrough:0000:00:02.0')
        error = self.assertRaises(
            exception.PrepareFailed,
            self.handover.attach,
            _INSTANCE,
            [boot_vga],
        )
        self.assertIn('boot VGA', str(error))

    def test_card_that_is_gone_or_sick(self):
        self.host.break_file('0000:01:00.0', 'resource', '?')
        error = self.assertRaises(
            exception.PrepareFailed,
            self.handover.attach,
            _INSTANCE,
            [self.card],
        )
        self.assertIn('resource', str(error))
        self.host.unplug('0000:01:00.0')
        error = self.assertRaises(
            exception.PrepareFailed,
            self.handover.attach,
            _INSTANCE,
            [self.card],
        )
        self.assertIn('no such card', str(error))

    def test_claim_of_another_version_is_refused_and_never_dropped(self):
        strange = model.Claim('VGPU', 'vf:0000:01:00.4@nvidia-l40s-8q')
        error = self.assertRaises(
            exception.PrepareFailed, self.handover.attach, _INSTANCE, [strange]
        )
        self.assertIn('vf:0000:01:00.4', str(error))
        failures = self.handover.release(_INSTANCE, [strange])
        self.assertIn('vf:0000:01:00.4', failures[strange])


class ReportTest(GpusTestCase):
    def test_change_of_a_card_is_told_once(self):
        self.gpus.report('node1', {})
        self.host.break_file(_CARD, 'numa_node', '?')
        for _ in range(3):
            self.gpus.report('node1', {})
        self.assertEqual(1, self.log.output.count(f'{_CARD} is not offered'))

    def test_card_that_vanished_is_told_once(self):
        address = model.PciAddress.parse(_CARD)
        self.host.unplug(_CARD)
        for _ in range(3):
            self.gpus.report('node1', {address: inventory.UNKNOWN})
        self.assertEqual(1, self.log.output.count(f'{_CARD} is not offered'))
        self.host.plug(_CARD)
        self.gpus.report('node1', {address: inventory.UNKNOWN})
        self.assertIn(f'{_CARD} is offered again', self.log.output)

    def of_card(self, *claims):
        """Report a card in whose place another model was claimed of."""
        other = 'CUSTOM_GPU_ID_10DE_2331'
        known = inventory.Known({}, {other}, frozenset(claims))
        found = self.gpus.report(
            'node1', {model.PciAddress.parse(_CARD): known}
        )
        (provider,) = (p for p in found if p.name.endswith(_CARD))
        return provider, other in provider.traits

    def test_card_in_place_of_a_claimed_one_gives_nothing(self):
        claim = self.claim()
        provider, is_other = self.of_card(claim)
        self.assertTrue(is_other)
        self.assertIn(trait_names.QUARANTINED, provider.traits)
        self.assertEqual({'VGPU': {claim}}, provider.resources)
        (gpu,) = self.gpus.look_at([claim])
        self.assertIn('claimed of 10de:2331', gpu.refusal)

        provider, is_other = self.of_card()
        self.assertFalse(is_other)
        self.assertIn('PGPU', provider.resources)
        (gpu,) = self.gpus.look_at([claim])
        self.assertIsNone(gpu.refusal)

    def test_error_that_nobody_thought_of_is_the_cards_own(self):
        path = f'sys/bus/pci/devices/{_CARD}/mdev_supported_types'
        (self.host.root / path / 'no number').mkdir()
        refused = [g for g in self.gpus.survey().gpus if g.refusal]
        self.assertEqual([_CARD], [str(g.address) for g in refused])
