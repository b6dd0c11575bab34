"""What fmpm prints is read, and what it can't be is no answer."""

import json
import unittest

from nova_gpuvirt import model
from nova_gpuvirt.host import commands
from nova_gpuvirt.vendors import fabric_manager

_CARD = model.PciAddress.parse('0000:0f:00.0')
_OTHER = model.PciAddress.parse('0000:10:00.0')


def gpu(**changes):
    return {
        'physicalId': 5,
        'uuid': '',
        'pciBusId': '',
        'numNvLinksAvailable': 18,
        'maxNumNvLinks': 18,
        'nvlinkLineRateMBps': 26562,
    } | changes


def listed(*gpus, active=0):
    partition = {
        'partitionId': 3,
        'isActive': active,
        'numGpus': len(gpus),
        'gpuInfo': list(gpus),
    }
    return json.dumps(
        {
            'version': 16909068,
            'numPartitions': 1,
            'maxNumPartitions': 15,
            'partitionInfo': [partition],
        }
    )


class ParseTest(unittest.TestCase):
    def member(self, **changes):
        ((member,),) = [
            p.members for p in fabric_manager.parse(listed(gpu(**changes)))
        ]
        return member

    def test_gpus_that_fabric_manager_can_not_see(self):
        for address in ('', '00000000:00:00.0'):
            self.assertEqual(
                fabric_manager.Member(5), self.member(pciBusId=address)
            )

    def test_gpus_that_it_can_see(self):
        self.assertEqual(
            fabric_manager.Member(5, 'GPU-1', _CARD),
            self.member(pciBusId='00000000:0F:00.0', uuid='GPU-1'),
        )

    def test_active_is_a_number(self):
        for active in (0, 1):
            (partition,) = fabric_manager.parse(listed(active=active))
            self.assertEqual((3, bool(active)), partition_state(partition))

    def test_nonsense_is_no_answer(self):
        for text in ('', '{}', '[]', '{"partitionInfo": 1}', 'Failed'):
            manager = fabric_manager.FabricManager(lambda _, t=text: t)
            with self.assertRaisesRegex(
                commands.CommandFailed, 'makes no sense'
            ):
                manager.partitions()


def partition_state(partition):
    return partition.number, partition.active


class CommandTest(unittest.TestCase):
    def asked(self, where):
        calls = []
        manager = fabric_manager.FabricManager(
            lambda argv: calls.append(argv) or '', where
        )
        manager.activate(3)
        manager.deactivate(4)
        return calls

    def test_fabric_manager_can_be_elsewhere(self):
        for where, words in (
            ('', ()),
            ('192.0.2.7', ('--hostname', '192.0.2.7')),
            ('/run/fm', ('--unix-domain-socket', '/run/fm')),
        ):
            self.assertEqual(
                [('fmpm', '-a', '3', *words), ('fmpm', '-d', '4', *words)],
                self.asked(where),
            )
