"""What ``nova-gpuvirt check`` and ``prove`` read of a host."""

from __future__ import annotations

import pathlib

from fuzz import sources
from fuzz.target import Target
from fuzz.target import check
from fuzz.target import of_text
from nova_gpuvirt.checks import device_spec
from nova_gpuvirt.checks import memory
from nova_gpuvirt.checks import nova_conf
from nova_gpuvirt.checks import slots
from nova_gpuvirt.proof import elf

_SPECS = (
    '{"vendor_id": "10de", "product_id": "1eb8", "address": "0000:3b:00.*"}',
    '[{"address": {"domain": ".*", "bus": "3b", "slot": "0[0-3]"}}]',
    '{"devname": "eth0"}',
)
_UNIT = '[Service]\nLimitMEMLOCK=64M\nCapabilityBoundingSet=~CAP_SYS_ADMIN\n'
_LIMITS = 'Max locked memory      8388608        8388608      bytes\n'
_CONF = (
    '[DEFAULT]\ncompute_driver = novavirt.GpuDriver\nx = $y\ny = $x\n'
    '[gpuvirt]\nlayout = /etc/x.yaml\n[pci]\ndevice_spec = {"address": "*"}\n'
)


def _spec(text: str) -> None:
    for each in device_spec.parse(text):
        # What an operator's regular expression takes is the operator's.
        if all(p == '.*' or p.endswith('$') for p in each.address):
            each.matches(sources.CARD, (0x10DE, 0x1EB8))


def _memory(text: str) -> None:
    memory.why_not_by_process(text, text)
    memory.why_not_by_unit([text, text])


def _slots(text: str) -> None:
    sizes = [*slots.unassigned(text)]
    check(all(size >= 0 for size in sizes), f'{sizes}')


def _conf(data: bytes) -> None:
    found = nova_conf.load(sources.Same(data))
    tuple(nova_conf.findings(found))


def _elf(data: bytes) -> None:
    elf.interpreter_of(data)


TARGETS = (
    of_text(
        'device-spec',
        _spec,
        ('checks.device_spec.parse',),
        _SPECS,
        (ValueError,),
    ),
    of_text(
        'memory',
        _memory,
        (
            'checks.memory.why_not_by_process',
            'checks.memory.why_not_by_unit',
        ),
        (_UNIT, _LIMITS, 'CapEff:\t000001ffffffffff\n'),
    ),
    of_text(
        'bars',
        _slots,
        ('checks.slots.unassigned',),
        ('0x00000000d0000000 0x00000000d0ffffff 0x0000000020040200\n',),
    ),
    Target(
        'nova-conf',
        _conf,
        ('checks.nova_conf.load',),
        seeds=lambda: [_CONF.encode()],
    ),
    Target(
        'elf',
        _elf,
        ('proof.elf.interpreter_of',),
        (ValueError,),
        lambda: [pathlib.Path('/proc/self/exe').read_bytes()[:4096]],
    ),
)
