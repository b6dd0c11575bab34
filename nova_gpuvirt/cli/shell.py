"""nova-gpuvirt, the command."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cliff import app
from cliff import commandmanager

from nova_gpuvirt import version


class Shell(app.App):
    """Look at the GPUs of this host as nova-gpuvirt sees them."""

    def __init__(self) -> None:
        super().__init__(
            description=self.__doc__,
            version=version.version(),
            command_manager=commandmanager.CommandManager('nova_gpuvirt.cli'),
            deferred_help=True,
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    return int(Shell().run(list(sys.argv[1:] if argv is None else argv)))
