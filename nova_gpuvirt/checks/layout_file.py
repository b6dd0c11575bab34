"""The host's layout, as far as it can be gone by."""

from __future__ import annotations

import dataclasses

from nova_gpuvirt import exception
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import seen
from nova_gpuvirt.host import files
from nova_gpuvirt.layout import document


@dataclasses.dataclass(frozen=True, slots=True)
class LayoutFile:
    """What the file says: nothing where it can't be gone by.

    `instead` says why there is nothing to go by.
    """

    layout: document.Layout
    instead: finding.Finding | None = None


def of(root: files.Files, name: str | None) -> LayoutFile:
    """Read the file that nova-compute would.

    :param name: the option of it, None where that is not known
    """
    try:
        if name is None:
            raise finding.Unseen(
                'which file has the layout is not known',
                'see the line options, of [gpuvirt]layout',
            )
        layout = read(root, name)
        if layout is not None:
            return LayoutFile(layout)
        instead = finding.passed(why_nothing(name))
    except finding.Unseen as error:
        instead = finding.warning(str(error), error.remedy)
    except exception.InvalidLayout as error:
        instead = finding.failure(
            error.without_remedy,
            'change that line: nova-compute offers nothing when it starts '
            'with such a file',
        )
    return LayoutFile(document.NONE, instead)


def read(root: files.Files, name: str) -> document.Layout | None:
    """Read a file of a host, None where there is none.

    :raises Unseen: when it can't be read
    :raises InvalidLayout: when it says what can't be
    """
    path = name.lstrip('/')
    if seen.text_if_there(root, path) is None:
        return None
    return document.decode(root.read(path), name)


def why_nothing(name: str) -> str:
    """Say that there is no file, and what that means."""
    return f'there is no layout ({name}): cards are as the host has made them'
