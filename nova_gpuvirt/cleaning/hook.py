"""The site's own program, which runs before a device is reset.

It is started as nova-compute's user, in a process group of its own, with the
address of the device (of a vGPU that is an mdev: of its card), its kind and
its model, and with the card's address in ``GPUVIRT_CARD``. It may be started
again for the same device, when nova-compute was killed or it has failed.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import tempfile

from nova_gpuvirt import exception
from nova_gpuvirt import model

_LAST = 500  # bytes of what it said
_REAP = 1.0  # seconds that one that was killed gets to end


@dataclasses.dataclass(frozen=True, slots=True)
class Hook:
    """The program, and how long it may take.

    :ivar program: its absolute path
    """

    program: str
    seconds: float

    def run(self, card: model.PciAddress, slot: model.Slot, name: str) -> None:
        """Run it for what a guest had of a card.

        :param name: the card's vendor and model
        :raises CleanFailed: when it can't be started, fails, or does not end
        """
        argv = [self.program, str(slot.device), slot.kind, name]
        with tempfile.TemporaryFile() as said:
            try:
                child = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env={**os.environ, 'GPUVIRT_CARD': str(card)},
                )
            except OSError as error:
                raise self._failed(card, str(error)) from error
            try:
                code = child.wait(self.seconds)
            except subprocess.TimeoutExpired as error:
                _kill(child)
                found = f'that it had not ended after {self.seconds:g} s'
                raise self._failed(card, found) from error
            if code:
                found = f'that it ended with {code}: {_end_of(said.fileno())}'
                raise self._failed(card, found)

    def _failed(
        self, card: model.PciAddress, found: str
    ) -> exception.CleanFailed:
        return exception.CleanFailed(
            str(card),
            wanted=f'{self.program} to clean it',
            found=found,
            remedy='run it by hand, as the user of nova-compute',
        )


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill it with all that it has started, as far as the kernel lets us."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(_REAP)
    except (OSError, subprocess.TimeoutExpired):
        return


def _end_of(said: int) -> str:
    size = os.fstat(said).st_size
    text = os.pread(said, _LAST, max(0, size - _LAST))
    return ' '.join(text.decode(errors='replace').split())
