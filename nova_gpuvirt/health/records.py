"""The folder with what is remembered of this host's cards.

Each card has a file, ``cards/0000:3b:00.0.json``, and none while there is
nothing to remember. nova-compute writes there, and root by the command: each
locks the folder, writes another file beside, and puts it in place whole. So
who reads needs no lock. What root writes belongs to the folder's owner, and
root follows no link in it, since that owner could put one there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import stat
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt.health import record as record_
from nova_gpuvirt.health import record_text

PLACE = pathlib.Path('/var/lib/nova-gpuvirt')
"""Where the folder is by default."""

_CARDS = 'cards'
_END = '.json'
_NEW = '.new'  # the file that is being written, under the lock
_MOST = 1 << 20  # bytes
_SECONDS = 10.0
_PAUSE = 0.05
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A pipe in the place of a file is no reason to wait.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Known = Mapping[model.PciAddress, record_.Record | exception.InvalidRecord]
"""What is remembered by card, or why it is not known."""


class Records:
    """What is remembered of each card of this host.

    :param folder: where; it need not be there while nothing is remembered
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def read(self) -> Known:
        """Read what is remembered; one bad file hides no other.

        :raises InvalidRecord: when the folder itself can't be read
        """
        try:
            with self._cards() as cards:
                return {
                    card: self._read(cards, card)
                    for name in sorted(os.listdir(cards))
                    if (card := card_of(name)) is not None
                }
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise exception.InvalidRecord(
                str(self._folder / _CARDS),
                wanted='to know which cards may not be offered',
                found=str(error),
                remedy=self._remedy,
            ) from error

    @property
    def are_kept(self) -> bool:
        """Tell whether anything was ever remembered here."""
        return (self._folder / _CARDS).is_dir()

    def begin(self) -> None:
        """Let it be seen that from now on something may be remembered.

        :raises InvalidRecord: when it can't be
        """
        try:
            with self._locked() as owner, self._cards(make=owner):
                pass
        except OSError as error:
            raise self._unwritten('that cards are in use', error) from error

    def change(
        self,
        card: model.PciAddress,
        how: Callable[[record_.Record], record_.Record],
    ) -> record_.Record:
        """Change what is remembered of one card, against nobody else's change.

        :param how: makes of the record of this moment what it shall be
        :returns: what it is then
        :raises InvalidRecord: when it can't be read, or written
        :raises Locked: when another one holds the folder for long
        """
        try:
            with self._locked() as owner, self._cards(make=owner) as cards:
                before = self._read(cards, card)
                if isinstance(before, exception.InvalidRecord):
                    raise before
                now = how(before)
                if now != before:
                    _write(cards, card, now, owner)
                return now
        except OSError as error:
            raise self._unwritten(f'something of {card}', error) from error

    def _unwritten(self, what: str, error: OSError) -> exception.InvalidRecord:
        return exception.InvalidRecord(
            str(self._folder),
            wanted=f'to remember {what}',
            found=str(error),
            remedy=self._remedy,
        )

    @property
    def _remedy(self) -> str:
        return (
            'let it be a folder of the user that nova-compute runs as, by '
            f'"install -d -o nova -m 0755 {self._folder}", and run the '
            'command as root'
        )

    def _file(self, card: model.PciAddress) -> str:
        return str(self._folder / _CARDS / _name_of(card))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[os.stat_result]:
        """Hold the folder alone, and tell whose it is."""
        folder = os.open(self._folder, _FOLDER)
        try:
            until = time.monotonic() + _SECONDS
            while not _taken(folder):
                if time.monotonic() >= until:
                    raise exception.Locked(
                        str(self._folder),
                        wanted='to change what is remembered of a card',
                        found='that another process holds it for '
                        f'{_SECONDS:g} s',
                        remedy='see which one with lsof, and try again',
                    )
                time.sleep(_PAUSE)
            yield os.fstat(folder)
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def _cards(self, make: os.stat_result | None = None) -> Iterator[int]:
        """Open the folder of the cards.

        :param make: make it, if need be, for this one's owner
        """
        folder = os.open(self._folder, _FOLDER)
        try:
            if make is not None:
                _make(folder, make)
            cards = os.open(_CARDS, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        finally:
            os.close(folder)
        try:
            yield cards
        finally:
            os.close(cards)

    def _read(
        self, cards: int, card: model.PciAddress
    ) -> record_.Record | exception.InvalidRecord:
        """Read what is remembered of one card; without a file nothing is."""
        file = self._file(card)
        try:
            return record_text.parse(_text(cards, _name_of(card)), file)
        except FileNotFoundError:
            return record_.NOTHING
        except (OSError, UnicodeDecodeError) as error:
            return record_text.invalid(file, str(error))
        except exception.InvalidRecord as error:
            return error


def folder_in(state_path: str) -> str:
    """Name the folder of the cards' files."""
    return f'{state_path}/{_CARDS}'


def _name_of(card: model.PciAddress) -> str:
    return f'{card}{_END}'


def card_of(name: str) -> model.PciAddress | None:
    """Tell which card a file is of, None for what is no record."""
    try:
        card = model.PciAddress.parse(name.removesuffix(_END))
    except ValueError:
        return None
    return card if name == _name_of(card) else None


def _text(cards: int, name: str) -> str:
    file = os.open(name, _FILE, dir_fd=cards)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, 'it is no file', name)
        text = os.read(file, _MOST)
        if len(text) == _MOST:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), name)
        return text.decode()
    finally:
        os.close(file)


def _make(folder: int, owner: os.stat_result) -> None:
    """Make the folder of the cards, where it is not there."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(_CARDS, 0o755, dir_fd=folder)
        _own(_CARDS, owner, dir_fd=folder, follow_symlinks=False)
        os.fsync(folder)


def _write(
    cards: int,
    card: model.PciAddress,
    record: record_.Record,
    owner: os.stat_result,
) -> None:
    """Put a record in place, or take it away where it says nothing."""
    if record.is_empty:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_name_of(card), dir_fd=cards)
    else:
        # Left by who was killed in the midst of it.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_NEW, dir_fd=cards)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        file = os.open(_NEW, flags | os.O_CLOEXEC, 0o644, dir_fd=cards)
        with open(file, 'w', encoding='utf-8') as new:
            _own(file, owner)
            os.fchmod(file, 0o644)
            new.write(record_text.dump(record))
            new.flush()
            os.fsync(file)
        os.replace(_NEW, _name_of(card), src_dir_fd=cards, dst_dir_fd=cards)
    os.fsync(cards)


def _own(what: str | int, owner: os.stat_result, **how: Any) -> None:
    """Give what root has made to the folder's owner."""
    if os.geteuid() == 0:
        os.chown(what, owner.st_uid, owner.st_gid, **how)


def _taken(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
