"""NVIDIA's mdevs share a card by what its driver and its command say."""

import errno
import pathlib
import uuid
from collections import Counter

import fixtures
import testtools

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.backends import base
from nova_gpuvirt.backends import mdev
from nova_gpuvirt.cards import discovery
from nova_gpuvirt.cards import exclusion
from nova_gpuvirt.cards import size_rules
from nova_gpuvirt.cards import vgpu
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import sysfs
from nova_gpuvirt.model import trait_names
from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation import root
from nova_gpuvirt.simulation import simulated
from nova_gpuvirt.simulation.drivers import nvidia
from nova_gpuvirt.simulation.hosts import rtx_pro_6000
from tests.unit import counted_files

_CARD = model.PciAddress.parse('0000:41:00.0')


class Libvirt(hypervisor.Absent):
    """A libvirt that makes mdevs of a simulated host."""

    def __init__(self, host):
        super().__init__()
        self._host = host

        self.guests = {}
        self.removed = []

    def guest_with(self, device):
        return self.guests.get(device)

    def remove_mdev(self, parent, mdev):
        self.removed.append(mdev)
        self._host.write(f'/sys/bus/mdev/devices/{mdev}/remove', '1')

    def create_mdev(self, parent, type_id, mdev):
        path = f'/sys/bus/pci/devices/{parent}/mdev_supported_types/{type_id}'
        try:
            self._host.write(f'{path}/create', str(mdev))
        except OSError as error:
            raise exception.PrepareFailed(
                str(parent), wanted='', found=str(error), remedy=''
            ) from error


class MdevTestCase(testtools.TestCase):
    def boot(self, host):
        """Boot a host with a backend."""
        folder = self.useFixture(fixtures.TempDir()).path
        self.host = simulated.SimulatedHost(host, pathlib.Path(folder))
        self.root = root.Root(self.host)
        self.sysfs = sysfs.Sysfs(self.host.root, self.root)
        self.names = pciids.PciIds([self.host.root])
        self.start()

    def start(self):
        """Start the backend, which knows nothing yet."""
        self.libvirt = Libvirt(self.host)
        self.backend = mdev.Mdev(
            machine.Machine(
                self.sysfs, self.names, self.libvirt, self.root.run
            )
        )

    def card(self):
        (gpu,) = discovery.discover(self.sysfs, self.names).gpus
        self.backend.refresh(gpu)
        return self.backend.discover(gpu)

    def share(self):
        return self.card().share('mdev')

    def left(self, *pending):
        """What is left of each profile that anything is left of."""
        share = self.share()
        slugs = [f'nvidia-{word}' for word in pending]
        left = share.rule.left(share.profiles, Counter(slugs))
        return {
            slug.removeprefix('nvidia-'): n for slug, n in left.items() if n
        }

    def slot(self, index, word):
        return model.Slot('mdev', _CARD, index, f'nvidia-{word}')

    def prepare(self, index, word):
        """Make the vGPU of a slot, and return its UUID."""
        slot = self.slot(index, word)
        self.backend.prepare(self.card(), slot, 'guest')
        return vgpu.uuid_of(slot, 'guest')


