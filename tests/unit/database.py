"""As much of Nova's database as our code reads of instances and migrations."""

import uuid

import fixtures
from nova import exception as nova_exception
from nova import objects

HOST = 'host1'

objects.register_all()


def resources(provider, resource_class, *identifiers):
    """Make what Nova keeps of claims."""
    return objects.ResourceList(
        objects=[
            objects.Resource(
                provider_uuid=provider,
                resource_class=resource_class,
                identifier=name,
            )
            for name in identifiers
        ]
    )


class Database(fixtures.Fixture):
    """As much of Nova's database as is read of instances and migrations."""

    def __init__(self):
        super().__init__()
        self.instances = {}
        self.moving = {}
        # Of all instances, and of one.
        self.reads = 0
        self.single_reads = 0

    def _setUp(self):
        for cls, name, answer in (
            (objects.InstanceList, 'get_by_host', self.by_host),
            (objects.InstanceList, 'get_by_filters', self.by_filters),
            (objects.Instance, 'get_by_uuid', self.by_uuid),
            (
                objects.MigrationList,
                'get_in_progress_by_host_and_node',
                self.in_progress,
            ),
            (
                objects.MigrationContext,
                'get_by_instance_uuid',
                self.context_of,
            ),
        ):
            self.useFixture(
                fixtures.MockPatchObject(cls, name, side_effect=answer)
            )

    def add(self, resources, host=HOST, task_state=None, moving=None):
        name = str(uuid.uuid4())
        self.instances[name] = objects.Instance(
            uuid=name,
            host=host,
            task_state=task_state,
            resources=resources,
            migration_context=moving,
        )
        if moving is not None:
            self.moving[name] = moving
        return name

    def by_host(self, context, host, expected_attrs):
        self.reads += 1
        return [i for i in self.instances.values() if i.host == host]

    def by_filters(self, context, filters, expected_attrs):
        wanted = filters['task_state']
        return [i for i in self.instances.values() if i.task_state == wanted]

    def by_uuid(self, context, name, expected_attrs):
        self.single_reads += 1
        try:
            return self.instances[name]
        except KeyError:
            raise nova_exception.InstanceNotFound(instance_id=name) from None

    def in_progress(self, context, host, node):
        return [objects.Migration(instance_uuid=name) for name in self.moving]

    def context_of(self, context, name):
        return self.moving[name]
