"""The lines of a check, in order, and what each finds on a host."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

from nova_gpuvirt import exception
from nova_gpuvirt.checks import cards
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import groups
from nova_gpuvirt.checks import iommu
from nova_gpuvirt.checks import layout
from nova_gpuvirt.checks import masters
from nova_gpuvirt.checks import memory
from nova_gpuvirt.checks import nova
from nova_gpuvirt.checks import nova_conf
from nova_gpuvirt.checks import of_the_host
from nova_gpuvirt.checks import options
from nova_gpuvirt.checks import quarantine
from nova_gpuvirt.checks import rights
from nova_gpuvirt.checks import services
from nova_gpuvirt.checks import slots
from nova_gpuvirt.checks import subject as subject_
from nova_gpuvirt.checks import sudo
from nova_gpuvirt.checks import versions
from nova_gpuvirt.checks import vfio
from nova_gpuvirt.host import bounded

SECONDS = 60.0
"""How long a line may take; NVIDIA's commands have a bound of their own."""

Ask = Callable[[subject_.Subject], Iterable[finding.Finding]]


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One thing that is checked, by the name that programs know it by.

    `of_nova_conf` is whether there is nothing to check without a nova.conf.
    """

    name: str
    ask: Ask
    of_nova_conf: bool = False


LINES: Sequence[Line] = (
    Line('gpus', cards.answer),
    Line('layout', layout.is_followed),
    Line('iommu', iommu.is_on),
    Line('acs', iommu.is_not_overridden),
    Line('groups', groups.are_viable),
    Line('vfio', vfio.is_there),
    Line('large-bars', slots.have_bars),
    Line('ari', slots.have_ari),
    Line('vfs', cards.have_vfs),
    Line('resets', cards.can_be_reset),
    Line('quarantine', quarantine.is_empty),
    Line('drivers', of_the_host.drivers),
    Line('processes', rights.processes_are_seen),
    Line('holders', of_the_host.holders),
    Line('nvidia-vgpu', services.nvidia_vgpu),
    Line('fabric-manager', services.fabric_manager),
    Line('gim', services.gim),
    Line('libvirt', versions.libvirt),
    Line('opengl', versions.opengl),
    Line('vulkan', versions.vulkan),
    Line('huge-pages', memory.huge_pages),
    Line('memlock', memory.may_be_locked),
    Line('user', rights.user),
    Line('privsep', rights.privsep),
    Line('sudo', sudo.is_allowed),
    Line('nova.conf', lambda subject: nova_conf.findings(subject.nova_conf)),
    Line('driver', nova.uses_the_driver, of_nova_conf=True),
    Line(
        'options',
        lambda subject: options.findings(subject.options),
        of_nova_conf=True,
    ),
    Line('masters', masters.are_single, of_nova_conf=True),
    Line('classes', masters.have_classes_apart, of_nova_conf=True),
    Line('scheduler', nova.schedules, of_nova_conf=True),
)


def ask_all(
    subject: subject_.Subject,
) -> list[tuple[str, finding.Finding]]:
    """Ask each line; one that can't be told hides no other."""
    return [
        (line.name, found)
        for line in LINES
        if subject.nova_conf.read or not line.of_nova_conf
        for found in _ask(line, subject)
    ]


def _ask(line: Line, subject: subject_.Subject) -> list[finding.Finding]:
    try:
        return bounded.in_time(
            lambda: finding.together(line.ask(subject)), SECONDS
        )
    except TimeoutError as error:
        return [
            finding.warning(
                f'it could not be checked: {error}',
                'see what hangs: virsh list, and the kernel log',
            )
        ]
    except finding.Unseen as error:
        return [finding.warning(str(error), error.remedy)]
    except exception.NotCaptured as error:
        return [
            finding.warning(
                f'the capture does not have {error.wanted}',
                'run nova-gpuvirt check on the host itself',
            )
        ]
    except exception.GpuvirtError as error:
        return [finding.warning(error.without_remedy, error.remedy)]
    except Exception as error:
        return [
            finding.warning(
                f'it could not be checked: {error!r}',
                'run nova-gpuvirt check as root; if that says so too, tell '
                'the makers of nova-gpuvirt',
            )
        ]
