"""The options of nova-gpuvirt, in the group [gpuvirt] of nova.conf.

With none of them set, what the host has prepared is what is offered.
"""

from __future__ import annotations

import pathlib
import re

from oslo_config import cfg

from nova_gpuvirt import backends
from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.cards import operator_filter as operator_filter_
from nova_gpuvirt.cards import vgpu
from nova_gpuvirt.host import machine
from nova_gpuvirt.model import summary

_GROUP = 'gpuvirt'

_OPTS = [
    cfg.ListOpt(
        'exclude',
        default=[],
        help="""
GPUs that are not offered to guests.

Each item is the PCI address of a card or of a VF, the name of a render node
without a card, or a glob of these. A server that has such a
GPU keeps it until it is deleted or moved. A GPU that
``[pci]device_spec`` or ``[devices]enabled_mdev_types`` serves should stand
here: while a card has two masters it is not offered, with a warning in the
log. nova-compute refuses to start where Nova would take vGPUs of this host
for its own: where a type's ``mdev_class`` is ``VGPU``.

Possible values: ``0000:3b:00.0``, ``0000:5e:*``
""",
    ),
    cfg.ListOpt(
        'kinds',
        default=list(backends.KINDS),
        help="""
The ways in which guests may have a GPU.

A card whose host driver makes vGPUs can also be given whole, unless
``passthrough`` is left out here, and one that a host driver draws with can
be drawn with by guests, unless ``api`` is. Several whole cards that belong
together can be had as one, unless ``set`` is.

Possible values: ``passthrough``, ``mdev``, ``vendor-vfio``, ``sriov``,
``api``, ``set``
""",
    ),
    cfg.ListOpt(
        'profiles',
        default=[],
        help="""
Profiles of vGPU that are offered; all that a card has, when empty.

Each item is a glob of a profile's name, as the driver or as
``nova-gpuvirt discover`` writes it.

Possible values: ``nvidia-t4-*q``, ``GRID T4-2Q``
""",
    ),
    cfg.ListOpt(
        'default_profile',
        default=[],
        help="""
The profile of vGPU that the resource class VGPU stands for on a card.

The first glob that fits a profile of the card decides. Where none does, it
is the profile that the card's vGPUs already have, else the largest of which
at least two fit.

Possible values: as for ``profiles``
""",
    ),
    cfg.ListOpt(
        'boot_vga',
        default=[],
        help="""
Cards that guests may have although the firmware shows its screen there.

Each item is a PCI address, or a glob of addresses. The host's own console is
gone while a guest has such a card.

Possible values: ``0000:00:02.0``
""",
    ),
    cfg.IntOpt(
        'api_sessions',
        default=machine.API_SESSIONS,
        min=0,
        max=vgpu.MAX_INDEX,
        help="""
How many guests may draw with one render node of the host at a time.

Each is one CUSTOM_GPU_API_SESSION: OpenGL (virgl) of a guest's virtio-gpu,
drawn by the host's driver, and Vulkan with ``api_vulkan``. Nothing in the
hardware limits the number; what guests share is the card's time and memory.
0 offers none.
""",
    ),
    cfg.BoolOpt(
        'api_vulkan',
        default=False,
        help="""
Whether guests that draw with a render node may use Vulkan (venus) too.

QEMU starts another process for it, virgl_render_server, which libvirt's
sandbox forbids: it does not with ``seccomp_sandbox = 0`` in libvirt's
``qemu.conf``, which is for all guests of the host. Vulkan also needs QEMU 9.2,
Linux 6.13 and libvirt 8.2.
""",
    ),
    cfg.StrOpt(
        'policy',
        default='fit',
        choices=[
            ('fit', 'keep most of what typical requests could use'),
            ('pack', 'fill the fullest host and card first'),
            ('spread', 'take the emptiest host and card first'),
        ],
        help="""
Where nova-scheduler puts a guest with GPUs, among hosts and cards that fit.
""",
    ),
    cfg.FloatOpt(
        'gpu_weight_multiplier',
        default=100.0,
        help="""
How much GpuWeigher counts beside the other weighers of nova-scheduler.

Theirs are 1 by default. The metadata ``gpu_weight_multiplier`` of a host
aggregate goes before this.
""",
    ),
    cfg.MultiStrOpt(
        'typical_request',
        default=[],
        help="""
A request that is typical for this cloud, for the policy ``fit``.

How often it comes, beside the others; its VCPUs; its memory in MiB; and the
units of each resource class. Where none is given, the servers that run tell
what is typical.

Possible values: ``20 8 32768 VGPU=1``, ``1 64 524288 PGPU=4``
""",
    ),
    cfg.StrOpt(
        'fabric_manager',
        default='',
        help="""
Where NVIDIA's Fabric Manager is, when it is not on this host.

An address, as where it runs in a service VM, or the path of its Unix socket,
which nova-compute must be able to write to. A host whose NVSwitches can't be
seen on PCI is taken for one that has some only when this is set, to
``127.0.0.1`` for example.

Possible values: empty, ``192.0.2.7``, ``/run/nvidia-fabricmanager/socket``
""",
    ),
    cfg.ListOpt(
        'gpu_modules',
        default=[],
        help="""
Where cards are on their board, for NVIDIA's Fabric Manager.

Each item is the PCI address of a card and its number on the board, which
nvidia-smi calls Module Id. It is asked for while NVIDIA's driver has the
card: only cards that VFIO has from the start of the host must stand here. The
number is not the order on PCI.

Possible values: ``0000:0f:00.0=5``
""",
    ),
    cfg.StrOpt(
        'sysfs_root',
        default='/',
        help="""
The folder that holds the host's ``sys``.

Anything but ``/`` is for trials with a simulated host.
""",
    ),
]

