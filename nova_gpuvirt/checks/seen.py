"""Read a host's files, and tell what is not there from what is not seen."""

from __future__ import annotations

from nova_gpuvirt import exception
from nova_gpuvirt.checks import finding
from nova_gpuvirt.host import files

_AS_ROOT = 'run nova-gpuvirt check as root'
_ON_THE_HOST = 'run nova-gpuvirt check on the host itself'


def text(root: files.Files, path: str) -> str:
    """Read a file that every host has.

    :raises Unseen: when it can't be read
    """
    found = text_if_there(root, path)
    if found is None:
        raise finding.Unseen(f'there is no /{path} to read', _ON_THE_HOST)
    return found


def text_if_there(
    root: files.Files, path: str, errors: str = 'replace'
) -> str | None:
    """Read a file, None where there is none.

    :param errors: what becomes of bytes that are no text
    :raises Unseen: when it can't be read
    """
    try:
        return root.text(path, errors)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise finding.Unseen(
            f'/{path} can not be read: {error.strerror}', _AS_ROOT
        ) from error
    except exception.NotCaptured as error:
        raise _not_captured(path) from error


def names(root: files.Files, folder: str) -> list[str]:
    """List a folder in order; one that is not there holds nothing.

    :raises Unseen: when it can't be listed
    """
    try:
        return sorted(root.names_if_there(folder))
    except OSError as error:
        raise finding.Unseen(
            f'/{folder} can not be listed: {error.strerror}', _AS_ROOT
        ) from error
    except exception.NotCaptured as error:
        raise _not_captured(folder) from error


def _not_captured(path: str) -> finding.Unseen:
    return finding.Unseen(f'the capture has no /{path}', _ON_THE_HOST)
