"""What is taken for true of hardware that nobody here has.

The page "What is not proven" is printed from this list, and ``nova-gpuvirt
prove`` answers what it can of it (`verdicts`). A question that real hardware
has answered leaves the list, with its answer in the code.
"""

from __future__ import annotations

import itertools

from nova_gpuvirt.proof import nvidia_questions
from nova_gpuvirt.proof.question import Certainty
from nova_gpuvirt.proof.question import Question

_REPORTED = Certainty.REPORTED
_READ = Certainty.READ
_GUESSED = Certainty.GUESSED

_AMD = 'AMD MxGPU'
_INTEL = 'Intel SR-IOV'
_GVTD = 'GVT-d'
_GVTG = 'Intel GVT-g'
_API = 'API forwarding'
_BARS = 'Large BARs'
_WHOLE = 'Whole cards'
_SETS = 'Sets'
_CONTAINERS = 'Containers'
_LIBVIRT = 'libvirt'

QUESTIONS = (
    *nvidia_questions.QUESTIONS,
    Question(
        'gim-modes',
        _AMD,
        'The partition modes of gim read as in the open driver, and a V710 '
        'shows both.',
        _READ,
        'source of 2025-04',
    ),
    Question(
        'gim-vfs',
        _AMD,
        'Which numbers of VFs go with which modes: MI300X 1 and 8, MI350X 1, '
        '2 and 8, V710 1 to 12.',
        _READ,
        "gim's release notes, none of which speaks of migration",
    ),
    Question(
        'gim-crash',
        _AMD,
        'A VF of a guest that crashed can be given to the next one.',
        _GUESSED,
    ),
    Question(
        'xe-idle-memory',
        _INTEL,
        'How much memory an idle card shares out.',
        _GUESSED,
    ),
    Question(
        'i915-folder',
        _INTEL,
        'Which older release has ``iov`` and which ``prelim_iov``.',
        _READ,
        'both are read',
    ),
    Question(
        'xe-variant',
        _INTEL,
        'VFs of xe can be migrated by ``xe-vfio-pci``, which came with Linux '
        '6.19 and needs a GuC firmware of ABI 1.27.',
        _READ,
        'it is used where it is loaded',
    ),
    Question(
        'intel-vf-moves',
        _INTEL,
        "The PF's driver allows its VFs to be moved to VFIO and back by "
        'libvirt at any time.',
        _GUESSED,
    ),
    Question(
        'gvtd',
        _GVTD,
        'A guest draws with an integrated GPU: i440fx with SeaBIOS needs no '
        'more than the place ``00:02.0``, and q35 the OpRegion.',
        _READ,
        "QEMU's ``docs/igd-assign.txt``",
    ),
    Question(
        'venus',
        _API,
        'A guest draws with Venus; with virgl one has drawn, with no GPU '
        "behind the host's node.",
        _READ,
        "QEMU's documents",
    ),
    Question(
        'api-sessions',
        _API,
        'Eight guests share a card well.',
        _GUESSED,
        'a number that had to be chosen',
    ),
    Question(
        'large-bars',
        _BARS,
        "Guests' firmware and drivers find large BARs in the windows that "
        "QEMU makes, ARM's too, and libvirt asks for.",
        _READ,
        'their sources',
    ),
    Question(
        'gvtg-budget',
        _GVTG,
        'What is left of a budget can be deduced from what the driver offers.',
        _READ,
        "budgets and types are from the kernel's source",
    ),
    Question(
        'whole-place',
        _WHOLE,
        'The place in the guest, slot 0x10 on bus 0, or a root port of its '
        "own on ``q35``: QEMU and the guests' drivers like it.",
        _GUESSED,
    ),
    Question(
        'whole-clean',
        _WHOLE,
        'A card is clean when its guest ends.',
        _READ,
        'it is left to libvirt and to the reset of vfio-pci',
    ),
    Question(
        'bus-reset',
        _WHOLE,
        'A reset of the bus that ``reset_method`` names may be refused later.',
        _READ,
        "the kernel's source",
    ),
    Question(
        'amd-functions',
        _WHOLE,
        "Which functions AMD's cards with USB-C have.",
        _GUESSED,
    ),
    Question(
        'kfd-processes',
        _WHOLE,
        'Who computes on an AMD card has memory of it or a queue on it in '
        '``/sys/class/kfd/kfd/proc``.',
        _READ,
        "the kernel's source",
    ),
    Question(
        'sound-servers',
        _WHOLE,
        'Nothing else keeps a driver from letting go, such as a sound server '
        "that plays on the card's audio.",
        _GUESSED,
        'none is looked for',
    ),
    Question(
        'fabric-manager',
        _SETS,
        '``fmpm`` prints the partitions, and refuses, as it is simulated. No '
        'NVSwitch has been seen.',
        _READ,
        "its source for the format, users' notes for the rest",
    ),
    Question(
        'bridges',
        _SETS,
        '``nvidia-smi nvlink -R`` names the card at the other end of a '
        'bridge. No bridge has been seen.',
        _REPORTED,
        'outputs of two bridged H100',
    ),
    Question(
        'b200-nvswitches',
        _SETS,
        'Each B200 and B300 of an HGX board is behind NVSwitches, which PCI '
        'does not show.',
        _READ,
        'taken from the PCI ids of the cards',
    ),
    Question(
        'hives',
        _SETS,
        'Cards of one XGMI hive have one ``xgmi_hive_id``. No hive has been '
        'seen.',
        _READ,
        "the kernel's source",
    ),
    Question(
        'set-buses',
        _SETS,
        'Expanders and ports have the numbers of buses that SeaBIOS gave in '
        "QEMU 7.2, without cards; libvirt's schema takes the XML.",
        _READ,
        'on the virtual host a guest found both cards of a set, and nobody '
        'looked at their buses',
    ),
    Question(
        'kolla-processes',
        _CONTAINERS,
        "The host's process 2 is kthreadd, and a container with processes of "
        'its own has none. No nova-compute of Kolla was seen.',
        _READ,
        "the kernel's source and man pages",
    ),
    Question(
        'libvirt-override',
        _LIBVIRT,
        'When libvirt has given a card back, its ``driver_override`` is '
        "empty. A driver of the host's that had the card by that alone does "
        "not get it again; drivers that name the card's ids do.",
        _REPORTED,
        'seen on the virtual host',
    ),
    Question(
        'libvirt-refusals',
        _LIBVIRT,
        'Refusals of libvirt have the texts and the order of steps of the '
        'simulated one.',
        _READ,
        "its source, and users' reports",
    ),
)


def page() -> str:
    """Print the list as the page has it: by what a question is about."""
    groups = itertools.groupby(QUESTIONS, lambda question: question.about)
    return '\n\n'.join(
        '\n'.join((about, *(question.item() for question in found)))
        for about, found in groups
    )
