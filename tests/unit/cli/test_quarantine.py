"""Operators put cards into quarantine, see them there, and release them."""

import contextlib
import io
import json
import pathlib

import fixtures
import testtools

from nova_gpuvirt import model
from nova_gpuvirt.cli import quarantine
from nova_gpuvirt.cli import release
from nova_gpuvirt.cli import shell
from nova_gpuvirt.health import record
from nova_gpuvirt.health import records
from nova_gpuvirt.simulation import hosts

_CARD = '0000:3b:00.0'
_INSTANCE = '155d900f-4e14-4e4c-a73d-069cbf4541e6'


class QuarantineCase(testtools.TestCase):
    kind = 't4'

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = hosts.simulated(self.kind, self.root)
        # Where discover looks for it by default too.
        self.state = self.root / 'var/lib/nova-gpuvirt'
        self.state.mkdir(parents=True)
        self.conf = self.root / 'nova.conf'
        self.conf.write_text(
            f'[gpuvirt]\nsysfs_root = {self.root}\nstate_path = {self.state}\n'
        )

    def run_command(self, *arguments):
        """Run the command and return its exit status, output and errors."""
        command = shell.Shell()
        for name, made in (
            ('quarantine', quarantine.Quarantine),
            ('release', release.Release),
        ):
            command.command_manager.add_command(name, made)
        out, err = io.StringIO(), io.StringIO()
        command.stdout, command.stderr = out, err
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = command.run(list(arguments))
        return status, out.getvalue(), err.getvalue()

    def here(self, name, *arguments):
        return self.run_command(
            name, *arguments, '--config-file', str(self.conf)
        )

    def listed(self, *arguments):
        status, out, err = self.here('quarantine', *arguments, '-f', 'json')
        self.assertEqual(0, status, err)
        return json.loads(out), err

    def refused(self, *arguments):
        status, out, err = self.here(*arguments)
        self.assertEqual((1, ''), (status, out))
        return err


class QuarantineTest(QuarantineCase):
    def test_put_listed_and_released(self):
        self.assertEqual(([], ''), self.listed())
        rows, err = self.listed('3b:00.0', '--reason', 'it crashes guests')
        self.assertEqual('', err)
        self.assertEqual(rows, self.listed()[0])
        (row,) = rows
        self.assertRegex(row.pop('Since'), r'^\d{4}-\d\d-\d\dT[\d:]{8}Z$')
        self.assertEqual(
            {
                'Address': _CARD,
                'By': 'operator',
                'Reason': 'it crashes guests',
            },
            row,
        )
        status, out, _ = self.here('release', '3b:00.0')
        self.assertEqual(0, status)
        self.assertIn(f'{_CARD} is in quarantine no more', out)
        self.assertIn('it crashes guests', out)
        self.assertEqual(([], ''), self.listed())
        status, out, _ = self.here('release', _CARD)
        self.assertEqual((0, f'{_CARD} was in no quarantine\n'), (status, out))

    def test_card_that_is_not_there(self):
        self.host.unplug(_CARD)
        rows, err = self.listed(_CARD)
        self.assertEqual([_CARD], [row['Address'] for row in rows])
        self.assertEqual(f'No card is at {_CARD} now.\n', err)
        self.assertEqual(0, self.here('release', _CARD)[0])
        self.assertEqual(([], ''), self.listed())

    def test_what_is_no_gpu_is_refused(self):
        for name in ('00:00.0', 'renderD128'):
            err = self.refused('quarantine', name)
            self.assertIn(_CARD, err)
        self.assertEqual(([], ''), self.listed())

    def test_reason_is_one_line(self):
        for reason in ('', ' ', 'a\nb', 'a\x1b[2J'):
            with contextlib.suppress(SystemExit):
                status, *_ = self.here('quarantine', _CARD, '--reason', reason)
                self.assertNotEqual(0, status)
        self.assertEqual(([], ''), self.listed())

    def test_folder_that_is_missing_is_said_how_to_make(self):
        self.state.rmdir()
        self.assertEqual(([], ''), self.listed())
        self.assertIn(
            f'install -d -o nova -m 0755 {self.state}',
            ' '.join(self.refused('quarantine', _CARD).split()),
        )

    def test_record_that_makes_no_sense_is_listed_and_kept(self):
        self.listed(_CARD)
        file = self.state / f'cards/{_CARD}.json'
        file.write_text('{')
        ((row,), _) = self.listed()
        self.assertEqual(_CARD, row['Address'])
        self.assertIn(str(file), row['Reason'])
        for name in ('quarantine', 'release'):
            self.assertIn(str(file), self.refused(name, _CARD))
        self.assertEqual('{', file.read_text())

    def test_nova_conf_that_is_not_there_is_refused(self):
        self.conf.unlink()
        self.assertIn('nova.conf', self.refused('quarantine'))

    def test_discover_says_it(self):
        self.listed(_CARD, '--reason', 'it crashes guests')
        for words in ((), (_CARD,)):
            status, out, _ = self.run_command(
                'discover', *words, '--root', str(self.root)
            )
            self.assertEqual(0, status)
            said = ' '.join(out.split())
            self.assertIn('it is in quarantine: it crashes guests', said)
        status, out, _ = self.run_command(
            'discover', '--root', str(self.root), '-f', 'json'
        )
        rows = {row['Address']: row for row in json.loads(out)}
        self.assertIsNone(rows[_CARD]['PGPU'])
        self.assertEqual(3, sum(row['PGPU'] or 0 for row in rows.values()))


class VirtualFunctionsTest(QuarantineCase):
    kind = 'l40s'

    def test_what_is_dirty_is_tried_again_or_taken_for_clean(self):
        kept = records.Records(self.state)
        card = model.PciAddress.parse(_CARD)
        one = record.Dirty(
            f'passthrough:{card}', _INSTANCE, '2026-11-30T02:56:03Z'
        )
        kept.change(
            card,
            lambda r: r.with_dirty(one).failed(one, 'no'),
        )
        self.assertEqual(0, self.here('release', '3b:00.0')[0])
        self.assertEqual((one,), kept.read()[card].dirty)
        status, out, _ = self.here('release', '--clean', '3b:00.0')
        self.assertEqual(0, status)
        self.assertIn(f'{one.slot}, which is dirty after {_INSTANCE}', out)
        (found,) = kept.read()[card].dirty
        self.assertTrue(found.is_taken_for_clean)

    def test_vf_stands_for_its_card(self):
        rows, err = self.listed('0000:41:00.4')
        self.assertEqual(
            (['0000:41:00.0'], ''), ([row['Address'] for row in rows], err)
        )
        self.assertEqual(0, self.here('release', '0000:41:00.4')[0])
        self.assertEqual(([], ''), self.listed())