class MigTest(MdevTestCase):
    """An A100 with GPU instances 3g, 2g and twice 1g."""

    def setUp(self):
        super().setUp()
        self.boot(hosts.HOSTS['a100-mig']())

    def test_gpu_instances_count(self):
        self.assertEqual(
            {'a100-1-5c': 2, 'a100-2-10c': 1, 'a100-3-20c': 1}, self.left()
        )

    def test_claim_of_one_profile_takes_nothing_from_the_others(self):
        self.assertEqual(
            {'a100-1-5c': 1, 'a100-2-10c': 1},
            self.left('a100-1-5c', 'a100-3-20c'),
        )
        for index, word in enumerate(('a100-1-5c', 'a100-3-20c')):
            self.prepare(index, word)
        self.assertEqual({'a100-1-5c': 1, 'a100-2-10c': 1}, self.left())

    def test_legal_mix_is_no_contradiction(self):
        claims = [
            model.Claim('', str(self.slot(i, word)))
            for i, word in enumerate(('a100-1-5c', 'a100-3-20c'))
        ]
        self.assertIsNone(exclusion.contradiction(self.card(), claims))

    def test_one_at_a_time_without_the_command(self):
        self.host.fail('nvidia-smi', errno.ENOENT, times=99)
        self.assertIs(size_rules.ONE_AT_A_TIME, self.share().rule)
        self.assertEqual(
            {'a100-1-5c': 1, 'a100-2-10c': 1, 'a100-3-20c': 1}, self.left()
        )
        self.assertEqual({}, self.left('a100-1-5c'))

    def test_refusal_without_gpu_instances_names_what_makes_them(self):
        self.host.bare = True
        self.host.reboot()
        self.root.set_nvidia_vfs(str(_CARD), True)
        for word in ('a100-1-5c', 'a100-9-9c'):
            error = self.assertRaises(
                exception.PrepareFailed, self.prepare, 0, word
            )
            self.assertIn('nvidia-smi mig -i 0000:41:00.0 -cgi', str(error))

    def test_card_is_asked_again_when_its_types_changed(self):
        self.card()
        asked = []
        run = self.backend._smi._run
        self.backend._smi._run = lambda argv: asked.append(argv) or run(argv)
        self.card()
        self.assertEqual([], asked)
        self.prepare(0, 'a100-3-20c')
        self.card()
        self.assertNotEqual([], asked)

    def test_compute_capability_is_what_the_command_says(self):
        trait = trait_names.cuda('8.0')
        self.assertIn(trait, self.card().traits)


class CostTest(MdevTestCase):
    """Each VF tells of each type, so an A40 has some hundred such files."""

    def setUp(self):
        super().setUp()
        self.boot(hosts.HOSTS['a40']())
        self.files = counted_files.CountedFiles(self.host.root)
        self.sysfs = sysfs.Sysfs(self.files, self.root)
        self.start()
        gpus = discovery.discover(self.sysfs, self.names).gpus
        self.gpu = next(gpu for gpu in gpus if gpu.is_nvidia)
        self.files.reads.clear()

    def counts(self):
        """How often each file was read that tells what can be made."""
        return {
            path: count
            for path, count in self.files.reads.items()
            if path.endswith('/available_instances')
        }

    def test_what_can_be_made_is_read_once_for_an_update(self):
        self.backend.refresh(self.gpu)
        self.backend.discover(self.gpu)
        self.assertGreater(len(self.counts()), 100)
        self.assertEqual({1}, set(self.counts().values()))

    def test_it_is_read_again_for_who_looks_later(self):
        self.backend.refresh(self.gpu)
        for _ in range(2):
            self.backend.discover(self.gpu)
        self.assertEqual({2}, set(self.counts().values()))

    def test_it_is_read_again_where_a_vgpu_was_made_since(self):
        self.backend.refresh(self.gpu)
        (share,) = self.backend.discover(self.gpu).shares
        profile = next(p for p in share.profiles if p.available)
        self.backend.refresh(self.gpu)
        mdev_ = uuid.uuid4()
        Libvirt(self.host).create_mdev(
            self.gpu.function.virtfns[0], profile.type_id, mdev_
        )
        (after,) = self.backend.discover(self.gpu).shares
        self.assertEqual([str(mdev_)], [v.device for v in after.vgpus])
        left = next(p for p in after.profiles if p.slug == profile.slug)
        self.assertEqual(profile.available - 1, left.available)


