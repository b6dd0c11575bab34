"""The supervisor of the cloud's processes: supervisord, and talk with it."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import xmlrpc.client
from collections.abc import Callable
from typing import Any

from supervisor import xmlrpc as supervisor_xmlrpc

from lab import commands
from lab import exception
from lab import waits
from lab.cloud import files
from lab.cloud import values


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """How a process is doing: RUNNING, STOPPED, EXITED and so on."""

    name: str
    state: str
    pid: int
    log: pathlib.Path

    @property
    def runs(self) -> bool:
        """Tell if the process is there."""
        return self.state in ('STARTING', 'RUNNING')


class Supervisor:
    """Starts and stops the processes of one cloud."""

    def __init__(self, cloud: values.Cloud) -> None:
        self._cloud = cloud

    @property
    def _rpc(self) -> Any:
        """A new connection: one that failed once is of no use any more."""
        return xmlrpc.client.ServerProxy(
            f'http://{values.ADDRESS}',
            transport=supervisor_xmlrpc.SupervisorTransport(
                serverurl=f'unix://{self._cloud.supervisor_socket}'
            ),
        ).supervisor

    def is_there(self) -> bool:
        """Tell if the supervisor runs."""
        try:
            self._rpc.getState()
        except (OSError, xmlrpc.client.Fault):
            return False
        return True

    def begin(self) -> None:
        """Start the supervisor, with no process yet."""
        commands.run(
            'supervisord',
            f'--configuration={files.supervisor(self._cloud)}',
            log=self._cloud.log / 'supervisord.log',
            environment={'PYTHONPATH': str(values.CLONE)},
        )

    def end(self) -> None:
        """Stop all processes, the last started first, and the supervisor.

        :raises NotReady: when it does not end
        """
        pid = self._rpc.getPID()
        self._rpc.shutdown()
        waits.until(
            lambda: not _lives(pid), 180, f'supervisord (process {pid}) to end'
        )

    def states(self) -> list[State]:
        """List the processes."""
        return [self._state(info) for info in self._rpc.getAllProcessInfo()]

    def state(self, name: str) -> State:
        """Ask how one process is doing."""
        return self._state(self._rpc.getProcessInfo(name))

    def start(self, *names: str) -> None:
        """Start those processes that do not run; don't wait for them."""
        for name in names:
            if not self.state(name).runs:
                self._rpc.startProcess(name, False)

    def stop(self, *names: str) -> None:
        """Stop processes, all at once, and wait until they have ended.

        :raises NotReady: when one does not end
        """
        for name in names:
            if self.state(name).runs:
                self._rpc.stopProcess(name, False)
        waits.until(
            lambda: (
                not any(
                    state.name in names and state.state == 'STOPPING'
                    for state in self.states()
                )
            ),
            120,
            f'the end of {", ".join(names)}',
        )

    def kill(self, name: str) -> None:
        """Kill a process, as a crash would, and wait until it has ended."""
        self._rpc.signalProcess(name, 'KILL')
        waits.until(
            lambda: not self.state(name).runs, 30, f'{name} to be killed'
        )

    def wait(self, name: str, ready: Callable[[], bool]) -> None:
        """Wait until a process is ready.

        :raises ProgramEnded: when it ends instead
        :raises NotReady: when it takes too long
        """

        def check() -> bool:
            state = self.state(name)
            if not state.runs:
                raise exception.ProgramEnded(
                    f'{name}: wanted a running process, found'
                    f' {state.state}. The end of {state.log}:\n'
                    + commands.tail(state.log)
                )
            return ready()

        waits.until(check, 240, f'{name} to be ready; see {self._cloud.log}')

    def _state(self, info: dict[str, Any]) -> State:
        return State(
            name=info['name'],
            state=info['statename'],
            pid=info['pid'],
            log=pathlib.Path(info['stdout_logfile']),
        )


def _lives(pid: int) -> bool:
    """Tell if a process lives; one that nobody has waited for does not."""
    with contextlib.suppress(OSError):
        status = pathlib.Path(f'/proc/{pid}/stat').read_text()
        return status.rpartition(')')[2].split()[0] not in 'ZX'
    return False
