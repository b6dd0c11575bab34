"""What discovery reads beside GPUs, left out of a capture.

The lists that it looks through have more than it looks for: all processes of
the host with all files that they have open, all modules of the kernel, who
uses a card as ``nvidia-smi -q`` tells, and what a board's maker wrote into it
(its vital product data), as libvirt prints it. What remains gives the same
answers.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping

from nova_gpuvirt.capture import document as document_

# The first two processes are the same on all hosts: init and kthreadd.
_FIRST = frozenset({'1', '2'})
# Daemons of vendors and of virtual machines, by the names of their processes.
_DAEMONS = re.compile(
    r'(nv|dcgm|qemu|libvirt|virt|amd|rocm|gim|Xorg|Xwayland)[\w:./-]*'
)
_DEVICES = re.compile(r'/dev/(nvidia|dri/|kfd|vfio/)')
_OF_PROCESS = re.compile(r'proc/(?P<pid>\d+)/(?P<rest>.+)')
_MODULES = re.compile(r'lib/modules/[^/]+/modules\.(dep|builtin)')
_MODULE = re.compile(r'^(?P<path>\S*vfio[^/\s:]*\.ko[^:\s]*).*$', re.M)
_WIDTHS = re.compile(r'^address sizes.*$', re.M)
_USERS = re.compile(
    r'^(?P<indent> *)Processes *(:.*)?\n(?:(?P=indent) +.*\n)*', re.M
)

_Files = dict[document_.Question, document_.Answer]
_BOARD = re.compile(r"\s*<capability type='vpd'>.*?</capability>", re.S)


def omit(document: document_.Document) -> tuple[document_.Document, int]:
    """Leave it out.

    :returns: what remains, and how many processes were left out
    """
    files = dict(document.files)
    left_out = _omit_processes(files)
    for question, answer in files.items():
        if question.method == 'read' and isinstance(answer, str):
            if _MODULES.fullmatch(question.path):
                lines = (m['path'] for m in _MODULE.finditer(answer))
                files[question] = ''.join(f'{line}:\n' for line in lines)
            elif question.path == 'proc/cpuinfo':
                widths = _WIDTHS.search(answer)
                files[question] = f'{widths[0]}\n' if widths else ''
    return dataclasses.replace(
        document,
        files=files,
        commands=_without(_USERS, _no_users, document.commands),
        libvirt=_without(_BOARD, '', document.libvirt),
    ), left_out


def _without(
    pattern: re.Pattern[str],
    instead: str | Callable[[re.Match[str]], str],
    dialogue: document_.Dialogue,
) -> document_.Dialogue:
    return {
        argv: dataclasses.replace(said, text=pattern.sub(instead, said.text))
        for argv, said in dialogue.items()
    }


def _no_users(match: re.Match[str]) -> str:
    return f'{match["indent"]}Processes : left out\n'


def _omit_processes(files: _Files) -> int:
    """Keep the daemons and who has a GPU open, and of these no other file.

    Where there is none to keep, another one is kept under another name: that
    a host shows processes tells that they can be seen.
    """
    listed = document_.Question('names', 'proc')
    names = files.get(listed)
    if not isinstance(names, tuple):
        return 0
    asked: dict[str, list[document_.Question]] = {}
    for question in files:
        if match := _OF_PROCESS.fullmatch(question.path):
            asked.setdefault(match['pid'], []).append(question)
    pids = sorted((n for n in names if n.isdecimal()), key=int)
    kept = {p for p in pids if p in _FIRST or _is_of_gpus(files, asked, p)}
    left_out = set(pids) - kept
    for question in (q for pid in left_out for q in asked.get(pid, ())):
        del files[question]
    if pids and not kept:
        kept.add(pids[0])
        files[document_.Question('read', f'proc/{pids[0]}/comm')] = 'other\n'
        files[document_.Question('names', f'proc/{pids[0]}/fd')] = ()
    for pid in kept - left_out:
        _omit_open_files(files, asked.get(pid, ()), pid)
    files[listed] = tuple(n for n in names if n in kept or n not in pids)
    return len(left_out)


def _is_of_gpus(
    files: _Files, asked: Mapping[str, list[document_.Question]], pid: str
) -> bool:
    """Tell whether a process is a known daemon, or has a GPU open."""
    name = files.get(document_.Question('read', f'proc/{pid}/comm'))
    return bool(_DAEMONS.match(str(name))) or any(
        question.method == 'target' and _DEVICES.match(str(files[question]))
        for question in asked.get(pid, ())
    )


def _omit_open_files(
    files: _Files, asked: Iterable[document_.Question], pid: str
) -> None:
    """Leave out what a process has open beside GPUs."""
    folder = f'proc/{pid}/fd'
    others = {
        question
        for question in asked
        if question.method == 'target'
        and question.path.startswith(f'{folder}/')
        and not _DEVICES.match(str(files[question]))
    }
    for question in others:
        del files[question]
    numbers = {question.path.rpartition('/')[2] for question in others}
    listed = document_.Question('names', folder)
    names = files.get(listed)
    if isinstance(names, tuple):
        files[listed] = tuple(n for n in names if n not in numbers)
