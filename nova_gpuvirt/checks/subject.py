"""The host that is checked: machine, cards, nova.conf, and layout."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from nova_gpuvirt import gpus
from nova_gpuvirt import model
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import not_offered
from nova_gpuvirt.checks import layout_file
from nova_gpuvirt.checks import nova_conf
from nova_gpuvirt.checks import options
from nova_gpuvirt.host import files
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.layout import offered


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """A host, as all checks see it.

    `cards` are what a walk found, with what each offers.
    """

    machine: machine_.Machine
    cards: discovery.Host
    nova_conf: nova_conf.NovaConf
    options: options.Options
    layout: layout_file.LayoutFile

    @property
    def root(self) -> files.Files:
        """The host's files."""
        return self.machine.sysfs.root

    @property
    def gpus(self) -> tuple[model.Gpu, ...]:
        """The cards that guests may have something of, by the operator.

        nova.conf and the layout both say that.
        """
        return tuple(
            gpu
            for gpu in self.cards.gpus
            if gpu.withheld is None
            and (gpu.offered or any(s.offered for s in gpu.shares))
        )

    @property
    def pci_gpus(self) -> tuple[tuple[model.Gpu, model.PciFunction], ...]:
        """Those of the cards that are on PCI, each with its function."""
        return tuple(
            (gpu, gpu.function)
            for gpu in self.gpus
            if gpu.function is not None
        )

    @property
    def whole(self) -> Iterator[tuple[model.Gpu, model.PciFunction]]:
        """The cards that could go to a guest whole, by what they are.

        Whether the host is fit for that is what the checks are for.
        """
        for gpu, function in self.pci_gpus:
            if (
                gpu.offered
                and gpu.refusal is None
                and not_offered.by_itself(self.machine, gpu) is None
            ):
                yield gpu, function


def of(machine: machine_.Machine, conf: nova_conf.NovaConf) -> Subject:
    """Look at a host, as nova-compute would with this nova.conf."""
    found = options.of(conf)
    layout = layout_file.of(machine.sysfs.root, found.layout)
    wanted = offered.Offered(
        found.allowed, found.api_sessions, layout.layout.wish
    )
    machine = dataclasses.replace(
        machine,
        api_sessions=wanted.api_sessions,
        boot_vga=found.boot_vga,
        without_reset=found.without_reset,
        accelerators=found.accelerators.union(machine.accelerators),
        fabric_manager=found.fabric_manager,
        gpu_modules=found.gpu_modules,
    )
    cards = gpus.Gpus(machine, wanted).survey(refresh=True)
    return Subject(machine, cards, conf, found, layout)
