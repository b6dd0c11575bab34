"""nova-gpuvirt assert."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from nova_gpuvirt.cli import layouts
from nova_gpuvirt.layout import report


class Assert(layouts.LayoutCommand):
    """Tell whether the GPUs of a host are what the layout says.

    It changes nothing. It ends with 0 where they are, and with 1 where not,
    and then prints the steps that are missing. Without a layout it says so,
    and ends with 0.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Look, and print what is otherwise."""
        with ExitStack() as stack:
            looked = self.look(parsed_args, stack)
        if looked is None:
            return 0
        others = [c for c in looked.cards if not c.is_as_wished]
        self.say(report.plan(others, looked.unused, {}))
        return int(bool(others))
