"""What the vendors' commands and drivers print."""

from __future__ import annotations

from fuzz import addresses
from fuzz import corpus
from fuzz import sources
from fuzz.target import check
from fuzz.target import of_text
from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import pci_function
from nova_gpuvirt.cards import profiles
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.vendors import fabric_manager
from nova_gpuvirt.vendors import gpu_instance_profiles
from nova_gpuvirt.vendors import gpu_instances
from nova_gpuvirt.vendors import gpu_modules
from nova_gpuvirt.vendors import nvidia_health
from nova_gpuvirt.vendors import nvidia_modes
from nova_gpuvirt.vendors import nvidia_output
from nova_gpuvirt.vendors import nvidia_smi
from nova_gpuvirt.vendors import nvidia_types
from nova_gpuvirt.vendors import nvidia_vfs
from nova_gpuvirt.vendors import nvidia_xids
from nova_gpuvirt.vendors import nvlinks
from nova_gpuvirt.vendors import serials
from nova_gpuvirt.vendors import vf_quotas

_LGIP = (
    '|   0  MIG 1g.10gb      19   7/7   9.75    No   16   1   0   |\n'
    '|   0  MIG 1g.10gb+me   20   1/1   9.75    No   16   1   1   |\n'
)
_HEALTH = (
    '    GPU Recovery Action                   : Reset\n'
    '    Remapped Rows\n'
    '        Remapping Failure Occurred        : Yes\n'
    '    Fabric\n'
    '        State                             : Completed\n'
    '        Status                            : Failure\n'
    '    Product Name                          : [GPU is lost]\n'
)
_MODES = (
    '    MIG Mode\n'
    '        Current                           : Enabled\n'
    '        Pending                           : Enabled\n'
    '    vGPU Heterogeneous Mode               : Enabled\n'
    '    Heterogeneous Time-Slice Sizes        : Supported\n'
    '    Serial Number                         : 1320220000000\n'
    '    Module ID                             : 3\n'
    '    GPU UUID                              : GPU-155d900f\n'
)
_LINKS = (
    'GPU 0: NVIDIA A100\n\tLink 0: Remote Device 00000000:D5:00.0: Link 0\n'
)
_RECOVERY = (
    'GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)'
)

_OTHER = model.PciAddress.parse('0000:d5:00.0')


def _nvidia_smi(text: str) -> None:
    """Ask the command about a card all that is asked of it."""
    run = sources.says(text)
    smi = nvidia_smi.NvidiaSmi(run, lambda card: text)
    smi.learn(sources.CARD, 1)
    smi.card(sources.CARD)
    modules = gpu_modules.GpuModules(run, {})
    modules.learn(sources.CARD, 'nvidia')
    modules.why_not(sources.CARD)
    links = nvlinks.NvLinks(run)
    links.learn(1, {sources.CARD: 'nvidia', _OTHER: 'nvidia'})
    links.view()
    serials.of(
        machine.Machine(
            sysfs.Sysfs(sources.Same(text.encode())),
            pciids.PciIds(()),
            hypervisor.Absent(),
            run,
        ),
        pci_function.bare(sources.CARD, 0),
    )


def _modes(text: str) -> None:
    nvidia_modes.read(
        sources.says(text), lambda card: text, lambda card: text, sources.CARD
    )


def _types(text: str) -> None:
    for number, found in nvidia_types.parse(text).items():
        check(number == found.number > 0, f'{number} is no type')
        check(len(found.placement_ids) <= 64, 'more places than a card has')


def _instances(text: str) -> None:
    for each in gpu_instances.parse(text) or ():
        check(str(each.number) in text and each.name in text, repr(each))


def _profiles(text: str) -> None:
    for each in gpu_instance_profiles.parse(text):
        check(each.name in text, f'{each} does not stand there')


