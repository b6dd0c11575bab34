"""A captured host, for who asks as if it were here."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pathlib
import stat
import uuid
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NoReturn

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.capture import document as document_
from nova_gpuvirt.host import card_openers as card_openers_
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import files as files_
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.host import sysfs

_LIMIT = 16 << 20


def load(path: pathlib.Path) -> machine.Machine:
    """Take a file for a host.

    :raises InvalidCapture: when it is no capture
    """
    try:
        with open(path, 'rb', opener=_open_file) as file:
            data = file.read(_LIMIT + 1)
        if len(data) > _LIMIT:
            raise ValueError(f'more than {_LIMIT >> 20} MiB')
        text = data.decode()
    except (OSError, ValueError) as error:
        raise exception.InvalidCapture(
            str(path),
            wanted='a file of `nova-gpuvirt capture`',
            found=str(error),
            remedy='name the file that it wrote',
        ) from error
    return of(document_.parse(text, str(path)), str(path))


def of(document: document_.Document, where: str) -> machine.Machine:
    """Take a document for a host.

    :param where: the file's name, for errors
    """
    return machine.Machine(
        sysfs.Sysfs(
            _Files(document, where),
            _Rootly(document, where) if _had_root(document) else None,
        ),
        pciids.PciIds.parse(document.names),
        _Hypervisor(document, where)
        if document.libvirt
        else hypervisor.Absent(),
        _Run(document.commands, where),
    )


@contextlib.contextmanager
def sense(where: str) -> Iterator[None]:
    """Take an answer that no kernel gives for a fault of the capture.

    Discovery trusts the kernel that a link to a card has a card's address.

    :param where: the file's name
    :raises InvalidCapture: for what discovery is not prepared for
    """
    try:
        yield
    except exception.GpuvirtError:
        raise
    except Exception as error:
        raise exception.InvalidCapture(
            where,
            wanted='what the kernel of a host says',
            found=repr(error)[:200],
            remedy='capture the host anew, and change nothing in the file',
        ) from error


def _open_file(path: str, flags: int) -> int:
    """Open a file, and nothing that waits or has no end."""
    file = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise ValueError('no file')
    return file


class _Files(files_.Files):
    def __init__(self, document: document_.Document, where: str) -> None:
        self._answers = document.files
        self._where = where

    def __str__(self) -> str:
        return self._where

    def read(self, path: str, size: int = -1) -> bytes:
        text = self._answer('read', path)
        assert isinstance(text, str)
        return text.encode(errors='surrogateescape')

    def names(self, path: str) -> list[str]:
        names = self._answer('names', path)
        assert isinstance(names, tuple)
        return list(names)

    def target(self, path: str) -> str:
        target = self._answer('target', path)
        assert isinstance(target, str)
        return target

    def changed(self, path: str) -> int:
        changed = self._answer('changed', path)
        assert isinstance(changed, int)
        return changed

    def mode(self, path: str) -> int:
        mode = self._answer('mode', path)
        assert isinstance(mode, int)
        return mode

    def exists(self, path: str) -> bool:
        try:
            return bool(self._answer('exists', path))
        except OSError:
            return False

    def _answer(self, method: str, path: str) -> document_.Answer:
        question = document_.Question(method, path)
        answer = self._answers.get(question)
        if isinstance(answer, document_.Refusal):
            _refuse(getattr(errno, answer.error), path)
        if answer is not None:
            return answer
        if self._is_known_not_to_be(path):
            _refuse(errno.ENOENT, path)
        raise _not_captured(self._where, f'the answer of "{method} {path}"')

    def _is_known_not_to_be(self, path: str) -> bool:
        """Tell whether a folder above was listed and did not have it."""
        parts = path.split('/')
        for depth in range(len(parts) - 1, 0, -1):
            folder = '/'.join(parts[:depth])
            names = self._answers.get(document_.Question('names', folder))
            if isinstance(names, tuple):
                return parts[depth] not in names
            if isinstance(names, document_.Refusal):
                return names.error in ('ENOENT', 'ENOTDIR')
        return False


def _had_root(document: document_.Document) -> bool:
    return any(q.method.startswith('root-') for q in document.files) or any(
        argv[0] == document_.ROOT for argv in document.commands
    )


class _Rootly(rootonly.OnlyLookedAt):
    """What root said; nothing can be done to a captured host."""

    def __init__(self, document: document_.Document, where: str) -> None:
        self._answers = document.files
        self._said = _Run(document.commands, where)
        self._where = where

    def read(self, address: str, name: str) -> str:
        answer = self._answer('root-read', rootonly.place(address, name))
        assert isinstance(answer, str)
        return answer

    def openers(self, address: str) -> Sequence[int]:
        answer = self._answer('root-openers', address)
        assert isinstance(answer, tuple)
        return [int(number) for number in answer]

    def card_openers(
        self, addresses: Sequence[str], caller: int
    ) -> Sequence[card_openers_.Found]:
        return [self._openers_of(address) for address in addresses]

    def _openers_of(self, address: str) -> card_openers_.Found:
        try:
            answer = self._answer('root-card-openers', address)
        except PermissionError:
            return None
        assert isinstance(answer, str)
        return [
            (int(pid), str(name), bool(own))
            for pid, name, own in json.loads(answer)
        ]

    def gpu_instances(self, address: str) -> str:
        return self._said((document_.ROOT, 'gpu-instances', address))

    def gpu_instance_profiles(self, address: str) -> str:
        return self._said((document_.ROOT, 'gpu-instance-profiles', address))

    def _answer(self, method: str, what: str) -> document_.Answer:
        answer = self._answers.get(document_.Question(method, what))
        if isinstance(answer, document_.Refusal):
            _refuse(getattr(errno, answer.error), what)
        if answer is None:
            raise _not_captured(
                self._where, f'the answer of "{method} {what}"'
            )
        return answer


def _refuse(number: int, path: str) -> NoReturn:
    raise OSError(number, os.strerror(number), f'/{path}')


def _not_captured(where: str, what: str) -> exception.NotCaptured:
    return exception.NotCaptured(
        where,
        wanted=what,
        found='that nothing asked for it when the host was captured',
        remedy='capture the host anew, with this nova-gpuvirt',
    )


class _Run:
    """What commands, or libvirt, said."""

    def __init__(self, said: document_.Dialogue, where: str) -> None:
        self._said = said
        self._where = where

    def __call__(self, argv: Sequence[str]) -> str:
        said = self._said.get(tuple(argv))
        if said is None:
            raise _not_captured(self._where, f'the output of {" ".join(argv)}')
        match said.outcome:
            case 'prints':
                return said.text
            case 'hangs':
                raise commands.CommandHangs(said.text)
            case 'is-missing':
                raise commands.CommandMissing(said.text)
            case _:
                raise commands.CommandFailed(said.text)


class _Hypervisor(hypervisor.Hypervisor):
    def __init__(self, document: document_.Document, where: str) -> None:
        self._said = _Run(document.libvirt, where)

    def version(self) -> int:
        return int(self._said(['version']))

    def qemu_version(self) -> int:
        return int(self._said(['qemu-version']))

    def renderer(self) -> hypervisor.Renderer:
        words = self._said(['renderer']).split()
        return hypervisor.Renderer('virgl' in words, 'venus' in words)

    def guest_with(self, device: uuid.UUID | model.PciAddress) -> str | None:
        return self._said(['guest-with', str(device)]) or None

    def node_device(self, function: model.PciAddress) -> str:
        return self._said(['node-device', str(function)])
