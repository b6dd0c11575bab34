"""Read what one card is now."""

from __future__ import annotations

import dataclasses

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.layout import state as state_
from nova_gpuvirt.vendors import nvidia_modes
from nova_gpuvirt.vendors import vf_quotas

# What each vendor's way of asking tells, by names of a wish.
_NVIDIA_TELLS = ('mig', 'mixed_sizes')
_AMD_TELLS = ('partition', 'memory_mode')
_INTEL_TELLS = ('vf_memory',)


def read(machine: machine_.Machine, address: model.PciAddress) -> state_.State:
    """Ask the kernel, and the vendor's driver or command.

    What these do not tell is `unknown`.

    :raises SysfsError: when the card itself can't be read
    """
    sysfs = machine.sysfs
    code = pci_function.number(sysfs, address, 'class', 24)
    function = pci_function.read(sysfs, address, code)
    state = state_.State(
        driver=function.driver,
        is_overridden=_is_overridden(machine, function),
        vfs=len(function.virtfns),
        total_vfs=function.sriov_totalvfs,
    )
    vendor = {
        'nvidia': (_NVIDIA_TELLS, _of_nvidia),
        'gim': (_AMD_TELLS, _of_amd),
        'i915': (_INTEL_TELLS, _of_intel),
        'xe': (_INTEL_TELLS, _of_intel),
    }.get(function.driver or '')
    if vendor is None:
        return state
    names, ask = vendor
    try:
        return ask(machine, function, state)
    except (commands.CommandFailed, exception.SysfsError) as error:
        unknown = dict.fromkeys(names, str(error))
        return dataclasses.replace(state, unknown=unknown)


def _is_overridden(
    machine: machine_.Machine, function: model.PciFunction
) -> bool:
    if function.driver is None or 'vfio' not in function.driver:
        return False
    named = machine.sysfs.read_if_there(function.address, 'driver_override')
    return named == function.driver


def _of_nvidia(
    machine: machine_.Machine,
    function: model.PciFunction,
    state: state_.State,
) -> state_.State:
    modes = nvidia_modes.read(
        machine.run,
        machine.gpu_instances,
        machine.gpu_instance_profiles,
        function.address,
    )
    return dataclasses.replace(
        state,
        mig=modes.mig,
        mig_pending=modes.mig_pending,
        gpu_instances=modes.gpu_instances,
        mixed_sizes=modes.mixed_sizes,
        shared_instances=modes.shared_instances,
        mixed_instances=modes.mixed_instances,
        gi_profiles=modes.gi_profiles,
    )


def _of_amd(
    machine: machine_.Machine,
    function: model.PciFunction,
    state: state_.State,
) -> state_.State:
    partition, memory = vf_quotas.gim_modes(machine.sysfs, function.address)
    return dataclasses.replace(state, partition=partition, memory_mode=memory)


def _of_intel(
    machine: machine_.Machine,
    function: model.PciFunction,
    state: state_.State,
) -> state_.State:
    shared = {
        number: vf_quotas.memory(machine.sysfs, function, number)
        for number in range(1, 1 + function.sriov_totalvfs)
    }
    return dataclasses.replace(
        state, vf_memory={n: size for n, size in shared.items() if size}
    )
