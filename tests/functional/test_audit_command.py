"""`nova-gpuvirt audit` finds what was planted, on a host and in a cloud."""

import contextlib
import io
import json
import pathlib
import uuid

import fixtures

from nova_gpuvirt import exception
from nova_gpuvirt.cli import audit
from nova_gpuvirt.cli import shell
from nova_gpuvirt.cli import where
from nova_gpuvirt.compute import outside
from tests.functional import audited
from tests.functional import base
from tests.functional import served


class CommandCase(audited.AuditCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(audit, '_PAUSE', 0.0))

    def run_command(self, *arguments):
        """Run the command and return its exit status, output and errors."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = shell.main(['audit', *arguments])
        return status, out.getvalue(), err.getvalue()

    def found(self, status, *arguments):
        """Run the command, and return its rows as pairs of rule and whose."""
        got, out, err = self.run_command('-f', 'json', *arguments)
        self.assertEqual(status, got, err)
        return {(row['Rule'], row['Who']) for row in json.loads(out)}


class HostTest(CommandCase):
    """The command reads what nova-compute reads, without it."""

    def setUp(self):
        super().setUp()
        self.start_gpu_host('host1', 'mixed')
        self.server = self.boot(base.PGPU)
        self.run_periodic()
        self.flags(host='host1')
        self._use_sysfs_of('host1')
        self.configured = self.useFixture(
            fixtures.MockPatchObject(outside, 'configure')
        ).mock
        connection = self.connection('host1')
        self.useFixture(
            fixtures.MockPatchObject(where, 'connect', lambda: connection)
        )
        self.useFixture(fixtures.MockPatch('os.geteuid', return_value=0))
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        file = folder / 'nova.conf'
        file.write_text('[DEFAULT]\nhost = host1\n')
        self.conf = str(file)

    def run_command(self, *arguments):
        return super().run_command('--config-file', self.conf, *arguments)

    def test_host_whose_nova_compute_is_dead(self):
        self.computes['host1'].stop()
        status, out, err = self.run_command()
        self.assertEqual((0, 'All agree.\n'), (status, out), err)
        self.configured.assert_called_once_with([self.conf])
        server = self.server['id']
        self.free(server, audited.MI210)
        copy = self.define_copy(self.server)
        both = ' '.join(sorted([copy, server]))
        planted = {
            ('orphan-guest', copy),
            ('device-in-two-guests', both),
        }
        lost = ('claim-without-allocation', server)
        self.assertEqual({lost, *planted}, self.found(1))
        status, out, err = self.run_command('--fix', '--max-width', '200')
        self.assertEqual(1, status, err)
        self.assertIn('Done: claim-without-allocation', out)
        self.assertIn('allocated 1 of PGPU of 0000:af:00.0', out)
        self.assertIn('virsh undefine', out)
        self.assertEqual(planted, self.found(1))
        self.connection('host1').lookupByUUIDString(copy).undefine()
        self.assertEqual(set(), self.found(0))

    def test_host_that_nova_does_not_know(self):
        self.flags(host='host9')
        status, out, _ = self.run_command()
        self.assertEqual(2, status)
        self.assertIn('has a GPU of the host host9', out)

    def test_what_can_not_be_compared(self):
        self.useFixture(
            fixtures.MockPatch(
                'nova.scheduler.client.report.SchedulerReportClient'
                '.get_allocations_for_resource_provider',
                side_effect=OSError('no route to Placement'),
            )
        )
        status, out, _ = self.run_command()
        self.assertEqual(2, status)
        self.assertEqual(
            'Not compared: Placement: no route to Placement\n', out
        )
        self.configured.side_effect = exception.InvalidOption(
            'nova-conductor', wanted='w', found='silence', remedy='see it'
        )
        status, _, err = self.run_command()
        self.assertEqual(2, status)
        self.assertIn('nova-conductor: wanted w, found silence; see it', err)


class FleetTest(CommandCase):
    """The command compares Placement and Nova through their APIs."""

    def setUp(self):
        super().setUp()
        self.useFixture(served.Served(self))
        for host in ('host1', 'host2'):
            self.start_gpu_host(host, 'mixed')
        self.server = self.boot(base.PGPU, host='host1')

    def test_disagreements_of_a_cloud(self):
        self.flags(reclaim_instance_interval=3600)
        soft = self.boot(audited.T4_8Q, host='host1')
        self.api.delete_server(soft['id'])
        self._wait_for_state_change(soft, 'SOFT_DELETED')
        moved = self._migrate_server(self.boot(audited.T4_8Q, host='host1'))
        status, out, err = self.run_command('--fleet')
        self.assertEqual((0, 'All agree.\n'), (status, out), err)
        self._confirm_resize(moved)
        nobody = str(uuid.uuid4())
        server = self.server['id']
        (move,) = self.api.api_get('/os-migrations').body['migrations']
        self.free(server, audited.MI210)
        self.allocate(nobody, audited.MI210, 'PGPU', amount=1)
        self.allocate(server, audited.MI210, 'PGPU', 'host2')
        self.allocate(move['uuid'], audited.L40S, 'VGPU')
        rest = {
            ('server-without-allocation', server),
            ('allocation-of-server-elsewhere', server),
            ('allocation-of-ended-move', move['uuid']),
        }
        self.assertEqual(
            {('allocation-of-nobody', nobody), *rest}, self.found(1, '--fleet')
        )
        # It may be an operator's block, or of another service.
        status, out, err = self.run_command('--fleet', '--fix')
        self.assertEqual((2, ''), (status, out))
        self.assertIn('run it on the host that a line names', err)
        self.assertNotEqual({}, self.allocated(nobody))

    def test_cloud_that_does_not_answer(self):
        status, _, err = self.run_command('--fleet', '--os-cloud', 'nowhere')
        self.assertEqual(2, status)
        self.assertIn('wanted answers of Keystone, Nova and Placement', err)