_ADDRESS_GLOB = re.compile(r'[0-9a-fA-F:.*?\[\]!-]+|renderD[0-9*?]+')


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make the options known to a configuration."""
    conf.register_group(cfg.OptGroup(_GROUP, title='GPUs for guests'))
    conf.register_opts(_OPTS, group=_GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """List the options for oslo-config-generator."""
    return [(_GROUP, _OPTS)]


def sysfs_root(conf: cfg.ConfigOpts) -> pathlib.Path:
    """Read where the host's sysfs is.

    :raises InvalidOption: when there is none
    """
    root = pathlib.Path(conf.gpuvirt.sysfs_root)
    if not (root / 'sys').is_dir():
        raise exception.InvalidOption(
            '[gpuvirt]sysfs_root',
            wanted='a folder that holds "sys"',
            found=repr(str(root)),
            remedy='leave the option out, to use this host',
        )
    return root


def operator_filter(conf: cfg.ConfigOpts) -> operator_filter_.OperatorFilter:
    """Read what the operator wants.

    :raises InvalidOption: when a value can't be meant
    """
    _check_addresses(conf, 'exclude')
    for option in ('profiles', 'default_profile'):
        if not all(conf.gpuvirt[option]):
            raise exception.InvalidOption(
                f'[gpuvirt]{option}',
                wanted='names of profiles, or globs of them',
                found=repr(','.join(conf.gpuvirt[option])),
                remedy='see `nova-gpuvirt discover` for the profiles',
            )
    return operator_filter_.OperatorFilter(
        kinds=tuple(_kind(word) for word in conf.gpuvirt.kinds),
        exclude=tuple(conf.gpuvirt.exclude),
        profiles=tuple(conf.gpuvirt.profiles),
        default_profile=tuple(conf.gpuvirt.default_profile),
    )


def boot_vga(conf: cfg.ConfigOpts) -> tuple[str, ...]:
    """Read which boot VGAs guests may have.

    :raises InvalidOption: when a value can't be meant
    """
    _check_addresses(conf, 'boot_vga')
    return tuple(conf.gpuvirt.boot_vga)


_TYPICAL = re.compile(r'(\d+) +(\d+) +(\d+)((?: +[A-Z0-9_]+=[1-9]\d*)+)')


def typical_requests(conf: cfg.ConfigOpts) -> dict[summary.Request, int]:
    """Read what requests are typical, and how often each comes.

    :raises InvalidOption: when a value can't be meant
    """
    typical = {}
    for text in conf.gpuvirt.typical_request:
        match = _TYPICAL.fullmatch(text.strip())
        if match is None:
            raise exception.InvalidOption(
                '[gpuvirt]typical_request',
                wanted='how often, VCPUs, MiB and units, as '
                '"20 8 32768 VGPU=1"',
                found=repr(text),
                remedy='leave the option out, to learn from what runs',
            )
        times, vcpus, memory, units = match.groups()
        request = summary.Request(
            int(vcpus),
            int(memory),
            tuple(
                (rc, int(count))
                for rc, _, count in (u.partition('=') for u in units.split())
            ),
        )
        typical[request] = int(times)
    return typical


def gpu_modules(conf: cfg.ConfigOpts) -> dict[model.PciAddress, int]:
    """Read where cards are on their board.

    :raises InvalidOption: when a value can't be meant
    """
    result = {}
    for item in conf.gpuvirt.gpu_modules:
        address, _, module = item.partition('=')
        try:
            result[model.PciAddress.parse(address)] = int(module)
        except ValueError as error:
            raise exception.InvalidOption(
                '[gpuvirt]gpu_modules',
                wanted='items such as 0000:0f:00.0=5',
                found=repr(item),
                remedy='see the Module Id in `nvidia-smi -q`',
            ) from error
    if len(set(result.values())) < len(result):
        raise exception.InvalidOption(
            '[gpuvirt]gpu_modules',
            wanted='another number for each card',
            found=repr(','.join(conf.gpuvirt.gpu_modules)),
            remedy='see the Module Id in `nvidia-smi -q`',
        )
    return result


def _check_addresses(conf: cfg.ConfigOpts, option: str) -> None:
    for glob in conf.gpuvirt[option]:
        if not _ADDRESS_GLOB.fullmatch(glob):
            raise exception.InvalidOption(
                f'[gpuvirt]{option}',
                wanted='PCI addresses such as 0000:3b:00.0, or globs of them',
                found=repr(glob),
                remedy='see `nova-gpuvirt discover` for the addresses',
            )


def _kind(word: str) -> str:
    if word not in backends.KINDS:
        raise exception.InvalidOption(
            '[gpuvirt]kinds',
            wanted=', '.join(backends.KINDS),
            found=repr(word),
            remedy='leave the option out, to offer all',
        )
    return word
