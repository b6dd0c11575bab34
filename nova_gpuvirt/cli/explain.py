"""nova-gpuvirt explain."""

from __future__ import annotations

import argparse
import importlib
import logging
import warnings
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from cliff import columns
from cliff import lister

from nova_gpuvirt import exception
from nova_gpuvirt.cli import asking
from nova_gpuvirt.cli import cells
from nova_gpuvirt.explain import cloud as cloud_
from nova_gpuvirt.explain import hosts as hosts_
from nova_gpuvirt.explain import verdict
from nova_gpuvirt.explain import wanted as wanted_

# It imports Nova.
_FLAVORS = 'nova_gpuvirt.explain.flavors'

_COLUMNS = ('Host', 'Card', 'GPU', 'Fits', 'Why not')


class YesNo(columns.FormattableColumn[bool]):
    """A truth: true for programs, yes for people."""

    def human_readable(self) -> str:
        """Say it."""
        return 'yes' if self._value else 'no'


class Explain(lister.Lister):
    """Tell for each host and card whether a flavor fits, or why not.

    It asks Placement and Nova with an administrator's credentials, which
    OS_CLOUD and clouds.yaml or the OS_* variables give, and changes nothing.
    The last line says where the flavor fits, or the one change that would
    make it fit; for other formats than the table it goes to standard error,
    and each row has a column for the change.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add which flavor, where, and in which cloud."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'flavor', metavar='FLAVOR', help="a flavor's name or ID"
        )
        parser.add_argument(
            '--host',
            action='append',
            default=[],
            metavar='HOST',
            help='show this host alone; may be repeated',
        )
        asking.add_argument(parser)
        return parser

    @asking.asking()
    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]:
        """Ask, judge, and lay the answers out as rows."""
        cloud = cloud_.Cloud(asking.region_of(parsed_args))
        flavor = cloud.flavor(parsed_args.flavor)
        wanted = _wanted_by(flavor)
        if not wanted.of_gpus:
            raise exception.InvalidOption(
                'FLAVOR',
                wanted='a flavor that asks for a GPU',
                found=f'that {flavor["name"]} asks for none',
                remedy='give it a property such as resources:VGPU=1',
            )
        fleet = cloud.fleet()
        hosts = _chosen(fleet, parsed_args.host)
        try:
            candidates = cloud.candidates(wanted, hosts)
        except cloud_.Refused as error:
            self.app.stderr.write(f'Placement refuses this: {error}\n')
            candidates = {}
        answers = verdict.rows(fleet, hosts, wanted, candidates)
        self._last_word = verdict.last_word(flavor['name'], answers)
        if parsed_args.formatter == 'table':
            return _COLUMNS, (_row(each) for each in answers)
        return (*_COLUMNS, 'Change'), (
            (*_row(each), cells.Maybe(each.change and each.change.text))
            for each in answers
        )

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Iterable[Any],
    ) -> int:
        """Write the rows, and the last word below them."""
        result = super().produce_output(parsed_args, column_names, data)
        for_people = parsed_args.formatter == 'table'
        out = self.app.stdout if for_people else self.app.stderr
        out.write(f'{self._last_word}\n')
        return int(result)


def _wanted_by(flavor: Mapping[str, Any]) -> wanted_.Wanted:
    """Ask Nova's code, which other commands do without.

    Its import talks of eventlet, which nothing here uses.

    :raises InvalidOption: when there is no Nova
    """
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            flavors = importlib.import_module(_FLAVORS)
    except ModuleNotFoundError as error:
        raise exception.InvalidOption(
            'explain',
            wanted='Nova in the environment of nova-gpuvirt, to read the '
            'flavor as Nova does',
            found=str(error),
            remedy='run it where nova-compute or nova-scheduler is installed',
        ) from error
    finally:
        logging.disable(before)
    wanted: wanted_.Wanted = flavors.wanted_by(flavor)
    return wanted


def _chosen(
    fleet: hosts_.Fleet, names: Sequence[str]
) -> tuple[hosts_.Host, ...]:
    """Choose the hosts of these names, or all.

    :raises InvalidOption: when there is no such host
    """
    known = {host.name: host for host in fleet.hosts}
    for name in names:
        if name not in known:
            raise exception.InvalidOption(
                '--host',
                wanted='a host with GPUs, by the name of its provider',
                found=repr(name),
                remedy=f'there are {", ".join(known) or "none"}',
            )
    return tuple(known[name] for name in names) or fleet.hosts


def _row(answer: verdict.Row) -> tuple[Any, ...]:
    return (
        answer.host,
        cells.Maybe(answer.card),
        answer.model,
        YesNo(answer.fits),
        cells.Lines(list(answer.reasons)),
    )
