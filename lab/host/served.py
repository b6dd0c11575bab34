"""What can befall a served card while the VM runs."""

from __future__ import annotations

import enum
import pathlib

from lab.host import machine
from lab.host import monitor
from lab.host import places


class State(enum.StrEnum):
    """How a served card is.

    ``off``: off the bus, all that is read is ones. ``stuck``: on it, until it
    is reset: it is off it from then on. ``out``: out of its slot, and the
    kernel knows. A card that is ``on`` after that is another of its model.
    """

    ON = 'on'
    OFF = 'off'
    STUCK = 'stuck'
    OUT = 'out'


_BY_FILE = (State.OFF, State.STUCK)


def put(name: str, state: State) -> None:
    """Let a card be so, whatever it was.

    :raises LabError: when QEMU refuses, or the VM does not run
    """
    with monitor.opened() as opened:
        is_in = any(
            one['name'] == name
            for one in opened.execute('qom-list', path='/machine/peripheral')
        )
        for each in _BY_FILE:
            if each is not state:
                _file(name, each).unlink(missing_ok=True)
        if state is State.OUT:
            if is_in:
                opened.execute('device_del', id=name)
                # The VM's kernel has to let it go.
                opened.wait_for('DEVICE_DELETED', name)
        elif not is_in:
            opened.execute('device_add', **machine.served(name))
    if state in _BY_FILE:
        _file(name, state).touch()


def _file(name: str, state: State) -> pathlib.Path:
    return places.RUN / f'{name}.{state}'
