"""Serve all cards: ``python -m lab.host.vfio_user FOLDER``.

Each has a socket FOLDER/NAME.sock. While there is a file FOLDER/NAME.off it is
off the bus, and while there is FOLDER/NAME.stuck it is from its next reset on.
"""

from __future__ import annotations

import pathlib
import sys
import threading

from lab.host.vfio_user import cards
from lab.host.vfio_user import function
from lab.host.vfio_user import server


def main() -> None:
    """Serve until ended."""
    folder = pathlib.Path(sys.argv[1])
    threads = []
    for card in cards.CARDS:
        served = server.Server(
            function.Function(
                card,
                folder / f'{card.name}.off',
                folder / f'{card.name}.stuck',
            ),
            folder / f'{card.name}.sock',
        )
        threads.append(threading.Thread(target=served.serve, name=card.name))
    for thread in threads:
        thread.start()


if __name__ == '__main__':
    main()
