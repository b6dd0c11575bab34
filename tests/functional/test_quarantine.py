"""A card in quarantine goes to no further guest, and leaves those it has."""

import os
import unittest

import ddt

from nova_gpuvirt import model
from nova_gpuvirt.health import record
from nova_gpuvirt.health import records
from tests.functional import base

_CARD = '0000:3b:00.0'
_TRAIT = 'CUSTOM_GPU_QUARANTINED'
# The user and the group of nova-compute.
_NOVA = (12345, 23456)
_SMALL = {'resources:CUSTOM_VGPU_NVIDIA_T4_2Q': '1'}
_LARGE = {'resources:CUSTOM_VGPU_NVIDIA_T4_8Q': '1'}


class QuarantineCase(base.GpuTestCase):
    kind = 't4'

    def setUp(self):
        super().setUp()
        self.flags(allow_resize_to_same_host=True)
        self.host = self.start_gpu_host('host1', self.kind)
        self.before = self.host.snapshot()
        self.records = records.Records(self.state_path('host1'))
        self.cards = sorted(self.gpu_providers('host1'))
        self.card = self.cards[0]

    def quarantine(
        self, card, by=record.By.OPERATOR, reason='it crashes guests'
    ):
        self.records.change(
            model.PciAddress.parse(card),
            lambda one: one.put(
                record.Quarantine(reason, '2026-11-30T02:56:03Z', by)
            ),
        )

    def release(self, card):
        self.records.change(
            model.PciAddress.parse(card),
            lambda one: one.released(record.By.OPERATOR),
        )

    def file(self, card):
        return self.state_path('host1') / 'cards' / f'{card}.json'

    def offering(self):
        """The cards of which something is left to claim."""
        return sorted(
            card
            for card, provider in self.gpu_providers('host1').items()
            if any(
                inventory['total']
                - inventory['reserved']
                - provider['usages'].get(rc, 0)
                for rc, inventory in provider['inventories'].items()
            )
        )

    def in_quarantine(self):
        """The cards whose providers say so."""
        return sorted(
            card
            for card, provider in self.gpu_providers('host1').items()
            if _TRAIT in provider['traits']
        )

    def assert_withheld(self, *cards):
        self.assertEqual(sorted(cards), self.in_quarantine())
        self.assertEqual(sorted({*self.cards} - {*cards}), self.offering())
        self.assert_agreed()

    def notifications(self):
        return [
            (n.priority, n.event_type, n.publisher_id, n.payload)
            for n in self.notifier.notifications
            if n.event_type.startswith('gpuvirt.')
        ]


