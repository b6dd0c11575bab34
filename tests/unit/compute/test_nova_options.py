"""What Nova's own options give to guests is withheld, and nothing else."""

import json
import pathlib

import fixtures
import testtools
from nova.conf import devices
from nova.conf import pci
from oslo_config import cfg

from nova_gpuvirt import exception
from nova_gpuvirt import gpus
from nova_gpuvirt import handover
from nova_gpuvirt import model
from nova_gpuvirt.cards import offers
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.cards import reasons as reasons_
from nova_gpuvirt.compute import nova_options
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root
from nova_gpuvirt.simulation.hosts import navi

# The card of domain-1 and two of its VFs, and one of the A40's.
_CARD = '0001:c8:00.0'
_VF = '0001:c8:00.2'
_OTHER = '0001:c8:00.3'


def conf_of(specs=(), **types):
    """Nova's configuration with these options.

    :param types: the mdev_class of each type, by its id
    """
    conf = cfg.ConfigOpts()
    pci.register_opts(conf)
    devices.register_opts(conf)
    conf([])
    conf.set_override('device_spec', [json.dumps(s) for s in specs], 'pci')
    conf.set_override('enabled_mdev_types', list(types), 'devices')
    devices.register_dynamic_opts(conf)
    for type_id, resource_class in types.items():
        conf.set_override('mdev_class', resource_class, f'mdev_{type_id}')
    return conf


class NoGuests(hypervisor.Absent):
    """A libvirt without guests."""

    def guest_with(self, device):
        return None


class NovaOptionsTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        # Nova looks at the real host's sysfs for an address it is given.
        self.useFixture(
            fixtures.MockPatch(
                'nova.pci.utils.is_physical_function', return_value=False
            )
        )

    def host(self, kind, conf, exclude=()):
        """Start a host, and look at it with these options."""
        folder = self.useFixture(fixtures.TempDir()).path
        self.simulated = hosts.simulated(kind, pathlib.Path(folder))
        seen = machine.Machine(
            sysfs.Sysfs(folder, root.Root(self.simulated)),
            pciids.PciIds([self.simulated.root]),
            NoGuests(),
            root.Root(self.simulated).run,
        )
        self.options = nova_options.NovaOptions(conf, seen.sysfs)
        self.gpus = gpus.Gpus(
            seen,
            operator_filter.OperatorFilter(exclude=exclude),
            self.options.withhold,
        )
        self.handover = handover.Handover(self.gpus)

    def card(self):
        """The one card of the host as it is now."""
        (card,) = (
            g for g in self.gpus.survey(refresh=True).gpus if g.function
        )
        return card

    def vfs(self):
        """The VFs that the next guest can have, by address."""
        return {
            str(slot.device)
            for offer in offers.offers(self.card(), (), None)
            for slot in offer.slots
        }


class SpecTest(NovaOptionsTestCase):
    def test_card_of_a_vf_that_nova_gives_is_withheld(self):
        self.host('domain-1', conf_of([{'address': _VF}]))
        self.assertEqual(
            f'[pci]device_spec gives {_VF} to guests too: take it out there, '
            'or name it in [gpuvirt]exclude',
            self.card().refusal,
        )

    def test_guest_keeps_a_card_whose_audio_nova_gives(self):
        self.host('navi', conf_of([{'address': navi.AUDIO}]))
        found = {str(g.address): g for g in self.gpus.survey().gpus}
        card = found[navi.DISPLAY]
        self.assertFalse(card.can_go_whole)
        self.assertIn('[pci]device_spec', card.why_not_whole)
        claim = model.Claim('PGPU', f'passthrough:{navi.DISPLAY}')
        (device,) = self.handover.attach('a', [claim])
        self.assertEqual(navi.DISPLAY, str(device.host))

    def test_excluded_vf_may_be_nova_s(self):
        self.host('domain-1', conf_of([{'address': _VF}]), exclude=[_VF])
        self.assertIsNone(self.card().refusal)
        self.assertIn(_OTHER, self.vfs())
        self.assertNotIn(_VF, self.vfs())

    def test_devices_that_are_not_ours_change_nothing(self):
        self.host('domain-1', conf_of())
        before = self.card()
        self.host(
            'domain-1',
            conf_of(
                [
                    {'vendor_id': '8086', 'product_id': '1520'},
                    {'address': '0000:18:00.*'},
                ]
            ),
        )
        self.assertEqual(before, self.card())

    def test_what_somebody_made_on_a_card_of_nova_s_is_left_alone(self):
        self.host('domain-1', conf_of([{'address': _OTHER}]))
        place = f'/sys/bus/pci/devices/{_VF}/nvidia'
        number = nvidia_type(self.simulated, _VF)
        self.simulated.write(f'{place}/current_vgpu_type', number)
        self.assertEqual((), self.handover.leftovers(()))

    def test_domain_that_nova_can_not_name_is_not_nova_s(self):
        self.host('domain-1', conf_of([{'address': '*:*:*.*'}]))
        vf = model.PciAddress(0x10000, 0, 0, 1)
        specs = self.options._specs
        self.host('domain-1', conf_of())
        told = nova_options.without(
            self.card(), specs, (), {vf: (0x10DE, 0x2BB5)}, {}
        )
        self.assertIsNone(told.refusal)


