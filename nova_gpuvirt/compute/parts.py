"""What the compute driver is made of, before it overrides anything."""

from __future__ import annotations

import functools
import pathlib
import threading
from collections.abc import Callable
from collections.abc import Collection
from typing import Any

import nova.conf
from nova import exception as nova_exception
from nova import objects
from nova.virt.libvirt import driver as libvirt_driver

from nova_gpuvirt import conf
from nova_gpuvirt import exception
from nova_gpuvirt import extra_specs
from nova_gpuvirt import gpus
from nova_gpuvirt import handover
from nova_gpuvirt import model
from nova_gpuvirt import privileged
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cleaning import cleaner
from nova_gpuvirt.compute import arriving
from nova_gpuvirt.compute import gate
from nova_gpuvirt.compute import late_unplugs
from nova_gpuvirt.compute import nova_options
from nova_gpuvirt.compute import preparing
from nova_gpuvirt.compute.audits import auditing
from nova_gpuvirt.compute.audits import reading
from nova_gpuvirt.compute.audits import repairs
from nova_gpuvirt.compute.claims import admission
from nova_gpuvirt.compute.claims import allocations
from nova_gpuvirt.compute.claims import ledger
from nova_gpuvirt.compute.claims import pinning
from nova_gpuvirt.compute.reports import reporter
from nova_gpuvirt.compute.reports import to_operators
from nova_gpuvirt.health import dirt
from nova_gpuvirt.health import quarantine
from nova_gpuvirt.health import records
from nova_gpuvirt.health import sickness
from nova_gpuvirt.health import watch
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import lock
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.layout import followed
from nova_gpuvirt.layout import in_force
from nova_gpuvirt.layout import offered
from nova_gpuvirt.model import guest_device

CONF = nova.conf.CONF

conf.register_opts(CONF)

# A build waits so long for another program that changes the GPUs, and then
# goes to another host.
_LOCK_SECONDS = 5
# How many builds Nova has at once where its option is 0.
_BUILDS = 10


