"""nova-gpuvirt hook."""

from __future__ import annotations

import argparse
import enum
import importlib
import importlib.machinery
import importlib.util
import os
import pathlib
import sys
import tempfile

from cliff import command

from nova_gpuvirt import exception

_DRIVER = 'nova_gpuvirt.novavirt.gpuvirt'
_MARK = '# Written by "nova-gpuvirt hook install": Nova loads the driver here.'
TEXT = f"""{_MARK}

from {_DRIVER} import GpuLibvirtDriver  # noqa: F401
"""
"""What stands in Nova's folder of drivers; unlike a link it can't dangle."""


class State(enum.Enum):
    """What is at the place of the hook."""

    READY = 'nova-compute can load gpuvirt.GpuLibvirtDriver by it'
    NONE = 'there is none'
    OLD = 'another version of nova-gpuvirt wrote it'
    LINK = 'a link is there that leads to nova-gpuvirt'
    DANGLING = 'a link is there that leads to nothing'
    FOREIGN = 'another file is there'
    HIDDEN = 'Python loads what lies beside it under the same name'


class Hook(command.Command):
    """Let an ordinary nova-compute load the driver, and check that it can.

    For images and packages whose command has to stay nova-compute: Nova looks
    for drivers in its own folder alone. It ends with 1 where nova-compute can
    not load it: run it again after each update of Nova.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add what to do."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'action',
            nargs='?',
            choices=('check', 'install', 'remove'),
            default='check',
            help='check: change nothing (the default)',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Do it, and say what is there then."""
        place = find()
        if parsed_args.action == 'install':
            install(place)
        elif parsed_args.action == 'remove':
            remove(place)
        state = look(place)
        print(f'{place}: {state.value}', file=self.app.stdout)
        wanted = parsed_args.action != 'remove'
        return int((state in (State.READY, State.LINK)) is not wanted)


def find() -> pathlib.Path:
    """Tell where the hook has to be, in the Nova of this Python.

    :raises InvalidOption: when it has none
    """
    spec = importlib.util.find_spec('nova')
    for folder in (spec and spec.submodule_search_locations) or ():
        drivers = pathlib.Path(folder) / 'virt'
        if drivers.is_dir():
            return drivers / 'gpuvirt.py'
    raise exception.InvalidOption(
        'hook',
        wanted='Nova in the environment of nova-gpuvirt',
        found=f'none that {sys.executable} can import',
        remedy="install nova-gpuvirt with the pip of nova-compute's "
        'environment',
    )


def look(place: pathlib.Path) -> State:
    """Tell what is there."""
    if place.is_symlink() and not place.exists():
        return State.DANGLING
    try:
        text = place.read_text(encoding='utf-8', errors='replace')
    except FileNotFoundError:
        return State.NONE
    if place.is_symlink():
        if 'nova_gpuvirt.compute.driver' not in text:
            return State.FOREIGN
        return State.LINK if _is_loaded(place) else State.HIDDEN
    if text == TEXT:
        return State.READY if _is_loaded(place) else State.HIDDEN
    return State.OLD if text.startswith(_MARK) else State.FOREIGN


def _is_loaded(place: pathlib.Path) -> bool:
    """Tell whether it is what Python loads, and no package of that name."""
    importlib.invalidate_caches()
    spec = importlib.machinery.PathFinder.find_spec(
        place.stem, [str(place.parent)]
    )
    return spec is not None and spec.origin == str(place)


def install(place: pathlib.Path) -> None:
    """Put it there, in place of one of ours.

    :raises InvalidOption: when it can't be written, or is somebody else's
    """
    _refuse_foreign(place)
    try:
        with tempfile.NamedTemporaryFile(
            'w', dir=place.parent, delete=False
        ) as new:
            new.write(TEXT)
        pathlib.Path(new.name).chmod(0o644)
        os.replace(new.name, place)
    except OSError as error:
        raise _not_written(place, error) from error


def remove(place: pathlib.Path) -> None:
    """Take it away, if it is ours.

    :raises InvalidOption: when it can't be, or is somebody else's
    """
    _refuse_foreign(place)
    try:
        place.unlink(missing_ok=True)
    except OSError as error:
        raise _not_written(place, error) from error


def _refuse_foreign(place: pathlib.Path) -> None:
    """Leave alone what is not ours.

    :raises InvalidOption: when such a thing is there
    """
    state = look(place)
    if state is State.FOREIGN:
        raise exception.InvalidOption(
            str(place),
            wanted='a file of nova-gpuvirt, or none',
            found=f'that {state.value}',
            remedy='see what it is, and move it away',
        )


def _not_written(
    place: pathlib.Path, error: OSError
) -> exception.InvalidOption:
    return exception.InvalidOption(
        str(place),
        wanted='to change it',
        found=str(error),
        remedy='run this as the owner of that environment',
    )
