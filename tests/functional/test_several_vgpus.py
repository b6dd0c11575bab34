"""A guest has several of NVIDIA's vGPUs where their types allow it."""

import dataclasses
import errno

import fixtures

from nova_gpuvirt.simulation import hosts
from nova_gpuvirt.simulation.hosts import pci_ids
from nova_gpuvirt.simulation.hosts import rtx_pro_6000
from nova_gpuvirt.simulation.hosts import t4
from tests.functional import base

_Q = 'CUSTOM_VGPU_NVIDIA_DC_24Q'
_B = 'CUSTOM_VGPU_NVIDIA_DC_2B'


def _two_cards():
    """Two RTX PRO 6000 whose sizes mix, and a T4 without a vGPU driver."""
    one = rtx_pro_6000.host()
    (port, card) = one.functions
    above = dataclasses.replace(port, address='0000:a0:01.0')
    other = dataclasses.replace(
        card, address='0000:a1:00.0', behind=above.address
    )
    whole = dataclasses.replace(
        t4.card('0000:c1:00.0', '0000:c0:01.0', 0),
        mdev=None,
        pf_driver=None,
        driver='vfio-pci',
    )
    root = dataclasses.replace(port, address='0000:c0:01.0')
    functions = (port, card, above, other, root, whole)
    return dataclasses.replace(
        one, functions=functions, pci_ids=pci_ids.text(functions)
    )


class SeveralVgpusTest(base.GpuTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova_gpuvirt.simulation.hosts.HOSTS',
                {**hosts.HOSTS, 'two-cards': _two_cards},
            )
        )
        self.host = self.start_gpu_host('host1', 'two-cards')
        self.before = self.host.snapshot()

    def cards(self, server):
        """How many vGPUs a server has of each card."""
        return sorted(
            [c.identifier.partition(':')[2][:7] for c in self.claims(server)]
        )

    def groups(self, *classes, policy):
        return {
            **{f'resources{i}:{rc}': '1' for i, rc in enumerate(classes, 1)},
            'group_policy': policy,
        }

    def test_two_of_one_card(self):
        server = self.boot({f'resources:{_Q}': '2'})
        one, other = self.cards(server)
        self.assertEqual(one, other)
        self.assertEqual(2, len(self.hostdevs('host1', server)))
        self.assert_agreed()
        self._reboot_server(server, hard=True)
        self._delete_server(server)
        self.assert_agreed()
        self.assertEqual(self.before, self.host.snapshot())

    def test_two_groups(self):
        server = self.boot(self.groups(_Q, _Q, policy='isolate'))
        self.assertEqual(['0000:41', '0000:a1'], self.cards(server))
        self.assert_agreed()
        server = self.boot(self.groups(_Q, _Q, policy='none'))
        self.assertEqual(2, len(self.cards(server)))
        self.assert_agreed()

    def test_two_of_one_card_can_go_where_the_limit_is_not_known(self):
        server = self.boot({f'resources:{_Q}': '2'})
        self.host.fail('nvidia-smi', errno.EIO, times=999)
        self.restart_compute_service('host1')
        self.run_periodic()
        self.flags(allow_resize_to_same_host=True)
        server = self._resize_server(server, self.flavor({}))
        self._confirm_resize(server)
        self._delete_server(server)
        self.run_periodic()
        self.assert_agreed()
        self.assertEqual(self.before, self.host.snapshot())

    def test_one_is_all_of_a_type_that_says_so(self):
        self.assertIn(
            'No valid host', self.boot_refused({f'resources:{_B}': '2'})
        )
        self.boot_refused(self.groups(_B, _B, policy='isolate'))
        self.assertIn('a guest that has 1 of them at most, 2', self.log())

    def test_mixes_are_refused_with_their_reason(self):
        for classes, word in (
            ((_Q, _B), 'NVIDIA wants one board and series'),
            ((_Q, 'PGPU'), 'a guest that has 0000:c1:00.0 whole'),
        ):
            spec = self.groups(*classes, policy='isolate')
            self.assertIn('No valid host', self.boot_refused(spec))
            self.assertIn(word, self.log())
        self.assert_agreed()
        self.assertEqual(self.before, self.host.snapshot())
