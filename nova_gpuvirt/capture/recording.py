"""Note all that discovery reads of a host, at the doors it reads through.

So what is captured is what discovery is allowed to read, and nothing else:
some files of a host act when they are read.
"""

from __future__ import annotations

import dataclasses
import errno
import functools
import json
import uuid
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TypeVar

from nova_gpuvirt import model
from nova_gpuvirt.capture import document as document_
from nova_gpuvirt.host import card_openers as card_openers_
from nova_gpuvirt.host import commands
from nova_gpuvirt.host import files as files_
from nova_gpuvirt.host import hypervisor
from nova_gpuvirt.host import machine as machine_
from nova_gpuvirt.host import pciids
from nova_gpuvirt.host import rootonly
from nova_gpuvirt.host import sysfs

_T = TypeVar('_T')
# The refusal of a card of which not all openers can be seen.
_HIDDEN = document_.Refusal('EACCES')
_Answers = dict[document_.Question, document_.Answer]
_Said = dict[tuple[str, ...], document_.Said]


class Recording:
    """A host, and what was asked of it since.

    :ivar machine: the host, for who asks
    """

    def __init__(self, machine: machine_.Machine) -> None:
        self._files = _Files(machine.sysfs.root)
        rootly = machine.sysfs.rootly
        self._rootly = None if rootly is None else _Rootly(rootly)
        self._names = _Names(machine.names)
        self._run = _Run(machine.run)
        self._libvirt = _Hypervisor(machine.hypervisor)
        # What is assumed of a libvirt is no fact of the host.
        assumed = isinstance(machine.hypervisor, hypervisor.Absent)
        self.machine = dataclasses.replace(
            machine,
            sysfs=sysfs.Sysfs(self._files, self._rootly),
            names=self._names,
            run=self._run,
            hypervisor=machine.hypervisor if assumed else self._libvirt,
        )

    def document(self, made: Mapping[str, str]) -> document_.Document:
        """Give what was read, as it was read.

        :param made: by what and how, in words
        """
        return document_.Document(
            made,
            self._names.text(),
            {
                **self._run.said,
                **(self._rootly.said if self._rootly else {}),
            },
            dict(self._libvirt.said),
            {
                **self._files.answers,
                **(self._rootly.answers if self._rootly else {}),
            },
        )


class _Files(files_.Files):
    def __init__(self, files: files_.Files) -> None:
        self._files = files
        self.answers: _Answers = {}

    def read(self, path: str, size: int = -1) -> bytes:
        return self._note(
            'read',
            path,
            lambda: self._files.read(path, size),
            lambda data: data.decode(errors='surrogateescape'),
        )

    def names(self, path: str) -> list[str]:
        return self._note(
            'names',
            path,
            lambda: self._files.names(path),
            lambda names: tuple(sorted(names)),
        )

    def target(self, path: str) -> str:
        return self._note(
            'target', path, lambda: self._files.target(path), str
        )

    def changed(self, path: str) -> int:
        return self._note(
            'changed', path, lambda: self._files.changed(path), int
        )

    def mode(self, path: str) -> int:
        return self._note('mode', path, lambda: self._files.mode(path), int)

    def exists(self, path: str) -> bool:
        found = self._files.exists(path)
        self.answers[document_.Question('exists', path)] = found
        return found

    def _note(
        self,
        method: str,
        path: str,
        ask: Callable[[], _T],
        answer: Callable[[_T], document_.Answer],
    ) -> _T:
        question = document_.Question(method, path)
        return _noted(self.answers, question, ask, answer)


class _Rootly(rootonly.OnlyLookedAt):
    """What root of a host was asked; nothing is done for a capture."""

    def __init__(self, rootly: rootonly.Rootly) -> None:
        self._rootly = rootly
        self.answers: _Answers = {}
        self.said: _Said = {}

    def read(self, address: str, name: str) -> str:
        place = rootonly.place(address, name)
        question = document_.Question('root-read', place)
        ask = functools.partial(self._rootly.read, address, name)
        return _noted(self.answers, question, ask, str)

    def openers(self, address: str) -> Sequence[int]:
        question = document_.Question('root-openers', address)
        ask = functools.partial(self._rootly.openers, address)
        return _noted(self.answers, question, ask, _numbers)

    def card_openers(
        self, addresses: Sequence[str], caller: int
    ) -> Sequence[card_openers_.Found]:
        return [self._openers_of(address, caller) for address in addresses]

    def _openers_of(self, address: str, caller: int) -> card_openers_.Found:
        question = document_.Question('root-card-openers', address)

        def ask() -> card_openers_.Found:
            (found,) = self._rootly.card_openers([address], caller)
            return found

        return _noted(self.answers, question, ask, _openers)

    def gpu_instances(self, address: str) -> str:
        ask = functools.partial(self._rootly.gpu_instances, address)
        return _heard(
            self.said, (document_.ROOT, 'gpu-instances', address), ask
        )

    def gpu_instance_profiles(self, address: str) -> str:
        ask = functools.partial(self._rootly.gpu_instance_profiles, address)
        question = (document_.ROOT, 'gpu-instance-profiles', address)
        return _heard(self.said, question, ask)