def _creatable(text: str) -> None:
    for number, name in nvidia_vfs.parse_creatable(text).items():
        check(number > 0 and str(number) in text, f'no number {number}')
        profiles.nvidia(name, str(number), 0)


def _health(text: str) -> None:
    found = nvidia_health.parse(text)
    for said in (found.lost, found.recovery, found.fabric):
        check(
            said is None or said in text or said == 'Unhealthy',
            f'nobody said {said!r}',
        )
    nvidia_health.of_failure(commands.CommandFailed(text))


def _partitions(text: str) -> None:
    for partition in fabric_manager.parse(text):
        addresses.stand_in(text, [m.address for m in partition.members])
        hash(partition.modules)


def _settings(text: str) -> None:
    for key, value in nvidia_output.settings(text).items():
        check(key in text and value in text, f'{key!r}: {value!r}')


def _links(text: str) -> None:
    addresses.stand_in(text, nvlinks.parse(text))


def _quotas(text: str) -> None:
    vf_quotas.mib(text)
    host = sysfs.Sysfs(sources.Same(text.encode()))
    function = pci_function.bare(sources.CARD, 0)
    try:
        vf_quotas.gim_modes(host, sources.CARD)
        vf_quotas._i915_memory(host, sources.CARD, 1)
        vf_quotas._xe_memory(host, sources.CARD, 1)
        vf_quotas.why_none(host, function)
        nvidia_vfs.creatable(host, sources.CARD)
    except exception.SysfsError:
        return


TARGETS = (
    of_text(
        'nvidia-smi',
        _nvidia_smi,
        ('vendors.gpu_modules.GpuModules.learn', 'vendors.serials.of'),
        (*corpus.outputs('q.txt', 'vgpu*', 'mig*'), _MODES, _LINKS, '8.9'),
    ),
    of_text(
        'nvidia-modes',
        _modes,
        ('vendors.nvidia_modes.read',),
        (*corpus.outputs('q.txt', 'vgpu*', 'mig*'), _MODES),
        (commands.CommandFailed,),
    ),
    of_text(
        'nvidia-types',
        _types,
        ('vendors.nvidia_types.parse',),
        corpus.outputs('vgpu*'),
    ),
    of_text(
        'nvidia-output',
        _settings,
        ('vendors.nvidia_output.settings',),
        corpus.outputs('q.txt'),
    ),
    of_text(
        'nvidia-health',
        _health,
        ('vendors.nvidia_health.parse', 'vendors.nvidia_health.of_failure'),
        (
            *corpus.outputs('q.txt'),
            _HEALTH,
            'Unable to determine the device handle for GPU 0000:05:00.0: GPU '
            'is lost.  Reboot the system to recover this GPU',
        ),
    ),
    of_text(
        'gpu-instances',
        _instances,
        ('vendors.gpu_instances.parse', 'vendors.gpu_instances.says_none'),
        corpus.outputs('mig*'),
    ),
    of_text(
        'gpu-instance-profiles',
        _profiles,
        ('vendors.gpu_instance_profiles.parse',),
        (_LGIP,),
    ),
    of_text(
        'creatable-types',
        _creatable,
        ('vendors.nvidia_vfs.parse_creatable',),
        corpus.outputs('creatable*'),
    ),
    of_text(
        'fabric-manager',
        _partitions,
        ('vendors.fabric_manager.parse',),
        corpus.outputs('fmpm*'),
        (ValueError,),
    ),
    of_text('nvlinks', _links, ('vendors.nvlinks.parse',), (_LINKS,)),
    of_text(
        'recovery-action',
        nvidia_xids.recovery_action,
        ('vendors.nvidia_xids.recovery_action',),
        (_RECOVERY, f'pid=1, name=x, {_RECOVERY}.'),
    ),
    of_text(
        'quotas',
        _quotas,
        ('vendors.vf_quotas.mib',),
        ('2000m', '2097152', 'card0\nvf1\ngt0', 'CPX', 'NPS4'),
    ),
)
