"""A vGPU whose driver lets go late is nobody's until then, and free at once.

NVIDIA's manager keeps it for some seconds after its guest has ended.
"""

import ddt
import fixtures

from nova_gpuvirt import gpus
from tests.functional import base

_48Q = {'resources:CUSTOM_VGPU_NVIDIA_DC_48Q': '1'}
_24Q = {'resources:CUSTOM_VGPU_NVIDIA_DC_24Q': '1'}
_SECONDS = 20


@ddt.ddt
class LateReleaseTest(base.GpuTestCase):
    def start(self, kind):
        host = self.start_gpu_host('host1', kind)
        self.before = host.snapshot()
        host.linger(_SECONDS)
        return host

    def made(self):
        """The vGPUs that exist on the host."""
        return [v for gpu in self.survey('host1').gpus for v in gpu.vgpus]

    def left(self, rc='VGPU'):
        return sum(self.totals('host1', rc).values())

    @ddt.data('domain-1', 't4', 'a40')
    def test_slot_is_free_as_soon_as_the_driver_lets_go(self, kind):
        host = self.start(kind)
        free = self.left()
        server = self.boot(base.VGPU)
        self._delete_server(server)
        self.assertEqual(1, len(self.made()))
        self.assertEqual(free - 1, self.left())
        self.run_periodic()
        self.assertEqual(1, len(self.made()))
        self.assertEqual(free - 1, self.left())
        host.advance(_SECONDS)
        self.wait_until(lambda: self.left() == free)
        self.assertEqual(self.before, host.snapshot())
        self.assertNotIn('Could not release', self.log())
        self.assert_agreed()

    def test_nothing_is_asked_anew_that_takes_long(self):
        # Monitoring that two updates in a row see keeps a card from guests.
        host = self.start('domain-1')
        free = self.left()
        server = self.boot(base.VGPU)
        self._delete_server(server)
        asked = []
        survey = gpus.Gpus.survey

        def noted(found, *, refresh=False):
            asked.append(refresh)
            return survey(found, refresh=refresh)

        with fixtures.MockPatchObject(gpus.Gpus, 'survey', noted):
            host.advance(_SECONDS)
            self.wait_until(lambda: self.left() == free)
            self.assertIn(False, asked)
            self.assertNotIn(True, asked)
            self.run_periodic()
            self.assertIn(True, asked)

    def test_nobody_gets_it_meanwhile(self):
        host = self.start('domain-1')
        first, other = self.boot_many(_48Q, 2)
        slot = self.slot(first)
        self._delete_server(first)
        self.assertEqual(0, self.left())
        for spec in (_48Q, _24Q, base.VGPU):
            self.assertIn('No valid host', self.boot_refused(spec))
        self._delete_server(other)
        self.assertEqual(2, len(self.made()))
        self.assertIn('No valid host', self.boot_refused(_24Q))
        host.advance(_SECONDS)
        self.wait_until(lambda: self.left(*_classes(_24Q)) == 4)
        host.linger(0)
        again = self.boot(_48Q)
        self.assertEqual(slot, self.slot(again))
        self.assert_agreed()

    def test_driver_that_takes_it_away_itself(self):
        for number, kind in enumerate(('domain-1', 't4')):
            host = self.start_gpu_host(f'host{number}', kind)
            before = host.snapshot()
            host.linger(_SECONDS, removes=True)
            server = self.boot(base.VGPU, az=f'nova:host{number}')
            self._delete_server(server)
            host.advance(_SECONDS)
            self.assertEqual(before, host.snapshot())
            self.run_periodic()
            self.assert_agreed()

    def test_guest_that_starts_again_has_what_it_had(self):
        host = self.start('domain-1')
        server = self.boot(_48Q)
        slot = self.slot(server)
        self._reboot_server(server, hard=True)
        host.advance(_SECONDS)
        self.run_periodic()
        self.assertEqual(1, len(self.made()))
        self.assertEqual(slot, self.slot(server))
        self.assert_agreed()

    def test_restart_leaves_it_to_the_first_updates(self):
        host = self.start('domain-1')
        self._delete_server(self.boot(_48Q))
        self.restart_compute_service('host1')
        self.assertEqual(1, len(self.made()))
        host.advance(_SECONDS)
        self.run_periodic()
        self.assertEqual(self.before, host.snapshot())
        self.run_periodic()
        self.assert_agreed()


class EndTest(base.GpuTestCase):
    def test_guest_that_has_just_started_is_not_killed(self):
        host = self.start_gpu_host('host1', 'domain-1')
        server = self.boot(base.VGPU)
        self._reboot_server(server, hard=True)
        self._stop_server(server)
        self._start_server(server)
        self._delete_server(server)
        self.assertEqual(frozenset(), host.wedged())
        self.assertIn('does not end yet', self.log())

    def test_guest_without_a_vgpu_is_ended_as_ever(self):
        self.start_gpu_host('host1', 'domain-1')
        server = self._create_server(networks='none')
        self._delete_server(server)
        self.assertNotIn('does not end yet', self.log())


def _classes(spec):
    return [key.removeprefix('resources:') for key in spec]
