"""The vendors' commands that a host has: none is waited for without end."""

from __future__ import annotations

import dataclasses
import pathlib
import subprocess
import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

SECONDS = 30.0
"""How long a command may take."""
AS_ROOT = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8'}
"""The environment of what root runs: nothing of who asked for it."""
_REAP = 1.0  # seconds that a killed child gets to end
_PAUSE = 60.0  # seconds
_LONGEST_PAUSE = 600.0

Run = Callable[[Sequence[str]], str]


class CommandFailed(Exception):
    """A command is missing, failed, or did not end."""


class CommandMissing(CommandFailed):
    """A host has no such command, or none can be run on it."""


class CommandHangs(CommandFailed):
    """A command did not end, and was killed or not even started."""


class Child(Protocol):
    """A process that runs a command, as `subprocess.Popen` is one."""

    pid: int
    returncode: int | None

    def communicate(self, *, timeout: float | None) -> tuple[str, str]:
        """Wait for its end, and give what it wrote to both outputs.

        :raises subprocess.TimeoutExpired: when it has not ended by then
        """

    def poll(self) -> int | None:
        """Give its exit status, None while it runs."""

    def kill(self) -> None:
        """Kill it, as far as the kernel lets that happen."""


Start = Callable[[Sequence[str]], Child]


def start(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Child:
    """Start a child, whose environment is ours or another.

    What it prints need not be UTF-8: a guest's name may stand there.

    :raises OSError: when there is no such command
    """
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding='utf-8',
        errors='replace',
        env=env,
    )


def start_as_root(argv: Sequence[str]) -> Child:
    """Start a child with root's environment.

    :raises OSError: when there is no such command
    """
    return start(argv, AS_ROOT)


class Pause:
    """How long what hangs is let be: one minute, and up to ten.

    It is doubled each time, until there was an answer.

    :ivar ends: on the clock
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = _PAUSE  # of the next one
        self.ends = 0.0

    @property
    def is_on(self) -> bool:
        """Tell whether it is too early to try again."""
        return self._clock() < self.ends

    def begin(self) -> None:
        """Let be what has hung."""
        self.ends = self._clock() + self._seconds
        self._seconds = min(2 * self._seconds, _LONGEST_PAUSE)

    def forget(self) -> None:
        """Begin with the shortest again, after an answer."""
        self._seconds = _PAUSE


@dataclasses.dataclass(slots=True)
class _Command:
    """One command: who may run it now, and how it hung.

    :ivar pause: without a child, after one hung
    :ivar hung: the child that was killed last, which may still be there
    """

    pause: Pause
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    hung: Child | None = None


class Commands:
    """The commands of a host, each with one child at a time.

    A child may stand in the kernel where no signal ends it (state D of
    proc(5)), as ``nvidia-smi`` does while the driver waits for a card that
    does not answer. So a child that is killed is not waited for; and as each
    one would stand there beside it, and hold the card, none is started until
    it is gone and a pause is over.

    :param start: starts a child
    :param seconds: how long it may take
    """

    def __init__(
        self,
        start: Start = start,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._commands: dict[str, _Command] = {}

    def __call__(self, argv: Sequence[str]) -> str:
        """Run a command and return what it prints.

        :raises CommandFailed: when it is missing, fails, or takes too long
        """
        with self._lock:
            command = self._commands.setdefault(
                argv[0], _Command(Pause(self._clock))
            )
        if not command.lock.acquire(timeout=self._seconds):
            raise CommandHangs(f'{argv[0]}: another one runs and does not end')
        try:
            self._refuse_while_hung(command, argv[0])
            return self._run(command, argv)
        finally:
            command.lock.release()

    def _refuse_while_hung(self, command: _Command, name: str) -> None:
        if command.hung is not None and command.hung.poll() is None:
            raise CommandHangs(
                f'{name}: process {command.hung.pid} was killed and does not '
                'end, so it is not run again: see the kernel log for what it '
                'waits for'
            )
        command.hung = None
        if command.pause.is_on:
            raise CommandHangs(f'{name}: it hung, and is let be for a while')

    def _run(self, command: _Command, argv: Sequence[str]) -> str:
        try:
            child = self._start(argv)
        except FileNotFoundError as error:
            raise CommandMissing(f'{argv[0]}: {error}') from error
        except OSError as error:
            raise CommandFailed(f'{argv[0]}: {error}') from error
        try:
            output, errors = child.communicate(timeout=self._seconds)
        except subprocess.TimeoutExpired as error:
            self._give_up(command, child)
            raise CommandHangs(f'{" ".join(argv)}: {error}') from error
        command.pause.forget()
        if child.returncode:
            said = (errors or output).strip()
            raise CommandFailed(
                f'{" ".join(argv)} ended with {child.returncode}: {said}'
            )
        return output

    def _give_up(self, command: _Command, child: Child) -> None:
        child.kill()
        command.hung = child
        command.pause.begin()
        try:
            child.communicate(timeout=_REAP)
        except subprocess.TimeoutExpired:
            return  # its pipes go with the child


def of(root: pathlib.Path) -> Run:
    """Tell how the commands of a host are run: this one's, or not at all."""
    return Commands() if root == pathlib.Path('/') else none


def none(argv: Sequence[str]) -> str:
    """Stand for a host that can only be looked at, such as a copy."""
    raise CommandMissing(f'{argv[0]}: no command can be run on this host')
