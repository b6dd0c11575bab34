"""nova-compute makes cards what their layout says, and takes none away."""

import errno
import uuid

import fixtures

from nova_gpuvirt import exception
from nova_gpuvirt.layout import executor
from nova_gpuvirt.layout import reading
from tests.functional import base

_B60 = '0000:17:00.0'
_TWO = """
    version: 1
    cards:
      - select: {model: '*B60*'}
        vfs: 2
        vf_memory: 2000 MiB
"""
_FOUR = _TWO.replace('vfs: 2', 'vfs: 4').replace('2000', '4096')
_OF_2000 = 'CUSTOM_VGPU_INTEL_ARC_PRO_B60_2000M'
_OF_4096 = 'CUSTOM_VGPU_INTEL_ARC_PRO_B60_4096M'
_NONE = 'version: 1\ncards: []'
_ALL_VFS = 'version: 1\ncards: [{vfs: all}]'
_WHOLE = 'version: 1\ncards: [{whole: true}]'
_MIG = """
    version: 1
    cards: [{vfs: all, mig: [3g.40gb, 2g.20gb, 1g.10gb, 1g.10gb]}]
"""
_8Q = 'CUSTOM_VGPU_NVIDIA_L40S_8Q'
_PART = {f'resources:{_OF_4096}': '1'}


