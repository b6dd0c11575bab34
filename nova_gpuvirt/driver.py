"""The compute driver: Nova's libvirt driver, with the host's GPUs.

Each override calls Nova's own method and one thing of ours.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from collections.abc import Collection
from typing import Any

import nova.conf
from nova import exception as nova_exception
from nova import objects
from nova import version
from nova.compute import power_state
from nova.compute import provider_tree as provider_tree_
from nova.compute import task_states
from nova.compute import vm_states
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging

from nova_gpuvirt import admission
from nova_gpuvirt import commands
from nova_gpuvirt import conf
from nova_gpuvirt import exception
from nova_gpuvirt import extra_specs
from nova_gpuvirt import gpus
from nova_gpuvirt import guest
from nova_gpuvirt import guest_device
from nova_gpuvirt import hypervisor
from nova_gpuvirt import kernel
from nova_gpuvirt import ledger
from nova_gpuvirt import machine
from nova_gpuvirt import model
from nova_gpuvirt import numa_claims
from nova_gpuvirt import offers
from nova_gpuvirt import overlap
from nova_gpuvirt import pciids
from nova_gpuvirt import privileged
from nova_gpuvirt import reporter
from nova_gpuvirt import rootonly
from nova_gpuvirt import suspension
from nova_gpuvirt import sysfs
from nova_gpuvirt import timed

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# The major releases of Nova on which all tests are run.
TESTED_RELEASES = ('33', '34')

conf.register_opts(CONF)


class GpuLibvirtDriver(libvirt_driver.LibvirtDriver):
    """Nova's libvirt driver, that also gives the host's GPUs to guests."""

    def __init__(self, virtapi: Any, read_only: bool = False) -> None:
        super().__init__(virtapi, read_only)
        try:
            root = conf.sysfs_root(CONF)
            wishes = conf.wishes(CONF)
            boot_vga = conf.boot_vga(CONF)
            gpu_modules = conf.gpu_modules(CONF)
        except exception.InvalidOption as error:
            raise nova_exception.InvalidConfiguration(str(error)) from error
        self._machine = machine.Machine(
            sysfs.Sysfs(root, _rootly(root)),
            pciids.PciIds((root, pathlib.Path('/'))),
            hypervisor.Hypervisor(lambda: self._host.get_connection()),
            commands.of(root),
            CONF.gpuvirt.api_sessions,
            CONF.gpuvirt.api_vulkan,
            boot_vga,
            CONF.gpuvirt.fabric_manager,
            gpu_modules,
        )
        self._gpus = gpus.Gpus(self._machine, wishes)
        self._tracker: Callable[[], Any] = lambda: virtapi._compute.rt
        self._ledger = ledger.Ledger(CONF.host, self._tracker)
        self._admission = admission.Admission(self._ledger)
        self._numa_claims = numa_claims.NumaClaims(
            CONF.host, self._tracker, self._places
        )
        self._reporter = reporter.Reporter(
            self._gpus, self._ledger, self._tracker
        )

    def init_host(self, host: str) -> None:
        """Refuse to start with a card that Nova itself gives away."""
        super().init_host(host)
        release = version.version_string().partition('.')[0]
        if release not in TESTED_RELEASES:
            LOG.warning(
                'nova-gpuvirt was tested with Nova %s, and this is %s: run '
                'its contract tests before you rely on it',
                ' and '.join(TESTED_RELEASES),
                release,
            )
        found = self._gpus.survey(refresh=True)
        in_sets = {c for f in found.fabrics for s in f.sets for c in s.cards}
        offered = [
            g
            for g in found.gpus
            if offers.offers_anything(g) or g.address in in_sets
        ]
        try:
            overlap.check(CONF, self._machine.sysfs, offered)
        except exception.InvalidOption as error:
            raise nova_exception.InvalidConfiguration(str(error)) from error
        for gpu in offered:
            LOG.info('GPU %s: %s %s', gpu.address, gpu.vendor, gpu.model)

    # What Placement is told

    def update_provider_tree(
        self,
        provider_tree: provider_tree_.ProviderTree,
        nodename: str,
        allocations: Any = None,
    ) -> None:
        """Add our providers."""
        super().update_provider_tree(provider_tree, nodename, allocations)
        self._reporter.report(provider_tree, nodename)
        self._numa_claims.watch(nodename)

    def get_available_resource(self, nodename: str) -> Any:
        """Repair first what a crash left; no lock of Nova's is held here."""
        try:
            self._reconcile()
        except Exception:
            LOG.exception('What a crash left on %s stays for now', nodename)
        self._reporter.prepare(nodename)
        resources = super().get_available_resource(nodename)
        resources['stats'] |= self._reporter.stats
        return resources

    @timed.step
    def _reconcile(self) -> None:
        # Before the first update every device looks like an orphan.
        if not self._ledger.ready:
            return
        # What the last update did not know may have been claimed since. The
        # database is read after the devices, and a claim is saved before its
        # device is made: so what is found here and not there is nobody's.
        leftovers = self._gpus.leftovers(self._ledger.last_slots)
        if leftovers:
            claimed = self._ledger.slots_in_database()
            places = {slot.place for slot in claimed}
            self._gpus.discard(
                x for x in leftovers if x.slot.place not in places
            )

    # Building and moving guests

    def prepare_for_spawn(self, instance: objects.Instance) -> None:
        """Make sure of the claims before anything is made."""
        super().prepare_for_spawn(instance)
        self._check(instance)

    def spawn(
        self, context: Any, instance: objects.Instance, *args: Any, **kw: Any
    ) -> None:
        """Make sure of the claims of a guest that arrives here.

        A new one was checked in `prepare_for_spawn`, and one that is rebuilt
        in its place has had its claims all along.
        """
        if instance.vm_state == vm_states.SHELVED_OFFLOADED:
            self._ledger.save(instance)
            self._check(instance)
        elif instance.host != self._ledger.host:
            self._check(instance)
        super().spawn(context, instance, *args, **kw)

    def finish_migration(
        self,
        context: Any,
        migration: objects.Migration,
        instance: objects.Instance,
        *args: Any,
        **kw: Any,
    ) -> None:
        """Make sure of the claims of a guest that arrives."""
        self._check(instance)
        super().finish_migration(context, migration, instance, *args, **kw)

    @timed.step
    def _check(self, instance: objects.Instance) -> None:
        try:
            claims = self._ledger.claims(instance)
            self._admission.check(instance, self._gpus.of_claims(claims))
            self._numa_claims.settle(instance)
        except exception.GpuvirtError as error:
            raise self._refusal(instance, error) from error

    def _places(self, instance: objects.Instance) -> numa_claims.Places:
        """Tell where the cards are that an instance has claimed."""
        claims = self._ledger.claims(instance)
        return numa_claims.places(self._gpus.of_claims(claims), claims)

    def _get_guest_config(
        self, instance: objects.Instance, *args: Any, **kw: Any
    ) -> vconfig.LibvirtConfigGuest:
        """Make the instance's GPUs ready and put them into its guest."""
        config = super()._get_guest_config(instance, *args, **kw)
        try:
            return self._wire(instance, config)
        except exception.GpuvirtError as error:
            raise self._refusal(instance, error) from error

    @timed.step
    def _wire(
        self,
        instance: objects.Instance,
        config: vconfig.LibvirtConfigGuest,
    ) -> vconfig.LibvirtConfigGuest:
        return guest.wire(
            config,
            self._attach(instance),
            self._guest_host(),
            display=extra_specs.wants_display(
                instance.flavor.extra_specs, instance.system_metadata
            ),
        )

    def _attach(
        self, instance: objects.Instance
    ) -> Collection[guest_device.GuestDevice]:
        return self._gpus.attach(instance.uuid, self._ledger.claims(instance))

    def _guest_host(self) -> guest.Host:
        """Tell what the guests' configuration depends on."""
        root = self._machine.sysfs.root
        return guest.Host(
            kernel.physical_bits(root),
            kernel.iommu_bits(root),
            self._machine.hypervisor.version(),
        )

    def _refusal(
        self, instance: objects.Instance, error: exception.GpuvirtError
    ) -> nova_exception.NovaException:
        """Say in the log why; Nova hides it from the instance's fault."""
        LOG.error(
            'Refused on %s: %s', self._ledger.host, error, instance=instance
        )
        rebuilding = instance.task_state == task_states.REBUILD_SPAWNING
        if rebuilding and instance.host == self._ledger.host:
            # Nova would take the other for an evacuation that is refused,
            # and call a server ACTIVE whose guest is gone.
            return nova_exception.InstanceDeployFailure(reason=str(error))
        return nova_exception.ComputeResourcesUnavailable(reason=str(error))

    def unrescue(self, context: Any, instance: objects.Instance) -> None:
        """Make the vGPUs again, as `resume` does: Nova starts the old XML."""
        try:
            self._attach(instance)
        except exception.GpuvirtError as error:
            raise self._refusal(instance, error) from error
        super().unrescue(context, instance)

    def resume(
        self,
        context: Any,
        instance: objects.Instance,
        network_info: Any,
        *args: Any,
        **kw: Any,
    ) -> None:
        """Make the vGPUs again that a reboot of the host took meanwhile."""
        try:
            self._attach(instance)
        except exception.GpuvirtError as error:
            raise nova_exception.InstanceResumeFailure(
                reason=str(error)
            ) from error
        super().resume(context, instance, network_info, *args, **kw)

    # Taking back

    def cleanup(
        self, context: Any, instance: objects.Instance, *args: Any, **kw: Any
    ) -> None:
        """Release what the instance has here, when its guest is gone."""
        super().cleanup(context, instance, *args, **kw)
        self._release(instance, self._ledger.claims(instance))

    def confirm_migration(
        self,
        context: Any,
        migration: objects.Migration,
        instance: objects.Instance,
        *args: Any,
        **kw: Any,
    ) -> None:
        """Release what the instance had before; Nova calls no cleanup."""
        super().confirm_migration(context, migration, instance, *args, **kw)
        old = self._get_resources(instance, prefix='old_')
        self._release(instance, self._ledger.claims(instance, old))

    @timed.step
    def _release(
        self, instance: objects.Instance, claims: Collection[model.Claim]
    ) -> None:
        """Take devices back, but none that another instance claims by now."""
        if not claims:
            return
        try:
            others = {
                slot.place
                for slot in self._ledger.slots_in_database(but=instance.uuid)
            }
        except Exception:
            LOG.exception(
                'Who else has the GPUs is not known: they are taken back '
                'with a later update',
                instance=instance,
            )
            return
        self._gpus.release(
            instance.uuid,
            [c for c in claims if not (c.slot and c.slot.place in others)],
        )

    # What can't be done with a GPU

    def suspend(self, context: Any, instance: objects.Instance) -> None:
        """Refuse what can't be saved; what was detached in vain comes back."""
        why = self._why_not_saved(instance)
        if why is not None:
            raise nova_exception.InstanceFaultRollback(
                nova_exception.InstanceSuspendFailure(
                    reason=f'{why}; stop or shelve it instead'
                )
            )
        guest = self._host.get_guest(instance)
        had = suspension.mdevs(guest)
        try:
            super().suspend(context, instance)
        except Exception as error:
            if not had:
                raise
            self._attach_again(instance, guest, had)
            if isinstance(error, nova_exception.InstanceFaultRollback):
                raise
            raise nova_exception.InstanceFaultRollback(
                nova_exception.InstanceSuspendFailure(reason=str(error))
            ) from error

    def _why_not_saved(
        self, instance: objects.Instance, *, paused: bool = False
    ) -> str | None:
        return suspension.obstacle(
            self._ledger.claims(instance),
            shown=extra_specs.wants_display(
                instance.flavor.extra_specs, instance.system_metadata
            ),
            paused=paused,
        )

    def _attach_again(
        self, instance: objects.Instance, guest: Any, had: Collection[Any]
    ) -> None:
        """Attach what a guest lost; else its server ends in ERROR."""
        failures = suspension.attach_again(guest, had)
        if failures:
            LOG.error(
                'The guest runs without what was detached for saving it: %s; '
                'hard-reboot the server',
                '; '.join(failures),
                instance=instance,
            )
            instance.vm_state = vm_states.ERROR
            raise nova_exception.InstanceResumeFailure(
                reason='its vGPU could not be attached again; hard-reboot it'
            )

    def snapshot(
        self,
        context: Any,
        instance: objects.Instance,
        image_id: str,
        *args: Any,
        **kw: Any,
    ) -> None:
        """Let no guest be left saved, and tell its user what failed."""
        try:
            super().snapshot(context, instance, image_id, *args, **kw)
        except Exception as error:
            if self._ledger.claims(instance):
                suspension.tell_user(
                    context, instance, self._ledger.host, error
                )
                self._resume_saved(context, instance)
            raise

    def _resume_saved(self, context: Any, instance: objects.Instance) -> None:
        """Resume a guest that Nova has left saved after a failed snapshot."""
        if instance.vm_state != vm_states.ACTIVE:
            return
        guest = self._host.get_guest(instance)
        if suspension.is_saved(guest):
            LOG.warning('Resumed after a failed snapshot', instance=instance)
            self._resume_guest_after_snapshot(
                context, False, power_state.RUNNING, instance, guest
            )

    def _suspend_guest_for_snapshot(
        self,
        context: Any,
        live_snapshot: bool,
        current_power_state: int,
        instance: objects.Instance,
    ) -> None:
        """Refuse a cold snapshot of what can't be saved, with its reason."""
        if self._needs_suspend_resume_for_snapshot(
            live_snapshot, current_power_state
        ):
            why = self._why_not_saved(
                instance, paused=current_power_state == power_state.PAUSED
            )
            if why is not None:
                raise nova_exception.InstanceSuspendFailure(
                    reason=f'a snapshot needs that here, but {why}; stop it '
                    'before the snapshot, and start it again'
                )
        try:
            super()._suspend_guest_for_snapshot(
                context, live_snapshot, current_power_state, instance
            )
        except nova_exception.InstanceFaultRollback as error:
            # Only a suspend is rolled back so.
            raise error.inner_exception from error

    def _resume_guest_after_snapshot(
        self,
        context: Any,
        live_snapshot: bool,
        original_power_state: int,
        instance: objects.Instance,
        guest: Any,
    ) -> None:
        """Attach the mdevs again, which Nova leaves out."""
        had = suspension.mdevs(guest)
        super()._resume_guest_after_snapshot(
            context, live_snapshot, original_power_state, instance, guest
        )
        self._attach_again(instance, guest, had)

    def check_can_live_migrate_source(
        self, context: Any, instance: objects.Instance, *args: Any, **kw: Any
    ) -> Any:
        """Refuse for every GPU: Nova claims none on the other side."""
        claims = self._ledger.claims(instance)
        if claims:
            raise nova_exception.MigrationPreCheckError(
                reason=f'it has {claims[0].identifier}; migrate it cold'
            )
        return super().check_can_live_migrate_source(
            context, instance, *args, **kw
        )


def _rootly(root: pathlib.Path) -> rootonly.Rootly | None:
    """Tell who may change a host: nobody may change a copy of one."""
    return privileged if root == pathlib.Path('/') else None