class UnreadableTest(NovaOptionsTestCase):
    """A VF that can't be read may be Nova's."""

    nic = ({'vendor_id': '8086', 'product_id': '1520'},)

    def test_it_alone_is_withheld(self):
        self.host('domain-1', conf_of(self.nic))
        before = self.vfs()
        self.simulated.break_file(_VF, 'vendor', None)
        self.assertIsNone(self.card().refusal)
        self.assertEqual({_VF}, before - self.vfs())
        (share,) = self.card().shares
        ((vf, reason),) = share.withheld.items()
        self.assertEqual(_VF, str(vf))
        for word in ('[pci]device_spec', _VF, 'vendor'):
            self.assertIn(word, reason)

    def test_what_makes_no_sense_is_not_known(self):
        self.host('domain-1', conf_of(self.nic))
        self.simulated.break_file(_VF, 'device', 'x\n')
        self.assertNotIn(_VF, self.vfs())

    def test_it_is_offered_where_nova_s_devices_are_elsewhere(self):
        self.host('domain-1', conf_of([{'address': '0000:18:00.*'}]))
        before = self.vfs()
        self.simulated.break_file(_VF, 'vendor', None)
        self.assertEqual(before, self.vfs())

    def test_no_mdev_is_offered_that_could_be_made_on_it(self):
        self.host('a40', conf_of(self.nic))
        self.assertNotEqual(set(), self.vfs())
        vf = str(self.card().virtfns[0])
        self.simulated.break_file(vf, 'vendor', None)
        self.assertEqual(set(), self.vfs())
        self.assertIn(vf, '; '.join(reasons_.reasons(self.card())))


class TypeTest(NovaOptionsTestCase):
    def test_class_of_ours_stops_the_start(self):
        for rc in ('VGPU', 'CUSTOM_VGPU_NVIDIA_T4_2Q'):
            self.host('t4', conf_of(**{'nvidia-999': rc}))
            error = self.assertRaises(
                exception.InvalidOption,
                self.options.check,
                self.gpus.survey().gpus,
            )
            for word in ('nvidia-999', rc, '0000:3b:00.0', '0000:d8:00.0'):
                self.assertIn(word, str(error))
            # Without them Nova calls its own VGPU all the same, and gives
            # none of it.
            self.assertIn('and device_addresses with it', str(error))

    def test_type_that_nova_leaves_out_stops_nothing(self):
        conf = conf_of(**{'nvidia-999': 'CUSTOM_NOVA', 'nvidia-998': 'VGPU'})
        self.host('t4', conf)
        found = self.gpus.survey().gpus
        self.options.check(found)
        self.assertTrue(any(offers.offers_anything(g) for g in found))

    def test_class_of_nova_s_own_does_not(self):
        self.host('t4', conf_of(**{'nvidia-233': 'CUSTOM_NOVA'}))
        found = self.gpus.survey().gpus
        self.options.check(found)
        self.assertFalse(any(offers.offers_anything(g) for g in found))

    def test_type_of_one_card_withholds_that_card(self):
        conf = conf_of(**{'nvidia-233': 'CUSTOM_NOVA'})
        conf.set_override(
            'device_addresses', ['0000:5e:00.0'], 'mdev_nvidia-233'
        )
        self.host('t4', conf)
        self.assertEqual(
            ['0000:5e:00.0'],
            [
                str(g.address)
                for g in self.gpus.survey().gpus
                if 'enabled_mdev_types' in (g.refusal or '')
            ],
        )


def nvidia_type(host, vf):
    """A type that a VF can become now."""
    path = host.root / f'sys/bus/pci/devices/{vf}/nvidia/creatable_vgpu_types'
    return next(
        number.strip()
        for line in path.read_text().splitlines()
        if (number := line.partition(':')[0]).strip().isdecimal()
    )
