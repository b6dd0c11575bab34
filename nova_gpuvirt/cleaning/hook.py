"""The site's own program, which runs before a device is reset.

It is started as nova-compute's user, in a process group of its own, with the
address of the device (of a vGPU that is an mdev: of its card), its kind and
its model, and with the card's address in ``GPUVIRT_CARD``. It may be started
again for the same device, when nova-compute was killed or it has failed. What
it leaves running finds its output closed.
"""

from __future__ import annotations

import dataclasses
import os
import selectors
import signal
import subprocess
import threading

from nova_gpuvirt import exception
from nova_gpuvirt import model

_LAST = 500  # bytes of what it said
_CHUNK = 1 << 16  # bytes; as much as a pipe holds
_LOOK = 0.2  # seconds between two looks whether it has ended
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
        try:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, 'GPUVIRT_CARD': str(card)},
            )
        except OSError as error:
            raise self._failed(card, str(error)) from error
        assert child.stdout is not None
        with child.stdout as pipe:
            try:
                words = _LastWords(pipe.fileno())
            except RuntimeError as error:  # no thread can be started
                _kill(child)
                raise self._failed(card, str(error)) from error
            try:
                code = child.wait(self.seconds)
            except subprocess.TimeoutExpired as error:
                found = f'that it had not ended after {self.seconds:g} s'
                raise self._failed(card, found) from error
            finally:
                if child.returncode is None:
                    _kill(child)
                said = words.end()
        if code:
            found = f'that it ended with {code}: {said}'
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


class _LastWords:
    """What a program has said last, read for as long as it runs.

    :param pipe: its output, which what it has started may hold open for long
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._last = b''
        self._has_ended = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def end(self) -> str:
        """Read what is there still, and no more."""
        self._has_ended.set()
        self._reader.join()
        return ' '.join(self._last.decode(errors='replace').split())

    def _read(self) -> None:
        while not self._has_ended.is_set():
            if self._is_ready(_LOOK) and not self._read_some():
                return
        # What the pipe held when the program ended.
        if self._is_ready(0):
            self._read_some()

    def _is_ready(self, seconds: float) -> bool:
        # Not `select.poll`, which eventlet takes away.
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, selectors.EVENT_READ)
            return bool(selector.select(seconds))

    def _read_some(self) -> bool:
        read = os.read(self._pipe, _CHUNK)
        self._last = (self._last + read)[-_LAST:]
        return bool(read)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill it with its process group, as far as the kernel lets us."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(_REAP)
    except (OSError, subprocess.TimeoutExpired):
        return
