"""The kills of each run of the tests: each step once, on each kind once.

A step that stands nowhere here is new, and is tried wherever it is met. Left
to the whole matrix are those with which Nova keeps its own books, and those
after which a move is stuck, which takes long.
"""

from tests.crashes import matrix

_LEFT = frozenset(
    {
        'libvirt Mdev.destroy',
        'placement PUT /allocations/*',
        'answer check_instance_shared_storage',
        'database Instance.drop_migration_context',
        'libvirt Domain.destroyFlags',
        'message check_instance_shared_storage',
        'message finish_revert_resize',
        'placement POST /allocations',
        'message finish_resize',
        'message resize_instance',
        'placement PUT /traits/*',
        'database BlockDeviceMapping.save',
        'database ConsoleAuthToken.clean_console_auths_for_instance',
        'database InstanceActionEvent.event_finish_with_failure',
        'database InstanceActionEvent.event_start',
        'database InstanceInfoCache.save',
        'database Service.save',
        'database VirtualInterface.delete_by_instance_uuid',
        'libvirt Domain.setTime',
        'message delete_instance_info',
        'message ping',
        'message update_instance_info',
    }
)
# By kind and operation, at which steps only this one is killed.
_OWN = {
    ('mdev', 'boot'): {
        'database ComputeNode.save',
        'database Instance.save',
        'libvirt Connection.nodeDeviceCreateXML',
        'libvirt Domain.createWithFlags',
        'placement PUT /resource_classes/*',
        'placement PUT /resource_providers/*/inventories',
    },
    ('mdev', 'hard reboot'): {
        'libvirt Connection.defineXML',
        'libvirt Domain.destroy',
    },
    ('mdev', 'evacuate'): {'database Migration.save'},
    ('whole', 'delete'): {
        'database Instance.destroy',
        'file remove',
        'kernel hold_unbind_lock',
        'kernel reset_bus',
        'libvirt Domain.undefineFlags',
        'libvirt PciDevice.detachFlags',
        'libvirt PciDevice.reAttach',
        'placement DELETE /allocations/*',
    },
    ('whole', 'start'): {'placement PUT /resource_providers/*/traits'},
    ('vendor-vfio', 'boot'): {
        'file mkdir',
        'file replace',
        'kernel set_vgpu_type',
    },
    ('vf', 'delete'): {'kernel reset_function'},
    ('vf', 'layout'): set(),
}


BLOCKS = tuple(_OWN)
"""The kinds, and what is done with each."""


def cells(kind, operation, steps):
    """Choose where to kill, of the steps of one block.

    Before one step and after the next, by turns.
    """
    own = _OWN[kind, operation]
    elsewhere = _LEFT.union(*_OWN.values()) - own
    first = {
        step.name: step
        for step in reversed(steps)
        if step.name not in elsewhere
    }
    by_step = {}
    for cell in matrix.cells(kind, operation, first.values()):
        by_step.setdefault(cell.step, []).append(cell)
    return [
        some[number % len(some)]
        for number, some in enumerate(by_step.values())
    ]
