"""What is remembered of cards, and what the kernel's log says of them."""

from __future__ import annotations

from fuzz import addresses
from fuzz.target import check
from fuzz.target import of_text
from nova_gpuvirt import exception
from nova_gpuvirt.health import kernel_log
from nova_gpuvirt.health import record
from nova_gpuvirt.health import record_text
from nova_gpuvirt.health import records
from nova_gpuvirt.health import signs

_LINES = (
    'NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus.',
    'NVRM: Xid (PCI:0000:3b:00.1): 154, GPU recovery action changed from 0x0 '
    '(None) to 0x2 (Node Reboot Required)',
    'pcieport 0000:3a:00.0: AER: PCIe Bus Error: severity=Uncorrectable '
    '(Fatal), type=Transaction Layer',
    'amdgpu 0000:0c:00.0: amdgpu: {1} socket: 0, die: 1, 3 new uncorrectable '
    'hardware errors detected in umc block',
    'vfio-pci 0000:3b:00.0: not ready 65535ms after FLR; giving up',
    'xe 0000:03:00.0: [drm] *ERROR* CRITICAL: Xe has declared device '
    '0000:03:00.0 as wedged.\n',
    'nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 12028, Fatal, Link 32',
)
_RECORD = record_text.dump(
    record.Record(
        record.Quarantine(
            'it crashes guests', '2026-11-30T02:56:03Z', record.By.OPERATOR
        ),
        (
            record.Dirty(
                'passthrough:0000:3b:00.0',
                '155d900f-4e14-4e4c-a73d-069cbf4541e6',
                '2026-11-30T02:56:03Z',
                (record.Function('0000:3b:00.0', 'nvidia', None),),
                None,
                None,
                False,
            ),
        ),
        record.Layout('10de:26b9', '{"vfs": "all"}'),
    )
)


def _line(line: str) -> None:
    found = kernel_log.parse(line)
    list(kernel_log.of_switches([line]))
    if found is None:
        return
    addresses.stand_in(line, [found.address])
    if found.sign is not None:
        text = found.sign.text
        check(text.isprintable() and len(text) < 400, f'{text!r}')


def _record(text: str) -> None:
    found = record_text.parse(text, 'x.json')
    again = record_text.parse(record_text.dump(found), 'x.json')
    check(again == found, 'it is not read again')


def _name(text: str) -> None:
    found = records.card_of(text)
    check(found is None or text == f'{found}.json', f'{text!r} is of {found}')


def _printable(text: str) -> None:
    found = signs.printable(text)
    check(found.isprintable() and len(found) <= 204, repr(found))


TARGETS = (
    of_text(
        'kernel-log',
        _line,
        ('health.kernel_log.parse', 'health.kernel_log.of_switches'),
        _LINES,
    ),
    of_text(
        'record',
        _record,
        ('health.record_text.parse',),
        (_RECORD,),
        (exception.InvalidRecord,),
    ),
    of_text(
        'record-name',
        _name,
        ('health.records.card_of',),
        ('0000:3b:00.0.json',),
    ),
    of_text('printable', _printable, ('health.signs.printable',), ('a\x1bb',)),
)