class PlaceTest(MdevTestCase):
    """Where sizes mix, a vGPU goes where it leaves the most room."""

    def setUp(self):
        super().setUp()
        self.boot(rtx_pro_6000.on_mdevs(nvidia.MixedSizes(96)))

    def where(self, mdev):
        path = self.host.root / f'sys/bus/mdev/devices/{mdev}/nvidia'
        return (path / 'placement_id').read_text().strip()

    def test_beside_another_small_one(self):
        first = self.prepare(0, 'dc-24q')
        self.prepare(1, 'dc-12q')
        self.prepare(2, 'dc-24q')
        self.host.write(f'/sys/bus/mdev/devices/{first}/remove', '1')
        # The driver would take 0, and no half would be left in any quarter.
        self.assertEqual('36', self.where(self.prepare(3, 'dc-12q')))
        self.assertEqual(2, self.left()['dc-24q'])

    def test_what_is_left_is_what_has_a_place(self):
        made = [self.prepare(n, 'dc-24q') for n in range(4)]
        for gone in (made[0], made[3]):
            self.host.write(f'/sys/bus/mdev/devices/{gone}/remove', '1')
        left = self.left()
        self.assertEqual(2, left['dc-24q'])
        self.assertNotIn('dc-48q', left)

    def test_place_of_the_driver_stays_where_it_can_not_be_written(self):
        first = self.prepare(0, 'dc-24q')
        self.prepare(1, 'dc-24q')
        self.host.write(f'/sys/bus/mdev/devices/{first}/remove', '1')
        self.host.fail('*/placement_id', errno.EIO)
        self.assertEqual('0', self.where(self.prepare(2, 'dc-12q')))

    def test_size_of_a_card_is_how_many_have_a_place(self):
        profiles = {p.slug: p.max_instances for p in self.share().profiles}
        self.assertEqual(4, profiles['nvidia-dc-24q'])


class ReleaseTest(MdevTestCase):
    def setUp(self):
        super().setUp()
        self.boot(rtx_pro_6000.on_mdevs(nvidia.EqualSize()))
        self.slot_ = self.slot(0, 'dc-3q')
        self.mdev = self.prepare(0, 'dc-3q')

    def leftover(self):
        return base.Leftover(str(self.mdev), self.slot_)

    def test_what_a_guest_has_is_never_touched(self):
        self.libvirt.guests[self.mdev] = 'another guest'
        for take in (
            lambda: self.backend.release(self.slot_, 'guest'),
            lambda: self.backend.discard(self.leftover()),
        ):
            refusal = self.assertRaises(exception.ReleaseFailed, take)
            self.assertIn('another guest has it', str(refusal))
        self.assertEqual([], self.libvirt.removed)

    def test_what_no_guest_has_is_removed_once(self):
        self.backend.release(self.slot_, 'guest')
        self.backend.release(self.slot_, 'guest')
        self.assertEqual([self.mdev], self.libvirt.removed)


class UntoldTest(MdevTestCase):
    """NVIDIA's command does not answer a nova-compute that starts."""

    def claims(self, *words):
        return [
            model.Claim('', str(self.slot(n, word)))
            for n, word in enumerate(words)
        ]

    def test_sizes_that_mix_are_no_contradiction(self):
        self.boot(rtx_pro_6000.on_mdevs(nvidia.MixedSizes(96)))
        self.prepare(0, 'dc-24q')
        self.prepare(1, 'dc-12q')
        claims = self.claims('dc-24q', 'dc-12q')
        self.assertIsNone(exclusion.contradiction(self.card(), claims))
        self.start()
        self.host.fail('nvidia-smi', errno.EIO, times=99)
        self.assertIsNone(exclusion.contradiction(self.card(), claims))
        self.assertEqual(1, self.left()['dc-24q'])

    def test_sizes_may_mix_where_none_is_made(self):
        self.boot(rtx_pro_6000.on_mdevs(nvidia.MixedSizes(96)))
        self.host.fail('nvidia-smi', errno.EIO, times=99)
        claims = self.claims('dc-24q', 'dc-12q')
        self.assertIsNone(exclusion.contradiction(self.card(), claims))
        self.assertEqual({'dc-24q': 3}, self.left('dc-24q'))


class UnknownTest(MdevTestCase):
    def test_vgpu_of_a_stranger_is_counted(self):
        self.boot(hosts.HOSTS['a100-mig']())
        folder = '/sys/bus/pci/devices/0000:41:00.4/mdev_supported_types'
        self.host.write(f'{folder}/nvidia-476/create', str(uuid.uuid4()))
        self.assertEqual({'a100-1-5c': 2, 'a100-2-10c': 1}, self.left())
