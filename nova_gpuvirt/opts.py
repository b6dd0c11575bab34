"""The options of nova-gpuvirt, in the group [gpuvirt] of nova.conf.

With none of them set, what the host has prepared is what is offered.
"""

from __future__ import annotations

from oslo_config import cfg

from nova_gpuvirt import backends
from nova_gpuvirt.cards import vgpu
from nova_gpuvirt.health import records
from nova_gpuvirt.host import machine
from nova_gpuvirt.layout import document

GROUP = 'gpuvirt'

OPTS = [
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
    cfg.ListOpt(
        'accelerators',
        default=[],
        help="""
Devices that guests may have whole though they are not known to be GPUs.

Each item is a vendor and a device, as ``lspci -n`` prints them: of an FPGA or
an NPU, of a GPU of another vendor than AMD, Intel and NVIDIA, or of a virtual
machine's display. Each is one PGPU then, so let flavors ask for the trait of
their model. The display of a management controller is never meant to be here.

Possible values: ``10ee:5004``, ``1ed5:0222``
""",
    ),
    cfg.ListOpt(
        'without_reset',
        default=[],
        help="""
Cards that guests may have whole though they can't be reset between guests.

Each item is a PCI address, or a glob of addresses. What a guest leaves on
such a card (memory, firmware, a driver's state) is there for the next one, and
the next one's driver may not start on it.

Possible values: ``0000:05:00.0``
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
which nova-compute must be able to write to. A host has NVSwitches if they are
seen on PCI, if its cards are B200 or B300, or if this is set.

Possible values: empty, ``192.0.2.7``, ``/run/nvidia-fabricmanager/socket``
""",
    ),
    cfg.ListOpt(
        'gpu_modules',
        default=[],
        help="""
The numbers of cards in NVIDIA's Fabric Manager.

Each item is the PCI address of a card and its number there, which
``fmpm -l`` prints as ``physicalId``. From H100 on it is what nvidia-smi
calls Module Id; on HGX A100 the two differ. nova-compute asks for it while
NVIDIA's driver has the card: only cards that VFIO has from the start of the
host must stand here. The number is not the order on PCI.

Possible values: ``0000:0f:00.0=5``
""",
    ),
    cfg.StrOpt(
        'layout',
        default=str(document.PLACE),
        help="""
The file that says what each card of this host shall be.

It is read again when it changes, and need not be there: then what the host
has prepared is what is offered. What it says of a card goes before the other
options here. See ``nova-gpuvirt plan``.
""",
    ),
    cfg.StrOpt(
        'state_path',
        default=str(records.PLACE),
        help="""
The folder with what has to be remembered of GPUs over a restart.

The user that nova-compute runs as owns it. It has a small file for each card
that is in quarantine, that a server has something of, or that a layout has
made something. Without it no server gets a GPU that has to be cleaned after
it.
""",
    ),
    cfg.IntOpt(
        'sick_after',
        default=2,
        min=1,
        help="""
After how many periodic updates with a sign of sickness a card is sick.

A grave sign, as a card that is off its bus, makes it sick at once.
""",
    ),
    cfg.IntOpt(
        'well_after',
        default=3,
        min=1,
        help="""
After how many periodic updates in a row without a sign a card is well again.
""",
    ),
    cfg.DictOpt(
        'clean',
        default={},
        help="""
What is done with a GPU after a guest had it, before another one gets it.

By the kind of the GPU, as in ``kinds``: ``reset`` resets it and reads it back,
``hook`` runs ``clean_hook`` before, and ``none`` leaves it to libvirt and the
kernel. A kind that is not named is reset. A vGPU that is made for a guest is
removed, which ``none`` does not change. See "Cleaning" in the
administrator's guide for what a reset does not do.

Possible values: ``passthrough:hook,sriov:reset``
""",
    ),
    cfg.StrOpt(
        'clean_hook',
        default='',
        help="""
The program that is run for kinds of which ``clean`` says ``hook``.

An absolute path. It runs as the user of nova-compute, and gets the PCI address
of the device, the kind and the model. Where it ends with another status than
0, or not in time, the card goes into quarantine.

Possible values: ``/usr/local/sbin/scrub-gpu``
""",
    ),
    cfg.IntOpt(
        'clean_hook_seconds',
        default=300,
        min=1,
        help="""
How long ``clean_hook`` may take for one GPU, in seconds.
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
