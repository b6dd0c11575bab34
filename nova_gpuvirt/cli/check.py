"""nova-gpuvirt check."""

from __future__ import annotations

import argparse
import functools
import json
from contextlib import ExitStack

from cliff import command

from nova_gpuvirt.checks import lines
from nova_gpuvirt.checks import nova_conf
from nova_gpuvirt.checks import report
from nova_gpuvirt.checks import subject
from nova_gpuvirt.cli import where
from nova_gpuvirt.host import machine
from nova_gpuvirt.simulation import one_fault


class Check(command.Command):
    """Check that a host is fit for its GPUs: PASS, WARN or FAIL, line by line.

    It reads and changes nothing. The line below a WARN or a FAIL says what to
    do. A WARN means that guests get less than they could, or that something
    could not be seen. The exit status is 1 where a line fails, else 0.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add where to look, and how to tell."""
        parser = super().get_parser(prog_name)
        where.add_arguments(parser).add_argument(
            '--fault',
            choices=sorted(one_fault.FAULTS),
            metavar='LINE',
            help='a simulated host with the one fault that this line shows: '
            + ', '.join(sorted(one_fault.FAULTS)),
        )
        parser.add_argument(
            '--config-file',
            action='append',
            default=[],
            metavar='FILE',
            help='a nova.conf of this machine, also with --root; may be '
            'repeated (default: those of the host below /etc/nova)',
        )
        parser.add_argument(
            '-f',
            '--format',
            choices=('text', 'json'),
            default='text',
            help='how to tell (default: text)',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Ask each line, and tell."""
        with ExitStack() as stack:
            host = _find(parsed_args, stack)
            conf = nova_conf.of(host.sysfs.root, parsed_args.config_file)
            told = lines.ask_all(subject.of(host, conf))
        if parsed_args.format == 'json':
            text = json.dumps(report.items(told), indent=2)
        else:
            text = report.text(told)
        print(text, file=self.app.stdout)
        return report.status(told)


def _find(args: argparse.Namespace, stack: ExitStack) -> machine.Machine:
    if args.fault:
        start = functools.partial(one_fault.simulated, args.fault)
        return where.simulated(start, stack)
    return where.find(args, stack)
