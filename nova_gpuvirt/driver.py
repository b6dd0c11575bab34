"""The compute driver: Nova's libvirt driver, with the host's GPUs.

Each override calls Nova's own method and one thing of ours.
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
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
from nova_gpuvirt import allocations
from nova_gpuvirt import commands
from nova_gpuvirt import conf
from nova_gpuvirt import exception
from nova_gpuvirt import extra_specs
from nova_gpuvirt import gate
from nova_gpuvirt import gpus
from nova_gpuvirt import guest
from nova_gpuvirt import guest_device
from nova_gpuvirt import hypervisor
from nova_gpuvirt import kernel
from nova_gpuvirt import ledger
from nova_gpuvirt import machine
from nova_gpuvirt import model
from nova_gpuvirt import nova_options
from nova_gpuvirt import numa_claims
from nova_gpuvirt import offers
from nova_gpuvirt import pciids
from nova_gpuvirt import privileged
from nova_gpuvirt import reporter
from nova_gpuvirt import rootonly
from nova_gpuvirt import suspension
from nova_gpuvirt import sysfs
from nova_gpuvirt import timed

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

# Of an instance that was claimed on this host just now, by itself.
_CLAIMED_HERE = (vm_states.BUILDING, vm_states.SHELVED_OFFLOADED)
_REBUILDING = (
    task_states.REBUILDING,
    task_states.REBUILD_BLOCK_DEVICE_MAPPING,
    task_states.REBUILD_SPAWNING,
)

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
        self._nova_options = nova_options.NovaOptions(
            CONF, self._machine.sysfs
        )
        self._gpus = gpus.Gpus(
            self._machine, wishes, self._nova_options.withhold
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
        self._numa_claims = numa_claims.NumaClaims(
            CONF.host, self._tracker, self._places
        )
        self._reporter = reporter.Reporter(
            self._gpus, self._ledger, self._tracker
        )

    def init_host(self, host: str) -> None:
        """Refuse to start where Nova would take what is ours for its own."""
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
        try:
            self._nova_options.check(found.gpus)
        except exception.InvalidOption as error:
            raise nova_exception.InvalidConfiguration(str(error)) from error
        for gpu in found.gpus:
            if offers.offers_anything(gpu):
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

    def get_available_resource(self, nodename: str) -> Any:
        """Repair first what a crash left; no lock of Nova's is held here."""
        try:
            self._reconcile()
        except Exception:
            LOG.exception('What a crash left on %s stays for now', nodename)
        try:
            self._look_again()
        except Exception:
            LOG.exception('Not all guests of %s are checked again', nodename)
        self._reporter.prepare(nodename)
        resources = super().get_available_resource(nodename)
        resources['stats'] |= self._reporter.stats
        return resources

    def _look_again(self) -> None:
        if self._ledger.ready:
            self._gate.look_again()

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

    # Building, starting and moving guests: each passes the gate once

    def spawn(
        self,
        context: Any,
        instance: objects.Instance,
        image_meta: Any,
        injected_files: Any,
        admin_password: Any,
        allocations: gate.Allocated,
        *args: Any,
        **kw: Any,
    ) -> None:
        """Make sure of the claims; of a guest that arrives, also where it is.

        One that is rebuilt in its place is of this host already.
        """
        if instance.vm_state == vm_states.SHELVED_OFFLOADED:
            self._ledger.save(instance)
        arriving = (
            instance.vm_state in _CLAIMED_HERE
            or instance.host != self._ledger.host
        )
        with self._opened(instance, allocations, arriving=arriving):
            super().spawn(
                context,
                instance,
                image_meta,
                injected_files,
                admin_password,
                allocations,
                *args,
                **kw,
            )

    def rebuild(
        self,
        context: Any,
        instance: objects.Instance,
        image_meta: Any,
        injected_files: Any,
        admin_password: Any,
        allocations: gate.Allocated,
        *args: Any,
        evacuate: bool = False,
        **kw: Any,
    ) -> None:
        """Make sure of the claims before Nova destroys the old guest."""
        if not evacuate:
            with self._opened(instance, allocations):
                pass
        super().rebuild(
            context,
            instance,
            image_meta,
            injected_files,
            admin_password,
            allocations,
            *args,
            evacuate=evacuate,
            **kw,
        )

    def finish_migration(
        self,
        context: Any,
        migration: objects.Migration,
        instance: objects.Instance,
        *args: Any,
        **kw: Any,
    ) -> None:
        """Make sure of the claims of a guest that arrives."""
        with self._opened(instance, arriving=True):
            super().finish_migration(context, migration, instance, *args, **kw)

    def reboot(
        self, context: Any, instance: objects.Instance, *args: Any, **kw: Any
    ) -> None:
        """Make sure of the claims before the guest is shut down."""
        with self._opened(instance):
            super().reboot(context, instance, *args, **kw)

    def _hard_reboot(
        self, context: Any, instance: objects.Instance, *args: Any, **kw: Any
    ) -> None:
        """Make sure of the claims before the old guest is undefined.

        Nova starts a server that was stopped, and one whose host was
        rebooted, in this way too.
        """
        with self._opened(instance):
            super()._hard_reboot(context, instance, *args, **kw)

    @contextlib.contextmanager
    def _opened(
        self,
        instance: objects.Instance,
        allocated: gate.Allocated = None,
        *,
        arriving: bool = False,
    ) -> Iterator[None]:
        """Let an instance through the gate, and to its place if it arrives."""
        with contextlib.ExitStack() as stack:
            try:
                self._enter(stack, instance, allocated, arriving)
            except exception.GpuvirtError as error:
                raise self._refusal(instance, error) from error
            yield

    @timed.step
    def _enter(
        self,
        stack: contextlib.ExitStack,
        instance: objects.Instance,
        allocated: gate.Allocated,
        arriving: bool,
    ) -> None:
        stack.enter_context(
            self._gate.opened(instance, allocated, arriving=arriving)
        )
        if arriving:
            self._numa_claims.settle(instance)

    def _has_guest(self, instance: str) -> bool:
        """Tell whether libvirt knows a guest of an instance, by its UUID."""
        found: bool = self.instance_exists(objects.Instance(uuid=instance))
        return found

    def _places(self, instance: objects.Instance) -> numa_claims.Places:
        """Tell where the cards are that an instance has claimed."""
        claims = self._ledger.claims(instance)
        return numa_claims.places(self._gpus.of_claims(claims), claims)

    def _get_guest_config(
        self, instance: objects.Instance, *args: Any, **kw: Any
    ) -> vconfig.LibvirtConfigGuest:
        """Make the instance's GPUs ready and put them into its guest."""
        with self._opened(instance):
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
        """Say in the log why, and return what Nova acts on.

        What Nova tells the owner of the server says less.
        """
        LOG.error(
            'Refused on %s: %s', self._ledger.host, error, instance=instance
        )
        if (
            isinstance(error, exception.RequestImpossible)
            and instance.vm_state == vm_states.BUILDING
        ):
            # Another host would refuse it too, and each would be called one
            # whose builds fail.
            return nova_exception.BuildAbortException(
                instance_uuid=instance.uuid, reason=error.told
            )
        rebuilding = instance.task_state in _REBUILDING
        if rebuilding and instance.host == self._ledger.host:
            # Nova would take the other for an evacuation that is refused,
            # and call a server ACTIVE whose guest is gone.
            return nova_exception.InstanceDeployFailure(reason=error.told)
        return nova_exception.ComputeResourcesUnavailable(reason=error.told)

    def unrescue(self, context: Any, instance: objects.Instance) -> None:
        """Make the vGPUs again, as `resume` does: Nova starts the old XML."""
        with self._opened(instance):
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
        with self._opened(instance):
            try:
                self._attach(instance)
            except exception.GpuvirtError as error:
                raise self._refusal(instance, error) from error
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
            with self._admission.sole(instance.uuid, claims) as sole:
                self._gpus.release(instance.uuid, sole)
        except Exception:
            LOG.exception(
                'Who else has the GPUs is not known: they are taken back '
                'with a later update',
                instance=instance,
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
