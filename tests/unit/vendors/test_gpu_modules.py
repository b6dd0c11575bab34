"""Where a card is on its board is asked for, or known by the operator."""

import unittest

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.vendors import fabric_manager
from nova_gpuvirt.vendors import gpu_modules

_CARD = model.PciAddress.parse('0000:0f:00.0')
_OTHER = model.PciAddress.parse('0000:10:00.0')


class GpuModulesTest(unittest.TestCase):
    def modules(self, text, given=()):
        def run(argv):
            if text is None:
                raise commands.CommandFailed('no nvidia-smi')
            return text

        return gpu_modules.GpuModules(run, dict(given))

    def test_number_on_the_board_is_asked_of_nvidia_smi(self):
        # Since B200 it stands elsewhere, under another name.
        for key in ('Module ID', 'Module Id'):
            text = f'GPU 0\n    {key}   : 5\n    GPU UUID  : GPU-1\n'
            modules = self.modules(text)
            modules.learn(_CARD, 'nvidia')
            self.assertIsNone(modules.why_not(_CARD))
            for member in (
                fabric_manager.Member(5),
                fabric_manager.Member(9, 'GPU-1'),
                fabric_manager.Member(9, None, _CARD),
            ):
                self.assertEqual(_CARD, modules.card(member))
            self.assertIsNone(modules.card(fabric_manager.Member(1)))

    def test_card_that_can_not_be_asked_is_unknown_with_its_reason(self):
        for text, driver, reason in (
            ('', 'vfio-pci', 'gpu_modules'),
            ('', None, 'its driver is none'),
            (None, 'nvidia', 'no nvidia-smi'),
            ('Module ID : N/A', 'nvidia', 'tells no Module Id'),
        ):
            modules = self.modules(text)
            modules.learn(_CARD, driver)
            self.assertIn(reason, modules.why_not(_CARD))
            self.assertIsNone(modules.card(fabric_manager.Member(5)))

    def test_number_to_configure_is_that_of_fabric_manager(self):
        for by_module in (True, False):
            modules = self.modules('')
            modules.learn(_CARD, 'vfio-pci', by_module=by_module)
            self.assertIn(
                'its number in Fabric Manager is not known',
                modules.why_not(_CARD),
            )

    def test_what_fabric_manager_names_itself_goes_before(self):
        modules = self.modules('Module ID : 5\nGPU UUID : GPU-1\n')
        modules.learn(_CARD, 'nvidia', by_module=False)
        self.assertIn('not its Module Id', modules.why_not(_CARD))
        self.assertIsNone(modules.card(fabric_manager.Member(5)))
        for named in (
            fabric_manager.Member(2, 'GPU-1'),
            fabric_manager.Member(2, None, _CARD),
        ):
            self.assertEqual(_CARD, modules.card(named))
        # A guest has the card now.
        self.assertEqual(_CARD, modules.card(fabric_manager.Member(2)))
        self.assertIsNone(modules.card(fabric_manager.Member(5)))
        self.assertIsNone(modules.why_not(_CARD))

    def test_number_that_fabric_manager_corrects(self):
        modules = self.modules('Module ID : 5\n')
        modules.learn(_CARD, 'nvidia')
        modules.card(fabric_manager.Member(5, None, _OTHER))
        self.assertEqual(_OTHER, modules.card(fabric_manager.Member(5)))

    def test_what_the_operator_says_is_not_asked(self):
        modules = self.modules(None, {_CARD: 5})
        modules.learn(_CARD, 'vfio-pci')
        self.assertEqual(_CARD, modules.card(fabric_manager.Member(5)))

    def test_two_cards_with_one_number_are_both_unknown(self):
        modules = self.modules(None, {_CARD: 5, _OTHER: 5})
        self.assertIsNone(modules.card(fabric_manager.Member(5)))
