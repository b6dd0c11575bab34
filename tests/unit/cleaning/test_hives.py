"""No reset takes down a tenant of another card of the same hive."""

from nova_gpuvirt import gpus
from nova_gpuvirt.cards import operator_filter
from tests.unit.cleaning import base


class HiveTest(base.CleanerTestCase):
    def setUp(self):
        super().setUp()
        self.start('mi300x-hive')
        survey = self.gpus.survey(refresh=True)
        self.cards = [g.address for g in survey.gpus]
        self.card, self.dirty = self.attach(f'passthrough:{self.cards[0]}')

    def test_reset_that_takes_down_other_tenants_waits(self):
        self.host.break_file(str(self.card), 'reset_method', 'pm\n')
        found = self.waits(self.card, self.dirty, held=self.cards[1:2])
        self.assertIn(str(self.cards[1]), found)
        self.clean(self.card, self.dirty)

    def test_reset_of_one_function_or_bus_waits_for_nobody(self):
        for methods in ('flr pm\n', 'bus\n'):
            self.host.break_file(str(self.card), 'reset_method', methods)
            self.clean(self.card, self.dirty, held=self.cards[1:2])

    def restart(self):
        self.gpus = gpus.Gpus(
            self.machine, operator_filter.OperatorFilter(), dirt=self.dirt
        )
        self.gpus.survey(refresh=True)

    def test_hive_that_is_not_known_after_a_restart(self):
        # Another guest has the second card: amdgpu tells nothing of it.
        other = self.cards[1]
        self.host.break_file(str(self.card), 'reset_method', 'pm\n')
        self.libvirt.detach(other)
        self.restart()
        self.assertIn(str(other), self.waits(self.card, self.dirty, [other]))

    def test_card_whose_own_hive_is_not_known_after_a_restart(self):
        # Its last cleaning has left it with vfio-pci.
        other = self.cards[1]
        self.host.break_file(str(self.card), 'reset_method', 'pm\n')
        self.libvirt.detach(self.card)
        self.restart()
        self.assertIn(str(other), self.waits(self.card, self.dirty, [other]))

    def test_card_of_another_model_is_of_another_hive(self):
        other = self.cards[1]
        self.host.break_file(str(self.card), 'reset_method', 'pm\n')
        self.libvirt.detach(other)
        self.host.break_file(str(other), 'device', '0x74a5\n')
        self.restart()
        self.clean(self.card, self.dirty, [other])

    def test_cards_of_which_amdgpu_tells_no_hive(self):
        self.host.break_file(str(self.card), 'reset_method', 'pm\n')
        for card in self.cards:
            self.host.break_file(
                str(card), 'xgmi_hive_info/xgmi_hive_id', '0\n'
            )
        self.restart()
        self.clean(self.card, self.dirty, self.cards[1:])
