"""Who has a card open is seen, or it is said that it can't be."""

import os
import shutil

from nova_gpuvirt import model
from nova_gpuvirt.host import card_openers
from nova_gpuvirt.host import files
from nova_gpuvirt.simulation.hosts import navi
from tests.unit import counted_files
from tests.unit.simulation import base

_T4 = '0000:3b:00.0'


class CardOpenersTest(base.TestCase):
    def openers(self, address, caller=4242):
        (found,) = self.find(
            files.OnDisk(self.host.root), address, caller=caller
        )
        return [card_openers.Opener(*opener) for opener in found]

    def find(self, root, *addresses, caller=4242):
        cards = [model.PciAddress.parse(address) for address in addresses]
        return card_openers.find(root, cards, caller)

    def test_nodes_of_nvidias_driver(self):
        self.start('t4')
        self.host.start('dcgm', '/dev/nvidia1')
        pid = self.host.start('nvidia-persistenced', '/dev/nvidia0')
        (opener,) = self.openers(_T4)
        self.assertEqual(f'process {pid} (nvidia-persiste)', str(opener))

    def test_name_that_would_act_on_a_terminal(self):
        self.start('t4')
        pid = self.host.start('x', '/dev/nvidia0')
        comm = self.host.root / f'proc/{pid}/comm'
        comm.write_bytes(b'a\x1b]0;b\x07\nc\xff\n')
        (opener,) = self.openers(_T4)
        self.assertEqual('a?]0;b??c\ufffd', opener.name)

    def test_nodes_of_drm(self):
        self.start('navi')
        pids = [
            self.host.start(name, node)
            for name, node in (
                ('Xorg', '/dev/dri/card0'),
                ('ffmpeg', '/dev/dri/renderD128'),
            )
        ]
        self.host.start('Xorg', '/dev/dri/card1')
        found = self.openers(navi.DISPLAY)
        self.assertEqual(pids, [o.pid for o in found])

    def test_who_computes_on_a_card_of_amds(self):
        self.start('mi300x-hive')
        pid = self.host.compute('python3', '0000:26:00.0')
        self.assertEqual([pid], [o.pid for o in self.openers('0000:26:00.0')])
        # The other cards are open too, and nothing is done on them.
        self.assertEqual([], self.openers('0000:46:00.0'))
        self.host.stop(pid)
        self.assertEqual([], self.openers('0000:26:00.0'))

    def test_who_has_a_queue_on_a_partition_of_it(self):
        self.start('mi300x-hive')
        kfd = self.host.root / 'sys/class/kfd/kfd'
        node = kfd / 'topology/nodes/99'
        node.mkdir()
        (node / 'gpu_id').write_text('77\n')
        location = 1 << 28 | 0x26 << 8
        (node / 'properties').write_text(f'location_id {location}\n')
        queue = kfd / 'proc/555/queues/0'
        queue.mkdir(parents=True)
        (queue / 'gpuid').write_text('77\n')
        (opener,) = self.openers('0000:26:00.0')
        self.assertEqual('process 555 (which has ended)', str(opener))

    def test_card_of_another_domain_has_the_same_location(self):
        self.start('mi300x-hive')
        kfd = self.host.root / 'sys/class/kfd/kfd'
        node = kfd / 'topology/nodes/99'
        node.mkdir()
        (node / 'gpu_id').write_text('77\n')
        (node / 'properties').write_text(
            f'location_id {0x26 << 8}\ndomain 1\n'
        )
        memory = kfd / 'proc/555/vram_77'
        memory.parent.mkdir(parents=True)
        memory.write_text('4096\n')
        self.assertEqual([], self.openers('0000:26:00.0'))
        (opener,) = self.openers('0001:26:00.0')
        self.assertEqual(555, opener.pid)

    def test_what_is_no_process_computes_on_nothing(self):
        self.start('mi300x-hive')
        pid = self.host.compute('python3', '0000:26:00.0')
        processes_ = self.host.root / 'sys/class/kfd/kfd/proc'
        shutil.copytree(processes_ / str(pid), processes_ / 'unknown')
        self.assertEqual([pid], [o.pid for o in self.openers('0000:26:00.0')])

    def test_what_we_have_started_is_our_own(self):
        self.start('t4')
        for parent in (4242, os.getpid(), 1):
            self.host.start('nvidia-smi', '/dev/nvidia0', parent=parent)
        self.assertEqual(
            [True, True, False], [o.is_own for o in self.openers(_T4)]
        )

    def test_container_with_processes_of_its_own_sees_nobody(self):
        self.start('t4')
        self.assertEqual([], self.openers(_T4))
        self.host.hide_processes()
        found = self.find(files.OnDisk(self.host.root), _T4)
        self.assertEqual([None], found)

    def test_all_processes_are_looked_at_once_for_all_cards(self):
        self.start('t4')
        cards = [_T4, '0000:5e:00.0', '0000:af:00.0', '0000:d8:00.0']
        pids = [
            self.host.start('dcgm', '/dev/nvidia0', '/dev/nvidia2'),
            self.host.start('Xorg', '/dev/nvidia2'),
        ]
        root = counted_files.CountedFiles(self.host.root)
        found = self.find(root, *cards)
        self.assertEqual(
            [pids[:1], [], pids, []],
            [[pid for pid, *_ in openers] for openers in found],
        )
        looked = {
            path: count
            for path, count in root.lists.items()
            if path == 'proc' or path.endswith('/fd')
        }
        self.assertGreater(len(looked), 2)
        self.assertEqual({1}, set(looked.values()))

    def test_container_sees_of_some_cards_who_has_them(self):
        self.start('t4')
        pid = self.host.start('dcgm', '/dev/nvidia1')
        (self.host.root / 'proc/2/comm').unlink()
        root = files.OnDisk(self.host.root)
        one, other = self.find(root, _T4, '0000:5e:00.0')
        self.assertIsNone(one)
        self.assertEqual([pid], [opener[0] for opener in other])

    def test_container_sees_who_computes(self):
        self.start('mi300x-hive')
        pid = self.host.compute('python3', '0000:26:00.0')
        self.host.hide_processes()
        (opener,) = self.openers('0000:26:00.0')
        self.assertEqual(pid, opener.pid)

    def test_name_that_is_no_text(self):
        self.start('t4')
        pid = self.host.start('x', '/dev/nvidia0')
        comm = self.host.root / 'proc' / str(pid) / 'comm'
        comm.chmod(0o644)
        comm.write_bytes(b'\xff\xfe\n')
        (opener,) = self.openers(_T4)
        self.assertEqual(pid, opener.pid)
