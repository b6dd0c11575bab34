"""nova-gpuvirt audit."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import time
import warnings
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from cliff import lister

from nova_gpuvirt import exception
from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.cli import asking
from nova_gpuvirt.cli import cells
from nova_gpuvirt.cli import remembered
from nova_gpuvirt.cli import where
from nova_gpuvirt.explain import audited
from nova_gpuvirt.host import bounded

LOG = logging.getLogger(__name__)

_COLUMNS = ('Rule', 'Where', 'Who', 'Says', 'By', 'Remedy')
# It imports Nova.
_OUTSIDE = 'nova_gpuvirt.compute.outside'
_LIBVIRT_SECONDS = 15.0
# Seconds between the two looks of which both have to find something.
_PAUSE = 10.0

AGREED, DISAGREED, NOT_COMPARED = 0, 1, 2


class Audit(lister.Lister):
    """Compare what Nova, Placement, libvirt and the hardware say of a host.

    As root, where nova-compute runs; nova-compute itself need not run. With
    --fleet, Placement and Nova of the whole cloud are compared, from wherever
    an administrator's credentials are. It looks twice where it finds something
    at first, and changes nothing without --fix. The exit status is 0 where
    all agree, 1 where not, and 2 where something could not be compared.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add what to compare, and whether to put it right."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--fix',
            action='store_true',
            help='put right what is safe on this host, and say what was done; '
            'the rest is listed with the command that helps',
        )
        parser.add_argument(
            '--config-file',
            action='append',
            default=[],
            metavar='FILE',
            help='a file of options of nova-compute; may be repeated '
            '(default: those below /etc/nova)',
        )
        parser.add_argument(
            '--fleet',
            action='store_true',
            help='compare Placement and Nova of the cloud, and not this host',
        )
        asking.add_argument(parser, 'with --fleet, ')
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Compare, print, and tell by the exit status."""
        try:
            super().run(parsed_args)
        except Exception as error:  # a script takes 1 for a disagreement
            LOG.debug('Nothing was compared', exc_info=True)
            told = str(error) or type(error).__name__
            print(told, file=self.app.stderr)
            return NOT_COMPARED
        if self._found.not_compared:
            return NOT_COMPARED
        return DISAGREED if self._found.disagreements else AGREED

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]:
        """Compare, and lay out what disagrees as rows."""
        self._done: list[str] = []
        if parsed_args.fleet and parsed_args.fix:
            raise exception.InvalidOption(
                '--fix',
                wanted='a host, of which it is known who has its GPUs',
                found='--fleet',
                remedy='run it on the host that a line names; of the cloud '
                'each line has a command',
            )
        if parsed_args.fleet:
            self._found = self._of_fleet(parsed_args)
        else:
            self._found = self._of_host(parsed_args)
        return _COLUMNS, map(_row, self._found.disagreements)

    def _of_host(
        self, parsed_args: argparse.Namespace
    ) -> disagreement.Comparison:
        files = _files(parsed_args.config_file)
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            with warnings.catch_warnings(action='ignore'):
                outside = _outside()
                outside.configure(files)
            auditing = outside.Outside(_connect()).auditing
            found: disagreement.Comparison = auditing.look_twice(_PAUSE)
            if parsed_args.fix and found.disagreements:
                self._done = [
                    f'{each}: {done}' for each, done in auditing.fix()
                ]
                found = auditing.look()
            return found
        finally:
            logging.disable(before)

    @asking.asking()
    def _of_fleet(
        self, parsed_args: argparse.Namespace
    ) -> disagreement.Comparison:
        cloud = audited.AuditedCloud(asking.region_of(parsed_args))
        found = cloud.audit()
        if found.disagreements:
            time.sleep(_PAUSE)
            found = cloud.audit().also_in(found)
        return found

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Iterable[Any],
    ) -> int:
        """Write the rows, and below them what was done and what was not."""
        rows = list(data)
        for_people = parsed_args.formatter == 'table'
        if rows or not for_people:
            super().produce_output(parsed_args, column_names, rows)
        out = self.app.stdout if for_people else self.app.stderr
        for done in self._done:
            print(f'Done: {done}', file=out)
        for side, why in self._found.not_compared.items():
            print(f'Not compared: {side}: {why}', file=out)
        if for_people and not rows and not self._found.not_compared:
            print('All agree.', file=out)
        return 0


def _row(each: disagreement.Disagreement) -> tuple[Any, ...]:
    return (
        each.rule,
        each.where,
        each.who,
        cells.Cell(
            dict(each.says),
            '\n'.join(f'{side}: {what}' for side, what in each.says),
        ),
        each.by.value,
        each.remedy,
    )


def _files(named: Sequence[str]) -> list[str]:
    """List the files of options of this host's nova-compute, in order.

    :raises InvalidOption: when there is none, or one can't be read
    """
    found = [f'/{path}' for path in remembered.options_of(named).read]
    if not found:
        raise exception.InvalidOption(
            '/etc/nova',
            wanted='the nova.conf of nova-compute',
            found='none',
            remedy='run this where nova-compute runs, name its files with '
            '--config-file, or compare the cloud with --fleet',
        )
    return found


def _outside() -> Any:
    """Import what imports Nova, which other commands do without.

    :raises InvalidOption: when there is no Nova, or it can't be asked
    """
    if os.geteuid() != 0:
        raise exception.InvalidOption(
            'audit',
            wanted='to read nova.conf, libvirt and the hardware of this host',
            found='that this is not root',
            remedy='run it as root where nova-compute runs, or with --fleet '
            'anywhere',
        )
    try:
        return importlib.import_module(_OUTSIDE)
    except ModuleNotFoundError as error:
        raise exception.InvalidOption(
            'audit',
            wanted='Nova in the environment of nova-gpuvirt, to read its '
            'claims',
            found=str(error),
            remedy='run it where nova-compute is installed',
        ) from error


def _connect() -> Any:
    """Connect to this host's libvirt.

    :raises InvalidOption: when that can't be
    """
    try:
        return bounded.in_time(where.connect, _LIBVIRT_SECONDS)
    except Exception as error:
        raise exception.InvalidOption(
            'libvirt',
            wanted='to see the guests of this host',
            found=str(error) or type(error).__name__,
            remedy="see that libvirtd runs, and that Python's libvirt is "
            'installed beside nova-gpuvirt',
        ) from error
