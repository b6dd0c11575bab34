"""A line of the kernel's log is of the card that it names first, or none."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt import model
from nova_gpuvirt.health import kernel_log
from nova_gpuvirt.health import signs
from tests.unit import functions

_CARD = '0000:3b:00.0'
_GRAVE, _PASSING = True, False
# What a line says: the sign, whether it is grave, and whether it lasts.
_LINES = {
    'NVRM: Xid (PCI:0000:3b:00): 79, pid=1, name=a b, GPU has fallen off.': (
        ('xid', _GRAVE, True)
    ),
    'NVRM: Xid (PCI:0000:3b:00.0): 48, pid=1234, An uncorrectable …': (
        ('xid', _GRAVE, True)
    ),
    'NVRM: Xid (0000:3b:00): 62, 0cb5(50d8) 00000000 00000000': (
        ('xid', _GRAVE, True)
    ),
    'NVRM: Xid (PCI:0000:3b:00): 74, pid=1, NVLink: fatal error': (
        ('xid', _PASSING, False)
    ),
    'NVRM: Xid (PCI:0000:3b:00): 154, GPU recovery action changed from 0x0 '
    '(None) to 0x2 (Node Reboot Required)': ('xid', _GRAVE, True),
    'vfio-pci 0000:3b:00.0: not ready 65535ms after FLR; giving up': (
        ('reset-failed', _GRAVE, False)
    ),
    'pci 0000:3b:00.0: not ready 1023ms after bus reset; giving up': (
        ('reset-failed', _GRAVE, False)
    ),
    'nvidia 0000:3b:00.0: Unable to change power state from D3cold to D0, '
    'device inaccessible': ('power', _GRAVE, False),
    'nvidia 0000:3b:00.0: AER: PCIe Bus Error: severity=Uncorrectable '
    '(Fatal), type=Inaccessible, (Unregistered Agent ID)': (
        ('fatal-error', _GRAVE, False)
    ),
    'nvidia 0000:3b:00.0: PCIe Bus Error: severity=Uncorrected (Non-Fatal), '
    'type=Transaction Layer, (Requester ID)': ('error', _PASSING, False),
    'amdgpu 0000:3b:00.0: amdgpu: GPU reset(1) failed': (
        ('reset-failed', _GRAVE, True)
    ),
    'amdgpu 0000:3b:00.0: GPU reset end with ret = -110': (
        ('reset-failed', _GRAVE, True)
    ),
    'amdgpu 0000:3b:00.0: amdgpu: 2 uncorrectable hardware errors detected '
    'in umc block': ('ras', _PASSING, False),
    'amdgpu 0000:3b:00.0: amdgpu: {7}socket: 4, die: 0, 3 new uncorrectable '
    'hardware errors detected in gfx block': ('ras', _PASSING, False),
    'amdgpu 0000:3b:00.0: amdgpu: RAS records:130 exceed threshold:128': (
        ('ras', _GRAVE, True)
    ),
    'xe 0000:3b:00.0: [drm] *ERROR* CRITICAL: Xe has declared device '
    '0000:3b:00.0 as wedged.': ('wedged', _GRAVE, True),
}
_RESETS = (
    'amdgpu 0000:3b:00.0: amdgpu: GPU reset(1) succeeded!',
    'NVRM: Xid (PCI:0000:3b:00): 154, GPU recovery action changed from 0x1 '
    '(GPU Reset Required) to 0x0 (None)',
)
_NOTHING = (
    'NVRM: Xid (PCI:0000:3b:00): 31, pid=1, name=cuda, MMU Fault',
    'NVRM: Xid (PCI:0000:3b:00): 13, pid=1, Graphics Exception',
    'NVRM: Xid (PCI:0000:3b:00): abc, pid=1',
    'NVRM: Xid (PCI:0000:3b:00): 154, GPU recovery action',
    'nvidia-nvswitch0: SXid (PCI:0000:3b:00.0): 24007, Fatal, Link 30',
    'vfio-pci 0000:3b:00.0: not ready 1023ms after FLR; waiting',
    'vfio-pci 0000:3b:00.0: ready 2047ms after FLR',
    'nvidia 0000:3b:00.0: PCIe Bus Error: severity=Correctable, type=Data',
    'amdgpu 0000:3b:00.0: amdgpu: no uncorrectable hardware errors detected '
    'in umc block',
    'amdgpu 0000:3b:00.0: amdgpu: 0 uncorrectable hardware errors detected '
    'in umc block',
    'amdgpu 0000:3b:00.0: amdgpu: socket: 4, die: 0, 3 uncorrectable '
    'hardware errors detected in total in gfx block',
    'amdgpu 0000:3b:00.0: amdgpu: 9 correctable hardware errors detected in '
    'umc block',
    'amdgpu 0000:3b:00.0: amdgpu: GPU reset begin!',
    'amdgpu 0000:3b:00.0: amdgpu: Process GPU reset(1) failed',
)


def card(address, virtfns=()):
    function = functions.function(
        model.PciAddress.parse(address), virtfns=virtfns
    )
    return model.Gpu(function, (), 'NVIDIA', 'T4')


class LineTest(unittest.TestCase):
    def test_what_each_line_says(self):
        for line, (name, is_grave, lasts) in _LINES.items():
            message = kernel_log.parse(line)
            self.assertIsNotNone(message, line)
            self.assertEqual(
                (name, is_grave, lasts),
                (message.sign.name, message.sign.is_grave, message.lasts),
                line,
            )
            self.assertTrue(message.is_of(card(_CARD)), line)
            self.assertFalse(message.is_of(card('0000:3c:00.0')), line)
            self.assertFalse(message.is_of(card('0001:3b:00.0')), line)

    def test_card_that_was_reset(self):
        for line in _RESETS:
            message = kernel_log.parse(line)
            self.assertIsNone(message.sign, line)
            self.assertTrue(message.is_of(card(_CARD)), line)

    def test_lines_that_say_nothing(self):
        for line in _NOTHING:
            self.assertIsNone(kernel_log.parse(line), line)

    def test_vf_is_of_its_card(self):
        vf = model.PciAddress.parse('0000:3b:00.4')
        message = kernel_log.parse(
            f'vfio-pci {vf}: not ready 65535ms after FLR; giving up'
        )
        self.assertFalse(message.is_of(card(_CARD)))
        self.assertTrue(message.is_of(card(_CARD, (vf,))))

    def test_renderer_is_no_card_of_a_slot(self):
        gpu = model.Gpu(
            None, (), '', 'vgem', render_node=model.RenderNode(128)
        )
        for line in _LINES:
            self.assertFalse(kernel_log.parse(line).is_of(gpu), line)

    def test_switches_tell_of_fatal_errors_alone(self):
        lines = [
            'nvidia-nvswitch0: SXid (PCI:0000:c3:00.0): 24007, Fatal, Link 3',
            'nvidia-nvswitch0: SXid (PCI:0000:c3:00.0): 20009, Non-fatal, x',
            'nvidia-nvswitch0: SXid (PCI:0000:c3:00.0): garbled, Fatal',
            'NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.',
        ]
        self.assertEqual(lines[:1], list(kernel_log.of_switches(lines)))


class HostileTest(unittest.TestCase):
    """A process's name, or what a driver repeats, stands in a line."""

    @given(st.text(max_size=300))
    def test_any_text_is_read(self, text):
        kernel_log.parse(text)
        list(kernel_log.of_switches([text]))

    @given(
        st.sampled_from([*_LINES, *_RESETS]),
        st.sampled_from(['NVRM: ', 'nvidia 0000:99:00.0: ', 'x: ', ' ']),
    )
    def test_line_within_a_line_says_nothing_of_its_card(self, line, before):
        message = kernel_log.parse(f'{before}{line}')
        self.assertFalse(
            message is not None and message.is_of(card(_CARD)), message
        )

    @given(st.sampled_from(sorted(_LINES)), st.text(max_size=80))
    def test_what_follows_changes_neither_card_nor_words(self, line, text):
        message = kernel_log.parse(f'{line}{text}')
        if message is not None and message.sign is not None:
            self.assertTrue(message.is_of(card(_CARD)))
            self.assertFalse(message.is_of(card('0000:3c:00.0')))

    @given(st.text(max_size=80))
    def test_control_characters_are_not_in_a_sign(self, text):
        for line in (
            f'NVRM: Xid (PCI:0000:3b:00): 154, GPU recovery action changed '
            f'from 0x0 (None) to 0x2 ({text})',
            f'NVRM: Xid (PCI:0000:3b:00): 79, {text}',
            f'amdgpu 0000:3b:00.0: RAS records:1 exceed threshold:1{text}',
        ):
            message = kernel_log.parse(line)
            if message is not None and message.sign is not None:
                self.assertTrue(message.sign.text.isprintable())
                self.assertLess(len(message.sign.text), 300)

    def test_each_sign_fits_a_line(self):
        for line in _LINES:
            text = kernel_log.parse(line).sign.text
            self.assertEqual(signs.printable(text), text)
