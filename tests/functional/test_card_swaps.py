"""What was claimed of a card is never given of the one that took its place."""

import dataclasses

import ddt

from nova_gpuvirt import exception
from tests.functional import base

_T4 = 'CUSTOM_GPU_ID_10DE_1EB8'
_OTHER = 'CUSTOM_GPU_ID_10DE_27B8'


@ddt.ddt
class CardSwapTest(base.GpuTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', 't4')

    def swap(self, card, device=0x27B8, away=lambda: None):
        """Put a card of another model into a card's place.

        :param away: called while neither is there
        """
        (old,) = (
            f for f in self.host.description.functions if f.address == card
        )
        self.host.unplug(card)
        away()
        self.host.plug(card, dataclasses.replace(old, device=device))

    def ids(self, card):
        """The traits of a provider that say which card it is of."""
        return {
            t
            for t in self.gpu_providers('host1')[card]['traits']
            if t.startswith(('CUSTOM_GPU_ID_', 'CUSTOM_GPU_MODEL_'))
        }

    def left(self, card):
        """What can be had of a card, all classes together."""
        provider = self.gpu_providers('host1')[card]
        return sum(
            inventory['total']
            - inventory['reserved']
            - provider['usages'].get(rc, 0)
            for rc, inventory in provider['inventories'].items()
        )

    def assert_kept(self, card, claims=1):
        """The provider is of the old card, and nothing of it is offered."""
        self.assertEqual({_T4, 'CUSTOM_GPU_MODEL_TESLA_T4'}, self.ids(card))
        provider = self.gpu_providers('host1')[card]
        self.assertIn('CUSTOM_GPU_QUARANTINED', provider['traits'])
        self.assertEqual(claims, sum(provider['usages'].values()))
        self.assertEqual(0, self.left(card))

    @ddt.data(base.PGPU, base.VGPU)
    def test_provider_keeps_what_it_was_until_nothing_is_claimed(self, spec):
        server = self._stop_server(self.boot(spec))
        (claim,) = self.claims(server)
        card = str(claim.slot.device)
        self.swap(card)
        self.run_periodic()
        self.assert_kept(card)
        self.restart_compute_service('host1')
        self.assert_kept(card)
        self.run_periodic()
        self.assert_kept(card)
        self.assertIn(
            f'{card} is not offered: it is NVIDIA 27b8 (10de:27b8), and what '
            'is claimed here was claimed of 10de:1eb8; migrate',
            self.log(),
        )
        self._delete_server(server)
        self.run_periodic()
        self.assertIn(_OTHER, self.ids(card))
        self.assertNotIn(_T4, self.ids(card))
        self.assertLess(0, self.left(card))
        self.assertIn(f'{card} is offered again', self.log())
        self.assert_agreed()

    def test_old_card_that_comes_back(self):
        server = self._stop_server(self.boot(base.PGPU))
        card = self.slot(server).removeprefix('passthrough:')
        # Neither is there in between, for an update.
        self.swap(card, away=self.run_periodic)
        self.run_periodic()
        self.assert_kept(card)
        self.swap(card, device=0x1EB8)
        self.run_periodic()
        self.assertNotIn(
            'CUSTOM_GPU_QUARANTINED',
            self.gpu_providers('host1')[card]['traits'],
        )
        self._start_server(server)
        self.assert_agreed()

    def test_card_of_a_set(self):
        server = self._stop_server(
            self.boot({'resources:CUSTOM_GPU_SET_2': '1'})
        )
        (claim,) = self.claims(server)
        card = str(claim.slot.device.cards[1])
        self.swap(card)
        self.run_periodic()
        self.assert_kept(card, claims=0)
        self.restart_compute_service('host1')
        self.assert_kept(card, claims=0)
        self._delete_server(server)
        self.run_periodic()
        self.assertIn(_OTHER, self.ids(card))

    def test_other_card_is_not_attached(self):
        server = self._stop_server(self.boot(base.PGPU))
        (claim,) = self.claims(server)
        driver = self.computes['host1'].driver
        self.swap(str(claim.slot.device))
        for _ in range(2):
            error = self.assertRaises(
                exception.PrepareFailed,
                driver._handover.attach,
                server['id'],
                [claim],
            )
            self.assertIn('was claimed of 10de:1eb8', str(error))
            self.run_periodic()
            (gpu,) = driver._gpus.of_claims([claim])
            self.assertIn('was claimed of 10de:1eb8', gpu.refusal)
