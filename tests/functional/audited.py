"""Ways to make one side of a cloud say another thing than the others."""

import uuid

from lxml import etree
from nova import objects

from nova_gpuvirt import model
from nova_gpuvirt.cards import vgpu
from nova_gpuvirt.health import record
from nova_gpuvirt.health import records
from tests.functional import base

T4 = '0000:3b:00.0'
L40S = '0000:5e:00.0'
MI210 = '0000:af:00.0'
T4_8Q = {'resources:CUSTOM_VGPU_NVIDIA_T4_8Q': '1'}
_VERSION = '1.28'


class AuditCase(base.GpuTestCase):
    """A cloud of which all sides agree until one is changed."""

    def rules(self, host='host1'):
        """The rules that find something on a host, in one look."""
        found = self.audit(host)
        self.assertEqual({}, found.not_compared)
        return {each.rule for each in found.disagreements}

    def the(self, rule, host='host1'):
        """The disagreement that a rule finds, if it is one alone."""
        (found,) = (
            each
            for each in self.audit(host).disagreements
            if each.rule == rule
        )
        return found

    def assert_told(self, rule):
        """Check that nova-compute tells of it with its second look."""
        self.run_periodic()
        self.assertNotIn(f'disagree: {rule}', self.log())
        self.run_periodic()
        self.run_periodic()
        self.assertEqual(1, self.log().count(f'disagree: {rule}'))

    def assert_silent(self):
        """Check that no look has told of anything until now."""
        for words in ('disagree', 'Put right', 'not compared'):
            self.assertNotIn(words, self.log())

    # Nova

    def change_resources(self, server, how, host='host1'):
        """Change what Nova's database has of a server's claims."""
        instance = objects.Instance.get_by_uuid(
            self.context_at(host), server['id'], expected_attrs=['resources']
        )
        instance.resources = objects.ResourceList(
            objects=how(list(instance.resources or ()))
        )
        instance.save()

    # Placement

    def provider(self, card, host='host1'):
        """The UUID of a card's provider."""
        return self.gpu_providers(host)[card]['uuid']

    def allocate(self, consumer, card, rc, host='host1', amount=1):
        """Allocate something more to a consumer, whoever that is."""
        path = f'/allocations/{consumer}'
        found = self.placement.get(path, version=_VERSION).body
        found.setdefault('project_id', str(uuid.uuid4()))
        found.setdefault('user_id', str(uuid.uuid4()))
        found.setdefault('consumer_generation', None)
        for each in found['allocations'].values():
            each.pop('generation')
        provider = self.provider(card, host)
        found['allocations'][provider] = {'resources': {rc: amount}}
        answer = self.placement.put(path, found, version=_VERSION)
        self.assertEqual(204, answer.status)

    def free(self, consumer, card, host='host1'):
        """Take from a consumer what it has of a card."""
        path = f'/allocations/{consumer}'
        found = self.placement.get(path, version=_VERSION).body
        del found['allocations'][self.provider(card, host)]
        for each in found['allocations'].values():
            each.pop('generation')
        answer = self.placement.put(path, found, version=_VERSION)
        self.assertEqual(204, answer.status)

    def allocated(self, consumer):
        """What a consumer has, by provider."""
        return self._get_allocations_by_server_uuid(consumer)

    # Hardware

    def mdev_of(self, instance, index, profile='nvidia-t4-8q'):
        """The UUID that we give to an instance's vGPU of the T4."""
        card = model.PciAddress.parse(T4)
        slot = model.Slot('mdev', card, index, profile)
        return str(vgpu.uuid_of(slot, instance))

    def make(self, mdev, host='host1', name='GRID T4-8Q\n'):
        """Make a vGPU of the T4 past Nova's back."""
        place = f'sys/bus/pci/devices/{T4}/mdev_supported_types'
        types = self.simulated[host].root / place
        type_id = next(
            path.name
            for path in types.iterdir()
            if (path / 'name').read_text() == name
        )
        self.simulated[host].write(f'/{place}/{type_id}/create', mdev)

    def exists(self, mdev, host='host1'):
        """Tell whether a vGPU is there."""
        root = self.simulated[host].root
        return (root / f'sys/bus/mdev/devices/{mdev}').exists()

    def bind(self, address, driver, host='host1'):
        """Move a function to a driver."""
        self.connection(host).detach_pci(address, driver)

    # libvirt

    def domain(self, server, host='host1'):
        """The domain of a server."""
        return self.connection(host).lookupByUUIDString(server['id'])

    def define_copy(self, server, host='host1'):
        """Define a guest of nobody with the devices of a server's."""
        xml = etree.fromstring(self.domain(server, host).XMLDesc(0))
        name = str(uuid.uuid4())
        xml.find('uuid').text = name
        xml.find('name').text = name
        self.connection(host).defineXML(etree.tostring(xml).decode())
        return name

    # What is remembered

    def change_record(self, card, how, host='host1'):
        """Change what is remembered of a card."""
        remembered = records.Records(self.state_path(host))
        remembered.change(model.PciAddress.parse(card), how)


def dirty_after(server, slot):
    """Remember that a server had a slot."""
    return record.Dirty(slot, server, record.now())


def hostdev(mdev):
    """The XML of an mdev, as Nova hands it to libvirt."""
    return (
        '<hostdev mode="subsystem" type="mdev" model="vfio-pci">'
        f'<source><address uuid="{mdev}"/></source></hostdev>'
    )
