"""nova-gpuvirt export."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from nova_gpuvirt.cli import layouts
from nova_gpuvirt.layout import export


class Export(layouts.CardsCommand):
    """Write the layout that describes the GPUs of a host as they are.

    What could not be read is named in comments, and it ends with 1 then.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Look, and print the file."""
        with ExitStack() as stack:
            cards = self.look_without(parsed_args, stack).cards
        self.say(export.export(cards).rstrip('\n'))
        return int(not export.is_complete(cards))
