"""What the processes of a host hold, and which run, by its /proc.

Not every /proc shows all of them: not that of a container with a PID namespace
of its own (pid_namespaces(7)), and not one that is mounted with ``hidepid``
(proc(5)), to who is not root. What can be told from it by any user is whether
it shows kthreadd: the kernel starts it as process 2 of the host (rest_init in
init/main.c), so no other namespace has it, and ``hidepid`` hides it.
"""

from __future__ import annotations

import errno
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence

from nova_gpuvirt.host import files as files_

# TASK_COMM_LEN of the kernel, without the last zero. It cuts bytes: half a
# character may be left.
_COMM_LENGTH = 15
_KTHREADD = '2'

NOVA_COMPUTE = ('nova-compute', 'nova-compute-gpuvirt')
"""The names that nova-compute may have."""

WHAT_TO_SET = (
    'let nova-compute see the processes of the host: "pid_mode: host" for its '
    'container, no hidepid for its /proc'
)


class Hidden(PermissionError):
    """Processes of the host can't be seen, so none is no answer."""

    def __init__(self) -> None:
        super().__init__(
            errno.EACCES,
            f'not all processes of the host can be seen: {WHAT_TO_SET}',
        )


def running(root: files_.Files, name: str) -> bool | None:
    """Tell whether a process of that name runs.

    :returns: None where that can't be seen
    """
    if found(root, name):
        return True
    return False if are_all_seen(root) else None


def found(root: files_.Files, name: str) -> tuple[int, ...]:
    """List the processes of that name, of those that are seen."""
    comm = name.encode()[:_COMM_LENGTH]
    return tuple(
        sorted(int(p) for p in _processes(root) if _comm(root, p) == comm)
    )


def name(root: files_.Files, pid: int) -> str:
    """Read the name of a process; one that has ended has none.

    Its owner has chosen it, and terminals and logs show it: what acts on
    these is replaced.
    """
    text = (_comm(root, str(pid)) or b'').decode(errors='replace')
    return ''.join(c if c.isprintable() else '?' for c in text)


def hidden(root: files_.Files) -> bool:
    """Tell whether some are seen, and others of the host are not."""
    seen = any(_processes(root))
    return seen and not are_all_seen(root)


def openers(root: files_.Files, files: Collection[str]) -> tuple[int, ...]:
    """List the processes that have one of these files open.

    :param files: absolute paths as the processes see them
    :raises Hidden: when none is seen, and one could be that is not
    """
    (found,) = openers_of_each(root, (files,))
    if found is None:
        raise Hidden
    return found


def openers_of_each(
    root: files_.Files, groups: Sequence[Collection[str]]
) -> tuple[tuple[int, ...] | None, ...]:
    """List the processes that have one of some files open, of several such.

    All processes are looked at once.

    :param groups: absolute paths as the processes see them
    :returns: in their order, None where none is seen, and one could be that
        is not
    """
    each = [(group, set[int]()) for group in groups]
    unseen = not are_all_seen(root)
    for process in _processes(root):
        try:
            for name in _open_files(root, process):
                for group, pids in each:
                    if name in group:
                        pids.add(int(process))
        except PermissionError:
            unseen = True
    return tuple(
        tuple(sorted(pids)) if pids or not unseen else None for _, pids in each
    )


def are_all_seen(root: files_.Files) -> bool:
    """Tell whether all processes of the host are seen."""
    return _comm(root, _KTHREADD) == b'kthreadd'


def _comm(root: files_.Files, process: str) -> bytes | None:
    try:
        return root.read(f'proc/{process}/comm').rstrip(b'\n')
    except OSError:  # it has ended meanwhile, or is not ours to look at
        return None


def _processes(root: files_.Files) -> Iterator[str]:
    try:
        names = root.names('proc')
    except OSError:
        return
    for name in names:
        if name.isdecimal():
            yield name


def _open_files(root: files_.Files, process: str) -> Iterator[str]:
    """List what a process has open, as far as it is there.

    :raises PermissionError: when it is not ours to look at
    """
    folder = f'proc/{process}/fd'
    try:
        numbers = root.names(folder)
    except (FileNotFoundError, ProcessLookupError):
        return
    for number in numbers:
        try:
            yield root.target(f'{folder}/{number}')
        except (FileNotFoundError, ProcessLookupError):
            continue