@ddt.ddt
class QuarantineTest(QuarantineCase):
    def test_card_is_withheld_until_it_is_released(self):
        before = self.gpu_providers('host1')[self.card]['inventories']
        self.quarantine(self.card)
        self.run_periodic()
        self.assert_withheld(self.card)
        self.restart_compute_service('host1')
        self.assert_withheld(self.card)
        servers = [self.boot(base.PGPU) for _ in range(3)]
        self.boot_refused(base.PGPU)
        self.release(self.card)
        self.run_periodic()
        self.assertEqual([], self.in_quarantine())
        self.assertEqual([self.card], self.offering())
        self.assertEqual(
            before, self.gpu_providers('host1')[self.card]['inventories']
        )
        for server in (*servers, self.boot(base.PGPU)):
            self._delete_server(server)
        self.assert_agreed()
        self.assertEqual(self.before, self.host.snapshot())

    def test_claim_of_another_card_sees_it_too(self):
        self.quarantine(self.card)
        self.boot(base.PGPU)
        self.assertEqual([self.card], self.in_quarantine())
        self.release(self.card)
        self.boot(base.PGPU)
        self.assertEqual([], self.in_quarantine())

    def test_servers_stay_and_are_named(self):
        server = self.boot(_SMALL)
        stopped = self.boot(_SMALL)
        self._stop_server(stopped)
        card = self.slot(server).partition(':')[2].partition('/')[0]
        slot = self.slot(server)
        self.quarantine(card)
        self.run_periodic()
        self.assertEqual([card], self.in_quarantine())
        (line,) = (
            x for x in self.log().splitlines() if 'is in quarantine: ' in x
        )
        self.assertIn(server['id'], line)
        self.assertIn(f'{card} (NVIDIA Tesla T4, serial number ', line)
        self.run_periodic()
        self.assertEqual(1, self.log().count('is in quarantine: '))
        self._start_server(stopped)
        self._reboot_server(server, hard=True)
        self.restart_compute_service('host1')
        self.run_periodic()
        self.assertEqual(slot, self.slot(server))
        self.assertEqual(1, len(self.hostdevs('host1', server)))
        self.assert_agreed()
        for each in (server, stopped):
            self._delete_server(each)
        self.assert_withheld(card)
        self.assertEqual(self.before, self.host.snapshot())

    @ddt.data(True, False)
    def test_server_leaves_it_by_a_resize_and_may_come_back(self, confirm):
        server = self.boot(_SMALL)
        slot = self.slot(server)
        card = slot.partition(':')[2].partition('/')[0]
        self.quarantine(card)
        self.run_periodic()
        server = self._resize_server(
            server, self._create_flavor(extra_spec=_LARGE)
        )
        self.assertNotIn(card, self.slot(server))
        if confirm:
            self._confirm_resize(server)
        else:
            self._revert_resize(server)
            self.assertEqual(slot, self.slot(server))
        self.assert_agreed()
        self._delete_server(server)
        self.run_periodic()
        self.assert_withheld(card)
        self.assertEqual(self.before, self.host.snapshot())

    def test_notifications_are_sent(self):
        slots = self.host.root / 'sys/bus/pci/slots/7'
        slots.mkdir(parents=True)
        (slots / 'address').write_text(self.card.rpartition('.')[0] + '\n')
        server = self.boot(_SMALL)
        self.quarantine(self.card)
        self.run_periodic()
        self.run_periodic()
        (sent,) = self.notifications()
        self.assertEqual(
            ('WARN', 'gpuvirt.card.quarantined', 'compute.host1'), sent[:3]
        )
        payload = sent[3]
        self.assertRegex(payload.pop('serial'), r'^1\d{12}$')
        has = self.card in self.slot(server)
        self.assertEqual(
            {
                'host': 'host1',
                'address': self.card,
                'model': 'NVIDIA Tesla T4',
                'slot': '7',
                'reason': 'it crashes guests',
                'since': '2026-11-30T02:56:03Z',
                'by': 'operator',
                'servers': [server['id']] if has else [],
            },
            payload,
        )
        self.release(self.card)
        self.run_periodic()
        _, (priority, event_type, _, released) = self.notifications()
        self.assertEqual('INFO', priority)
        self.assertEqual('gpuvirt.card.released', event_type)
        self.assertEqual(self.card, released['address'])
        self.assertIn('is in quarantine no more', self.log())

    def test_notification_that_fails_withholds_nevertheless(self):
        self.notifier.fake_notifier.prepare = None
        self.quarantine(self.card)
        self.run_periodic()
        self.assert_withheld(self.card)
        self.assertIn('is in quarantine: it crashes guests', self.log())
        self.assertIn('No notification of', self.log())
        self.release(self.card)
        self.run_periodic()
        self.assert_withheld()

    def test_what_makes_no_sense_withholds_its_card_and_no_other(self):
        folder = self.file(self.card).parent
        for text in (b'', b'{"version": 2}', b'\xff'):
            self.file(self.card).write_bytes(text)
            self.run_periodic()
            self.assert_withheld(self.card)
        self.assertIn(f'{self.file(self.card)}: wanted', self.log())
        self.file(self.card).unlink()
        self.run_periodic()
        self.assert_withheld()
        folder.rmdir()
        folder.write_text('')
        self.run_periodic()
        self.assert_withheld(*self.cards)
        self.assertIn('No GPU is offered', self.log())
        folder.unlink()
        self.run_periodic()
        self.assert_withheld()

    @unittest.skipUnless(os.geteuid() == 0, 'only root gives files away')
    def test_what_root_writes_is_the_folders_owners(self):
        """root runs the command, and nova-compute changes it later."""
        self.file(self.card).parent.rmdir()
        os.chown(self.state_path('host1'), *_NOVA)
        self.quarantine(self.card)
        for path in (self.file(self.card), self.file(self.card).parent):
            self.assertEqual(_NOVA, (path.stat().st_uid, path.stat().st_gid))
        self.run_periodic()
        self.assert_withheld(self.card)

    def test_card_that_is_not_there(self):
        """It fell off, or is to come: it is withheld when it is there."""
        self.quarantine('0000:99:00.0')
        self.host.unplug(self.card)
        self.quarantine(self.card)
        self.run_periodic()
        traits = self.gpu_providers('host1')[self.card]['traits']
        self.assertIn('CUSTOM_GPU_MISSING', traits)
        self.assertIn(_TRAIT, traits)
        self.assertIn(f'{self.card} (which is not there)', self.log())
        self.host.plug(self.card)
        self.run_periodic()
        self.assert_withheld(self.card)
        self.release(self.card)
        self.run_periodic()
        self.assert_withheld()
        # Of what has never been there, nothing is made.
        self.assertEqual(self.cards, sorted(self.gpu_providers('host1')))


class SetsTest(QuarantineCase):
    kind = 'hgx-h100'

    def test_no_set_has_it_and_other_sets_stay(self):
        before = self.totals('host1', 'CUSTOM_GPU_SET_2')
        self.quarantine(self.card)
        self.run_periodic()
        self.assertEqual(
            sum(before.values()) - 1,
            sum(self.totals('host1', 'CUSTOM_GPU_SET_2').values()),
        )
        self.assertEqual(
            1, sum(self.totals('host1', 'CUSTOM_GPU_SET_4').values())
        )
        self.boot_refused({'resources:CUSTOM_GPU_SET_8': '1'})
        server = self.boot({'resources:CUSTOM_GPU_SET_4': '1'})
        self.assertNotIn(self.card, self.slot(server))
        self.release(self.card)
        self.run_periodic()
        self._delete_server(server)
        self.assertEqual(before, self.totals('host1', 'CUSTOM_GPU_SET_2'))
        self.assert_agreed()
