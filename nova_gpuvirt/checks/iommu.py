"""Whether the kernel uses an IOMMU, and by which words of its command line.

Sources: the kernel's Documentation/admin-guide/kernel-parameters.txt, and
libvirt's virt-host-validate, which looks for the firmware's tables too: DMAR
of Intel's, IVRS of AMD's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import seen
from nova_gpuvirt.checks import subject as subject_
from nova_gpuvirt.host import files

_UNITS = 'sys/class/iommu'
_TABLES = 'sys/firmware/acpi/tables'
_WORD = re.compile(r'(intel_iommu|amd_iommu|iommu(\.\w+)?)=.*')
_OVERRIDE = 'pcie_acs_override='
_INTEL_CPU = 'GenuineIntel'
_AMD_CPU = 'AuthenticAMD'


def is_word(word: str) -> bool:
    """Tell whether a word of the kernel's command line is of the IOMMU."""
    return _WORD.fullmatch(word) is not None


def is_on(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that the kernel uses one."""
    root = subject.root
    units = seen.names(root, _UNITS)
    if units:
        yield finding.passed(
            f'the kernel uses {", ".join(units)}{_by_words(root)}'
        )
        return
    found = 'the kernel uses no IOMMU'
    remedy = how_to_switch_on(
        _seen(root, 'proc/cmdline').split(),
        _seen(root, 'proc/cpuinfo'),
        seen.names(root, _TABLES),
    )
    if subject.pci_gpus:
        yield finding.failure(f'{found}: no card can go to a guest', remedy)
    else:
        yield finding.warning(f'{found}, and no card asks for one', remedy)


def _by_words(root: files.Files) -> str:
    """Tell by which words it is on; AMD's is on without any."""
    said = [w for w in _seen(root, 'proc/cmdline').split() if is_word(w)]
    return f', by {" ".join(said)} on the command line' if said else ''


def _seen(root: files.Files, path: str) -> str:
    """Read a file as far as it is seen."""
    try:
        return seen.text(root, path)
    except finding.Unseen:
        return ''


def how_to_switch_on(
    words: list[str], processor: str, tables: list[str]
) -> str:
    """Tell how the IOMMU gets used. Pure.

    :param words: of the kernel's command line
    :param processor: the text of ``/proc/cpuinfo``
    :param tables: the names of the firmware's, none where they aren't seen
    """
    off = [w for w in words if is_word(w) and '=off' in w]
    if off:
        return f"take {' '.join(off)} from the kernel's command line"
    match = re.search(r'^vendor_id\s*:\s*(\S+)', processor, re.M)
    maker = match[1] if match else ''
    name, table = {
        _INTEL_CPU: ('VT-d', 'DMAR'),
        _AMD_CPU: ('AMD-Vi (IOMMU)', 'IVRS'),
    }.get(maker, ('the IOMMU', ''))
    if table and tables and table not in tables:
        return f'switch {name} on in the firmware: it has no table {table}'
    if maker == _INTEL_CPU:
        return (
            "put intel_iommu=on on the kernel's command line, and see that "
            'VT-d is on in the firmware'
        )
    return f'switch {name} on in the firmware; the kernel uses it by itself'


def is_not_overridden(
    subject: subject_.Subject,
) -> Iterator[finding.Finding]:
    """Check that the kernel does not tell groups apart that are one."""
    words = seen.text(subject.root, 'proc/cmdline').split()
    override = [w for w in words if w.startswith(_OVERRIDE)]
    if not override:
        yield finding.passed('IOMMU groups are those that the hardware keeps')
        return
    yield finding.warning(
        f'{" ".join(override)} lets the kernel show IOMMU groups that the '
        "hardware does not keep apart: a guest's card may reach others'",
        'take it out, and switch ACS on in the firmware or move the card to '
        'another slot',
    )
