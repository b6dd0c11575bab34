"""A card that falls sick goes to no further guest, until it was seen well."""

from nova_gpuvirt.health import record
from nova_gpuvirt.health import records
from nova_gpuvirt.simulation import sickness
from tests.functional import base

_CARD = '0000:3b:00.0'
_TRAIT = 'CUSTOM_GPU_QUARANTINED'


class SicknessTest(base.GpuTestCase):
    well_after = 3

    def setUp(self):
        super().setUp()
        self.host = self.start_gpu_host('host1', 't4')
        self.records = records.Records(self.state_path('host1'))
        self.sickness = sickness.Sickness(self.host, _CARD)

    def assert_sick(self, is_sick, updates=1):
        """Run updates, and see what Placement is told after each."""
        for _ in range(updates):
            self.run_periodic()
            provider = self.gpu_providers('host1')[_CARD]
            self.assertEqual(is_sick, _TRAIT in provider['traits'])
            self.assertEqual(
                not is_sick, _CARD in self.offered('host1', 'VGPU')
            )

    def reason(self):
        (found,) = self.records.read().values()
        self.assertIs(record.By.NOVA_GPUVIRT, found.quarantine.by)
        return found.quarantine.reason

    def test_card_that_answers_with_ones(self):
        self.sickness.answer_with_ones()
        self.assert_sick(True)
        self.sickness.heal()
        self.assert_sick(True, updates=2)
        self.assert_sick(False)
        self.assertEqual({}, self.records.read())

    def test_servers_on_a_sick_card_are_named_and_stay(self):
        server = self.boot(base.VGPU)
        (name,) = self.gpu_allocations(server)
        card = name.rpartition('_')[2]
        sickness.Sickness(self.host, card).answer_with_ones()
        self.run_periodic()
        self.assertIn(
            f'servers that have something of it keep it: {server["id"]}',
            self.log(),
        )
        self.assertEqual([name], [*self.gpu_allocations(server)])
        self._delete_server(server)

    def test_errors_that_are_counted_once_make_no_card_sick(self):
        self.run_periodic()
        self.sickness.count('nonfatal')
        self.assert_sick(False, updates=3)

    def test_errors_that_come_and_go(self):
        self.run_periodic()
        self.sickness.count('nonfatal')
        self.assert_sick(False, updates=2)
        self.sickness.count('nonfatal')
        self.assert_sick(True)

    def test_card_is_sick_over_a_restart(self):
        self.sickness.answer_with_ones()
        self.assert_sick(True)
        self.assertIn('ones', self.reason())
        self.sickness.heal()
        self.restart_compute_service('host1')
        self.assert_sick(True)
        self.assert_sick(False)

    def test_card_that_falls_off_the_bus_without_a_word(self):
        self.host.unplug(_CARD)
        self.run_periodic()
        self.assertIn('it was there and is gone', self.reason())
        self.host.plug(_CARD)
        self.assert_sick(True, updates=2)
        self.assert_sick(False)

    def test_what_an_operator_releases_is_well_until_it_shows_a_sign(self):
        self.sickness.say(
            'NVRM: Xid (PCI:0000:3b:00): 79, pid=1, name=python3, GPU has '
            'fallen off the bus.'
        )
        self.assert_sick(True)
        (card,) = self.records.read()
        self.records.change(card, lambda r: r.released(record.By.OPERATOR))
        self.assert_sick(False, updates=2)