class Parts(libvirt_driver.LibvirtDriver):
    """Nova's libvirt driver, and beside it what knows of GPUs."""

    def __init__(self, virtapi: Any, read_only: bool = False) -> None:
        super().__init__(virtapi, read_only)
        try:
            root = conf.sysfs_root(CONF)
            allowed = conf.operator_filter(CONF)
            boot_vga = conf.boot_vga(CONF)
            gpu_modules = conf.gpu_modules(CONF)
            accelerators = conf.accelerators(CONF)
            without_reset = conf.without_reset(CONF)
            ways = conf.ways(CONF)
            hook = conf.clean_hook(CONF)
        except exception.InvalidOption as error:
            raise nova_exception.InvalidConfiguration(str(error)) from error
        self._layout = followed.Followed(pathlib.Path(CONF.gpuvirt.layout))
        wanted = offered.Offered(
            allowed,
            CONF.gpuvirt.api_sessions,
            lambda gpu: self._preparing.readiness.wish(gpu),
        )
        self._machine = machine.Machine(
            sysfs.Sysfs(root, _rootly(root)),
            pciids.PciIds((root, pathlib.Path('/'))),
            hypervisor.Hypervisor(lambda: self._host.get_connection()),
            commands.of(root),
            wanted.api_sessions,
            CONF.gpuvirt.api_vulkan,
            boot_vga,
            CONF.gpuvirt.fabric_manager,
            gpu_modules,
            accelerators,
            without_reset,
        )
        # What is released late asks for an update beside the periodic one: of
        # two at once one looks at a time.
        self._updating = threading.Lock()
        # Such an update, in its own thread, reports and does nothing else.
        self._only_reports = threading.local()
        self._nova_options = nova_options.NovaOptions(
            CONF, self._machine.sysfs
        )
        remembered = records.Records(pathlib.Path(CONF.gpuvirt.state_path))
        self._quarantine = quarantine.Quarantine(remembered.read)
        self._watch = watch.Watch(
            self._machine,
            CONF.gpuvirt.sick_after,
            CONF.gpuvirt.well_after,
        )
        self._dirt = dirt.Dirt(remembered, ways, self._machine.sysfs)
        self._sickness = sickness.Sickness(self._watch, remembered, self._dirt)
        self._gpus = gpus.Gpus(
            self._machine,
            wanted,
            self._nova_options.withhold,
            self._why_not,
            self._quarantine,
            self._dirt,
        )
        self._handover = handover.Handover(
            self._gpus,
            lambda: lock.Lock(root).shared(_LOCK_SECONDS),
            self._dirt,
            max(1, (CONF.max_concurrent_builds or _BUILDS) // 2),
        )
        self._cleaner = cleaner.Cleaner(
            self._machine, self._gpus, self._handover, self._dirt, ways, hook
        )
        self._tracker: Callable[[], Any] = lambda: virtapi._compute.rt
        self._ledger = ledger.Ledger(CONF.host, self._tracker)
        self._admission = admission.Admission(self._ledger, self._has_guest)
        self._gate = gate.Gate(
            self._ledger,
            self._admission,
            self._gpus,
            allocations.Allocations(lambda: virtapi.reportclient),
        )
        self._arriving = arriving.Arriving()
        self._late_unplugs = late_unplugs.LateUnplugs(
            lambda instance: self._host.get_guest(instance)
        )
        self._auditing = auditing.Auditing(
            reading.Reading(
                reading.Means(
                    self._ledger,
                    self._recall,
                    self._tracker,
                    lambda: virtapi.reportclient,
                    self._gpus,
                    self._machine,
                    self._dirt,
                    remembered,
                )
            ).read,
            self._handover.undisturbed,
            repairs.Repairs(
                CONF.host,
                lambda: self._ledger.node,
                lambda: virtapi.reportclient,
                self._machine.hypervisor,
                self._handover,
            ),
        )
        self._pinning = pinning.Pinning(CONF.host, self._tracker, self._places)
        self._reporter = reporter.Reporter(
            self._gpus,
            self._ledger,
            self._tracker,
            has_console=CONF.vnc.enabled or CONF.spice.enabled,
        )
        self._quarantines = to_operators.Quarantines(
            CONF.host,
            self._quarantine,
            functools.partial(to_operators.card_at, self._machine),
            self._servers_on,
        )
        self._preparing = preparing.Preparing(
            self._machine,
            self._layout,
            in_force.InForce(remembered),
            self._held,
            self._reporter.withdraw,
            self._handover.undisturbed,
        )

    def _why_not(self, gpu: model.Gpu) -> str | None:
        """Tell why no further guest may have a card just now."""
        return self._preparing.readiness.why_not(gpu) or self._watch.why_not(
            gpu.address
        )

    def _look_for_sickness(self) -> None:
        """Look at all cards, and put those that are sick into quarantine."""
        self._sickness.look(discovery.of(self._machine).gpus)

    def _held(self) -> preparing.Held:
        """Tell what servers have claimed, also before the first update.

        What is dirty counts as claimed by nobody's server. It is read anew,
        and after the claims: at the start nobody has looked yet, and what is
        freed meanwhile was dirty before.
        """
        self._recall()
        held, servers = self._ledger.held()
        self._dirt.look()
        for card, dirty in self._dirt.claims().items():
            held.setdefault(card, []).extend(dirty)
        return held, servers

    def _servers_on(self, card: model.Device) -> Collection[str]:
        """Tell who has something of a card, also before the first update."""
        self._recall()
        return self._ledger.servers(card)

    def _recall(self) -> None:
        if not self._ledger.ready:
            self._gate.recall(self._host.get_hostname())

    def _has_guest(self, instance: str) -> bool:
        """Tell whether libvirt knows a guest of an instance, by its UUID.

        Nova's own way takes an error of libvirt for a no.
        """
        try:
            self._host.get_guest(objects.Instance(uuid=instance))
        except nova_exception.InstanceNotFound:
            return False
        return True

    def _places(self, instance: objects.Instance) -> pinning.Places:
        """Tell where the cards are that an instance has claimed."""
        claims = self._ledger.claims(instance)
        return pinning.places(self._gpus.of_claims(claims), claims)

    def _attach(
        self, instance: objects.Instance
    ) -> Collection[guest_device.GuestDevice]:
        """Make an instance's devices ready."""
        return self._handover.attach(
            instance.uuid,
            self._ledger.claims(instance),
            arriving=instance.uuid in self._arriving,
        )

    @staticmethod
    def _shows(instance: objects.Instance) -> bool:
        """Tell whether its console shall show the screen of a vGPU."""
        return extra_specs.wants_display(
            instance.flavor.extra_specs, instance.system_metadata
        )


def _rootly(root: pathlib.Path) -> rootonly.Rootly | None:
    """Tell who may change a host: nobody may change a copy of one."""
    return privileged if root == pathlib.Path('/') else None
