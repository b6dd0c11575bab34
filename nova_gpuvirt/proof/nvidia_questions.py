"""What is taken for true of NVIDIA's vGPUs."""

from __future__ import annotations

from nova_gpuvirt.proof.question import Certainty
from nova_gpuvirt.proof.question import Question

_REPORTED = Certainty.REPORTED
_READ = Certainty.READ
_GUESSED = Certainty.GUESSED

_MDEV = 'NVIDIA vGPU'
_VFS = 'NVIDIA vGPU on virtual functions'

QUESTIONS = (
    Question(
        'nvidia-one-size',
        _MDEV,
        'All vGPUs of a card have one framebuffer size, while their series '
        'may differ.',
        _REPORTED,
        'outputs of several hosts',
    ),
    Question(
        'nvidia-several-per-guest',
        _MDEV,
        'A guest starts with as many vGPUs as ``Max Instances Per VM`` says, '
        "of one card and of several. The number counts all of a guest's "
        'vGPUs, and not those of one type.',
        _READ,
        "NVIDIA's guide shows a guest with two VFs of a card",
    ),
    Question(
        'nvidia-create-eio',
        _MDEV,
        'A refused ``create`` fails with EIO.',
        _REPORTED,
        'seen once',
    ),
    Question(
        'nvidia-mdev-driver',
        _MDEV,
        "The driver of NVIDIA's mdevs is ``nvidia-vgpu-vfio``.",
        _REPORTED,
        'seen once',
    ),
    Question(
        'nvidia-remove-held',
        _MDEV,
        'Removing a vGPU that a process holds fails with EBUSY, and does not '
        'wait.',
        _GUESSED,
    ),
    Question(
        'nvidia-kept-errno',
        _MDEV,
        "What NVIDIA's manager still keeps after a guest is refused with "
        'EBUSY.',
        _GUESSED,
    ),
    Question(
        'nvidia-kept-time',
        _MDEV,
        'The manager lets a vGPU go within a minute after its guest.',
        _REPORTED,
        'Proxmox waits ten seconds, another project ten minutes',
    ),
    Question(
        'nvidia-killed-early',
        _MDEV,
        'A guest that is killed in its first half minute leaves a vGPU that '
        'starts no more.',
        _REPORTED,
        "one project's",
    ),
    Question(
        'nvidia-sigterm',
        _MDEV,
        'A guest ends on a SIGTERM as soon as the plugin has started.',
        _GUESSED,
    ),
    Question(
        'nvidia-whole',
        _MDEV,
        "A card that NVIDIA's host driver has can be given whole once its "
        '``unbindLock`` is held.',
        _READ,
        'its source, and that it waits without end else; a user saw it wait '
        'on although the process had ended',
    ),
    Question(
        'nvidia-locked-sets',
        _MDEV,
        'Fabric Manager joins cards while their locks are held.',
        _GUESSED,
    ),
    Question(
        'vf-clear-held',
        _VFS,
        'Writing 0 to ``current_vgpu_type`` is refused with EBUSY while a '
        'process holds the VF.',
        _GUESSED,
        "other refusals and texts are from the driver's source and users' "
        'reports',
    ),
    Question(
        'vf-no-manager',
        _VFS,
        'Nothing can be made while ``nvidia-vgpu-mgr`` does not run.',
        _GUESSED,
    ),
    Question(
        'vf-places',
        _VFS,
        'Which places there are for vGPUs of mixed sizes, and that they can '
        'be written since R570.',
        _READ,
        "NVIDIA's guide, and its driver's source",
    ),
    Question(
        'vf-place-errnos',
        _VFS,
        'A place that is taken is refused with EIO, and one of a vGPU whose '
        'guest runs with EBUSY.',
        _GUESSED,
    ),
    Question(
        'vf-places-before-r570',
        _VFS,
        "Before R570 an mdev's place in ``vgpu_params`` counts when its guest "
        'starts.',
        _READ,
        "NVIDIA's guide; not used, as a place that is taken keeps the guest "
        'from starting',
    ),
    Question(
        'vf-gi-mode',
        _VFS,
        'What ``nvidia-smi vgpu -gi N -ghm`` prints beside the word '
        '``Enabled``, and whether it needs root.',
        _GUESSED,
        'without an answer a GPU instance has one size',
    ),
    Question(
        'smi-lgi',
        _VFS,
        'The rows of ``nvidia-smi mig -lgi`` have the columns that users '
        'show, and no others that matter.',
        _REPORTED,
    ),
    Question(
        'smi-lgi-codes',
        _VFS,
        '``nvidia-smi mig -lgi`` ends with 6 where MIG mode is off, and tells '
        'whoever asks that there are no GPU instances.',
        _GUESSED,
        "its other words and codes are from users' reports and nvidia-smi(1)",
    ),
    Question(
        'smi-hang',
        _VFS,
        'A child of ``nvidia-smi`` that hangs leaves the rest of the host '
        'alone.',
        _GUESSED,
        'none has hung here but a simulated one',
    ),
    Question(
        'vf-lists-form',
        _VFS,
        'Which branch lists creatable types as the guide prints them '
        '(``NVIDIA A40-1Q 557``), and which with the number first.',
        _REPORTED,
        'users have shown the latter of an L40S and an H200; both are read',
    ),
    Question(
        'smi-sizes-key',
        _VFS,
        '``Heterogeneous Time-Slice Sizes`` is the key on every branch.',
        _REPORTED,
    ),
    Question(
        'vf-lists-time',
        _VFS,
        'Reading ``creatable_vgpu_types`` of 48 VFs takes less than a '
        'second: each update does it.',
        _GUESSED,
    ),
    Question(
        'vf-ids-before',
        _VFS,
        '``gpu_instance_id`` and ``placement_id`` can not be read before a '
        'vGPU exists: ENXIO.',
        _REPORTED,
        'here it fails with another errno',
    ),
)
