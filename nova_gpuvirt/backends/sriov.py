"""Virtual functions that are cut already: AMD's gim, Intel's i915 and xe.

The host's driver has enabled them and given each its part of the card. A
guest gets one on VFIO, and libvirt gives it back (``managed='yes'``), so
nothing is written here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import base
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.cards import profiles
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.host import kernel
from nova_gpuvirt.host import vfio
from nova_gpuvirt.model import guest_device
from nova_gpuvirt.vendors import nvidia_vfs
from nova_gpuvirt.vendors import vf_quotas

# The driver on VFIO that knows how to migrate a VF of a host's driver
# (kernel drivers/vfio/pci/xe/Kconfig).
_VARIANTS = {'xe': 'xe-vfio-pci'}


class Sriov(base.Backend):
    """Hand over a virtual function that the host has enabled."""

    kind = 'sriov'
    makes = False

    def discover(self, gpu: model.Gpu) -> model.Gpu:
        """Add the card's virtual functions, by what part each has of it."""
        function = gpu.function
        if function is None or function.vendor_id == model.NVIDIA:
            return gpu
        refusal = vf_quotas.why_none(self._sysfs, function)
        if not function.virtfns and refusal is None:
            return gpu
        parts = vf_quotas.Quotas(self._sysfs, function)
        by_quota: dict[str, list[model.PciAddress]] = {}
        withheld: dict[model.Device, str] = {}
        for number, vf in enumerate(function.virtfns):
            if self._is_made_into_vgpus(vf):
                continue
            try:
                why = vfio.why_not(self._machine, [vf])
                if why is None:
                    by_quota.setdefault(parts.of_vf(number), []).append(vf)
            except exception.SysfsError as error:
                why = str(error)
            if why is not None:
                withheld[vf] = why
        share = model.Share(
            self.kind,
            size_rules.INDEPENDENT,
            profiles=tuple(
                _profile(gpu, quota, vfs)
                for quota, vfs in sorted(by_quota.items())
            ),
            refusal=refusal,
            withheld=withheld,
        )
        return dataclasses.replace(gpu, shares=(*gpu.shares, share))

    def _is_made_into_vgpus(self, vf: model.PciAddress) -> bool:
        """Tell whether a VF is for another backend, since its driver says."""
        return bool(
            self._sysfs.names(vf, 'mdev_supported_types')
        ) or nvidia_vfs.exists(self._sysfs, vf)

    def prepare(self, gpu: model.Gpu, slot: model.Slot, instance: str) -> bool:
        """Make sure that the function can still be given."""
        vf = slot.device
        share = gpu.share(self.kind)
        profile = share.profile(slot.profile) if share else None
        if profile is None or vf not in (profile.places or ()):
            raise exception.PrepareFailed(
                str(vf),
                wanted=f'a VF {slot.profile} of {gpu.address} for instance '
                f'{instance}',
                found=(share and share.withheld.get(vf))
                or ', '.join(p.slug for p in gpu.profiles)
                or 'no VFs',
                remedy='give the card the VFs and quotas back that it had '
                'when the claim was made',
            )
        return False

    def functions(
        self, gpu: model.Gpu, slot: model.Slot
    ) -> tuple[model.PciAddress, ...]:
        """List the VF."""
        assert isinstance(slot.device, model.PciAddress)
        return (slot.device,)

    def guest_devices(
        self, gpu: model.Gpu, slot: model.Slot, instance: str
    ) -> tuple[guest_device.Pci, ...]:
        """Describe the function."""
        assert gpu.function is not None
        if not isinstance(slot.device, model.PciAddress):
            raise ValueError(f'{slot} is no virtual function')
        variant = _VARIANTS.get(gpu.function.driver or '')
        if variant and not kernel.driver_is_loaded(self._sysfs.root, variant):
            variant = None
        return (
            guest_device.Pci(
                slot.device,
                managed=True,
                bars=pci_function.bars(self._sysfs, slot.device),
                variant=variant,
            ),
        )


def _profile(
    gpu: model.Gpu, quota: str, vfs: Sequence[model.PciAddress]
) -> model.Profile:
    name = f'{gpu.name} {quota}'
    return model.Profile(
        profiles.slug(name),
        name,
        type_id=quota,
        available=len(vfs),
        max_instances=len(vfs),
        framebuffer_mib=vf_quotas.mib(quota),
        places=tuple(vfs),
    )