def _openers(found: card_openers_.Found) -> document_.Answer:
    return _HIDDEN if found is None else json.dumps(found)


def _numbers(found: Sequence[int]) -> tuple[str, ...]:
    return tuple(str(number) for number in found)


def _noted(
    answers: _Answers,
    question: document_.Question,
    ask: Callable[[], _T],
    answer: Callable[[_T], document_.Answer],
) -> _T:
    """Ask, and note the answer or the refusal."""
    try:
        found = ask()
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, 'EIO')
        answers[question] = document_.Refusal(name)
        raise
    answers[question] = answer(found)
    return found


class _Names(pciids.PciIds):
    """The names of a host, and which of them were looked up."""

    def __init__(self, names: pciids.PciIds) -> None:
        self._names = names
        self._asked: set[tuple[int, int | None]] = set()

    def vendor(self, vendor_id: int) -> str:
        self._asked.add((vendor_id, None))
        return self._names.vendor(vendor_id)

    def device(self, vendor_id: int, device_id: int) -> str:
        self._asked.add((vendor_id, device_id))
        return self._names.device(vendor_id, device_id)

    def text(self) -> str:
        return self._names.extract(self._asked)


class _Run:
    """The commands of a host, and what they said."""

    def __init__(self, run: commands.Run) -> None:
        self._run = run
        self.said: _Said = {}

    def __call__(self, argv: Sequence[str]) -> str:
        ask = functools.partial(self._run, argv)
        return _heard(self.said, tuple(argv), ask)


def _outcome(error: commands.CommandFailed) -> str:
    match error:
        case commands.CommandHangs():
            return 'hangs'
        case commands.CommandMissing():
            return 'is-missing'
        case _:
            return 'fails'


def _heard(said: _Said, argv: tuple[str, ...], ask: Callable[[], str]) -> str:
    """Run a command, and note what it said."""
    try:
        text = ask()
    except commands.CommandFailed as error:
        said[argv] = document_.Said(_outcome(error), str(error))
        raise
    said[argv] = document_.Said('prints', text)
    return text


class _Hypervisor(hypervisor.Hypervisor):
    """The libvirt of a host, and what it said."""

    def __init__(self, libvirt: hypervisor.Hypervisor) -> None:
        self._libvirt = libvirt
        self.said: _Said = {}

    def version(self) -> int:
        return self._note(self._libvirt.version, str, 'version')

    def qemu_version(self) -> int:
        return self._note(self._libvirt.qemu_version, str, 'qemu-version')

    def renderer(self) -> hypervisor.Renderer:
        return self._note(self._libvirt.renderer, _words, 'renderer')

    def guest_with(self, device: uuid.UUID | model.PciAddress) -> str | None:
        ask = functools.partial(self._libvirt.guest_with, device)
        return self._note(ask, _word, 'guest-with', str(device))

    def node_device(self, function: model.PciAddress) -> str:
        ask = functools.partial(self._libvirt.node_device, function)
        return self._note(ask, str, 'node-device', str(function))

    def _note(
        self,
        ask: Callable[[], _T],
        answer: Callable[[_T], str],
        *question: str,
    ) -> _T:
        try:
            found = ask()
        except Exception as error:
            self.said[question] = document_.Said('fails', str(error))
            raise
        self.said[question] = document_.Said('prints', answer(found))
        return found


def _word(found: str | None) -> str:
    return found or ''


def _words(renderer: hypervisor.Renderer) -> str:
    """Print what can be forwarded: ``virgl venus``."""
    return ' '.join(
        word for word, can in dataclasses.asdict(renderer).items() if can
    )