class LayoutTest(base.GpuTestCase):
    def start(self, layout=None, kind='b60'):
        self.host = self.start_gpu_host('host1', kind, layout=layout)

    def left(self, rc):
        return self.totals('host1', rc)

    def test_cards_are_made_before_they_are_reported(self):
        self.start(_TWO)
        self.assertEqual({_B60: 2}, self.left(_OF_2000))
        self.assertEqual({}, self.left(_OF_4096))
        server = self.boot({f'resources:{_OF_2000}': '1'})
        self.assert_agreed()
        self.restart_compute_service('host1')
        self.run_periodic()
        self.assertEqual({_B60: 1}, self.left(_OF_2000))
        self._delete_server(server)

    def test_short_address_of_a_card_that_is_left_alone(self):
        self.start(
            """
            version: 1
            cards:
              - select: {address: '17:00.0'}
                left_alone: true
              - vfs: 2
            """
        )
        self.assertEqual({}, self.left(_OF_4096))

    def test_without_a_layout_all_stays(self):
        self.start()
        before = self.host.snapshot()
        self.run_periodic()
        self.assertEqual({_B60: 4}, self.left(_OF_4096))
        self.assertEqual(before, self.host.snapshot())

    def test_card_that_a_server_has_waits_for_its_end(self):
        self.start()
        server = self.boot(_PART)
        self._stop_server(server)
        before = self.host.snapshot()
        self.write_layout('host1', _TWO)
        self.run_periodic()
        self.assertEqual(before, self.host.snapshot())
        self.assertIn('it stays as it is for now', self.log())
        # Nor does a changed file drain it.
        self.assertEqual({_B60: 3}, self.left(_OF_4096))
        self.restart_compute_service('host1')
        self.assertEqual(before, self.host.snapshot())
        self._start_server(server)
        self.assert_agreed()
        self._delete_server(server)
        self.run_periodic()
        self.assertEqual({_B60: 2}, self.left(_OF_2000))
        self.assert_agreed()

    def test_rebuilt_server_keeps_its_card_as_it_is(self):
        self.start()
        server = self.boot(_PART)
        slot = self.slot(server)
        self.write_layout('host1', _TWO)
        self.run_periodic()
        server = self._rebuild_server(server, base.IMAGE)
        self.assertEqual(slot, self.slot(server))
        self.run_periodic()
        self.assertEqual({_B60: 3}, self.left(_OF_4096))
        self.assert_agreed()

    def test_shelved_server_has_nothing_that_is_kept_for_it(self):
        self.start()
        server = self._shelve_server(self.boot(_PART))
        self.write_layout('host1', _TWO)
        self.run_periodic()
        self.wait_until_clean()
        self.run_periodic()
        self.assertEqual({_B60: 2}, self.left(_OF_2000))
        self.api.post_server_action(server['id'], {'unshelve': None})
        server = self._wait_for_server_parameter(
            server,
            {'status': 'SHELVED_OFFLOADED', 'OS-EXT-STS:task_state': None},
        )
        self.write_layout('host1', _FOUR)
        self.run_periodic()
        self._unshelve_server(server)
        self.assert_agreed()

    def test_guest_of_an_evacuated_server_keeps_its_card_until_it_ends(self):
        self.start()
        server = self.boot(_PART)
        self.start_gpu_host('host2', 'b60')
        self.computes['host1'].stop()
        service = next(
            s for s in self.api.get_services() if s['host'] == 'host1'
        )
        self.api.put_service_force_down(service['id'], True)
        server = self._evacuate_server(
            server, expected_host='host2', expected_state='SHUTOFF'
        )
        self.write_layout('host1', _TWO)
        self.restart_compute_service('host1')
        self.api.put_service_force_down(service['id'], False)
        self.assertIn('is not clean yet after its last server', self.log())
        self.run_periodic()
        self.wait_until_clean()
        self.run_periodic()
        self.assertEqual({_B60: 2}, self.left(_OF_2000))
        self._start_server(server)
        self.assert_agreed()

    def test_card_of_a_domain_that_is_not_novas(self):
        self.start()
        server = self.boot(_PART)
        self._stop_server(server)
        connection = self.computes['host1'].driver._host.get_connection()
        (domain,) = connection.listAllDomains(0)
        xml = domain.XMLDesc(0)
        self._delete_server(server)
        foreign = xml.replace(server['id'], str(uuid.uuid4()))
        domain = connection.defineXML(foreign)
        before = self.host.snapshot()
        self.write_layout('host1', _TWO)
        self.run_periodic()
        self.assertEqual(before, self.host.snapshot())
        self.assertIn(f'the domain {domain.UUIDString()} of', self.log())
        # No server of ours would lose anything.
        self.assertEqual({_B60: 0}, self.left(_OF_4096))
        domain.undefine()
        self.run_periodic()
        self.assertEqual({_B60: 2}, self.left(_OF_2000))

    def test_card_whose_step_fails_is_not_offered(self):
        self.start()
        self.host.fail('*sriov_numvfs', errno.EIO)
        self.write_layout('host1', _TWO)
        self.run_periodic()
        self.assertEqual({_B60: 0}, self.left(_OF_4096))
        self.assertIn('wanted to remove its VFs, found', self.log())
        self.boot_refused(_PART)
        self.run_periodic()
        self.assertEqual({_B60: 2}, self.left(_OF_2000))
        self.assert_agreed()

    def test_who_claims_it_meanwhile_is_refused_here(self):
        self.start()
        self.write_layout('host1', _TWO)

        with self.once_before(base.CLAIM_ON_HOST, self.run_periodic):
            self.boot_refused(_PART)
        self.assertEqual({_B60: 2}, self.left(_OF_2000))
        self.assert_agreed()

    def test_card_that_changes_is_not_offered_beside_another_claim(self):
        """Each claim is a report, of the cards whose claims changed."""
        self.start(kind='mixed')
        other, vgpu = (
            self.flavor({f'resources:CUSTOM_VGPU_NVIDIA_{name}': '1'})
            for name in ('T4_8Q', 'L40S_24Q')
        )
        states = []
        take = executor.Executor._take

        def claims(doer, address, step):
            for flavor in () if states else (other, vgpu):
                body = self._build_server(flavor_id=flavor, networks='none')
                server = self.api.post_server({'server': body})
                self.wait_until(lambda s=server: self.is_built(s))
                states.append(self.api.get_server(server['id'])['status'])
            return take(doer, address, step)

        self.write_layout(
            'host1',
            """
            version: 1
            cards:
              - select: {model: '*L40S*'}
                whole: true
            """,
        )
        with fixtures.MockPatchObject(executor.Executor, '_take', claims):
            self.computes['host1'].driver._prepare()
        self.assertEqual(['ACTIVE', 'ERROR'], states)
        self.run_periodic()
        self.assert_agreed()

    def is_built(self, server):
        found = self.api.get_server(server['id'])
        return found['status'] in ('ACTIVE', 'ERROR')

    def test_process_of_the_host_keeps_a_card_from_being_offered(self):
        self.host = self.start_gpu_host(
            'host1', 'l40s', bare=True, layout='version: 1\ncards: []'
        )
        pid = self.host.start('nvidia-persiste', '/dev/nvidia0')
        self.write_layout('host1', 'version: 1\ncards: [{vfs: all}]')
        self.run_periodic()
        self.assertIn('(nvidia-persiste) of the host has it open', self.log())
        ready = {*self.offered('host1', 'VGPU')}
        self.assertEqual({'0000:a1:00.0'}, ready)
        self.assertEqual({}, self.offered('host1', 'PGPU'))
        self.host.stop(pid)
        self.run_periodic()
        ready = {*self.offered('host1', 'VGPU')}
        self.assertEqual({'0000:41:00.0', '0000:a1:00.0'}, ready)

    def test_command_that_does_not_answer_keeps_a_card_from_it_too(self):
        host = self.start_gpu_host('host1', 'h100-mig', bare=True)
        host.fail('nvidia-smi', errno.EIO, times=99)
        self.write_layout(
            'host1', 'version: 1\ncards: [{vfs: all, mig: [7g.80gb]}]'
        )
        self.run_periodic()
        self.assertEqual({}, self.offered('host1', 'PGPU'))
        self.assertIn('mig: what it is now is not known', self.log())

    def test_file_that_says_what_can_not_be(self):
        self.start('version: 2')
        self.assertEqual({}, self.left(_OF_4096))
        self.assertIn('layout.yaml, line 1: wanted', self.log())
        self.write_layout('host1', _TWO)
        self.run_periodic()
        self.assertEqual({_B60: 2}, self.left(_OF_2000))
        # Later on it changes nothing.
        self.write_layout('host1', 'version: 2')
        self.run_periodic()
        self.assertEqual({_B60: 2}, self.left(_OF_2000))
        self.assertIn('The layout stays as it was', self.log())

    def test_what_is_offered_differs_by_card(self):
        self.start(
            """
            version: 1
            cards:
              - select: {address: '0000:3b:00.0'}
                whole: true
              - select: {address: '0000:5e:00.0'}
                offer: [mdev]
                profiles: ['*-8q', '*-4q']
                default_profile: '*-4q'
              - select: {address: '0000:af:00.0'}
                left_alone: true
            """,
            't4',
        )
        self.assertEqual(
            {'0000:3b:00.0': 1, '0000:d8:00.0': 1},
            self.offered('host1', 'PGPU'),
        )
        vgpus = self.left('VGPU')
        self.assertEqual(4, vgpus['0000:5e:00.0'])
        for card in ('0000:3b:00.0', '0000:af:00.0'):
            self.assertEqual(0, vgpus.get(card, 0))
        self.assertLess(0, vgpus['0000:d8:00.0'])
        self.assertEqual(
            {'0000:5e:00.0', '0000:d8:00.0'},
            {*self.offered('host1', 'CUSTOM_VGPU_NVIDIA_T4_8Q')},
        )
        self.assertEqual(
            {'0000:d8:00.0'},
            {*self.offered('host1', 'CUSTOM_VGPU_NVIDIA_T4_2Q')},
        )

    def test_sessions_of_one_card(self):
        self.start(
            """
            version: 1
            cards:
              - select: {vendor: Intel}
                api_sessions: 3
            """
        )
        self.assertEqual({_B60: 3}, self.left('CUSTOM_GPU_API_SESSION'))

    def test_quota_that_can_not_be_read_once(self):
        self.start_bare('b60', _NONE)
        self.write_layout('host1', _TWO)

        def unread(machine, function, state):
            raise exception.SysfsError('it', wanted='a', found='b', remedy='c')

        with fixtures.MockPatchObject(reading, '_of_intel', unread):
            self.run_periodic()
        self.assertEqual({}, self.offered('host1', _OF_4096))
        self.run_periodic()
        self.assertEqual({_B60: 2}, self.left(_OF_2000))

    def test_line_that_says_whole_drains_no_busy_card(self):
        self.start_bare('l40s', _ALL_VFS)
        server = self.boot({f'resources:{_8Q}': '1'})
        (card,) = {n.rpartition('_')[2] for n in self.gpu_allocations(server)}
        self.write_layout('host1', _WHOLE)
        self.run_periodic()
        self.assertEqual(5, self.totals('host1', _8Q)[card])
        self.restart_compute_service('host1')
        self.run_periodic()
        self.assertEqual(5, self.totals('host1', _8Q)[card])
        self._delete_server(server)
        self.run_periodic()
        self.assertIn(card, self.offered('host1', 'PGPU'))

    def test_sessions_of_a_card_whose_vfs_are_to_be_made(self):
        self.start_bare('b60', _NONE)
        self.boot(base.SESSION)
        self.host.start('qemu-system-x86', '/dev/dri/renderD128')
        self.write_layout('host1', 'version: 1\ncards: [{vfs: 2}]')
        self.run_periodic()
        left = self.offered('host1', 'CUSTOM_GPU_API_SESSION')
        self.assertEqual({_B60: 7}, left)

    def test_mig_that_ends_while_nova_compute_runs(self):
        """As with a reload of the driver, after which VFs are made."""
        self.start_bare('h100-mig', _MIG)
        card, sriov = '0000:41:00.0', '/usr/lib/nvidia/sriov-manage'
        for argv in (
            (sriov, '-d', card),
            ('nvidia-smi', '-i', card, '-mig', '0'),
            (sriov, '-e', card),
        ):
            self.host.run(argv, as_root=True)
        self.run_periodic()
        sliced = 'CUSTOM_VGPU_NVIDIA_H100_10C'
        self.assertEqual({}, self.offered('host1', sliced))
        self.run_periodic()
        self.assertIn(
            card, self.offered('host1', 'CUSTOM_VGPU_NVIDIA_H100_3_40C')
        )

    def start_bare(self, kind, layout):
        self.host = self.start_gpu_host(
            'host1', kind, bare=True, layout=layout
        )
