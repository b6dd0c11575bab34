"""What nova-compute may do here: as whom it runs, and what it does as root.

Sources: Nova's `utils.get_root_helper` and its rootwrap.conf, oslo.rootwrap's
`wrapper`, and the socket that libvirt's
src/remote/libvirtd.conf.in describes (``unix_sock_group``,
``unix_sock_rw_perms``).
"""

from __future__ import annotations

import configparser
import re
import stat
from collections.abc import Iterator
from collections.abc import Sequence

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import nova_conf
from nova_gpuvirt.checks import seen
from nova_gpuvirt.checks import subject as subject_
from nova_gpuvirt.host import files
from nova_gpuvirt.host import processes

_USER = 'nova'
ROOT = 'root'
NAMELESS = 'user '
"""What stands before the number of a user without a name."""
_SOCKETS = (
    'run/libvirt/libvirt-sock',
    'run/libvirt/virtqemud-sock',
)
_GROUPS = frozenset({'libvirt', 'libvirtd'})
_HELPER = 'privsep-helper'
_ROOTWRAP = 'nova-rootwrap'
# Options of sudo that have one.
_WITH_VALUE = frozenset({'-u', '-g'})
_EXECUTABLE = 0o111
# Where sudo lets nova-rootwrap look that has no exec_dirs.
_PATH = '/usr/local/sbin,/usr/local/bin,/usr/sbin,/usr/bin,/sbin,/bin'
_NAME_FOLDER = (
    f"put the folder of {_HELPER}, the environment's bin, into exec_dirs of "
    'rootwrap.conf; or name the command in [gpuvirt_privileged]helper_command'
)
# Drivers of which the host reads or writes nothing as root.
_WITHOUT_ROOT = frozenset({None, 'vfio-pci'})


def user(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that nova-compute's user may talk to libvirt."""
    name = user_of(subject.root)
    if name == ROOT:
        yield finding.passed('nova-compute runs as root')
        return
    groups = _groups(subject.root, name)
    if groups & _GROUPS or _is_for_all(subject.root):
        yield finding.passed(f'{name} may talk to libvirt')
        return
    yield finding.warning(
        f'{name} is not in the group of libvirt, and its socket is not for '
        'all: nova-compute may not reach libvirt',
        f'run usermod -aG libvirt {name}, and restart nova-compute; a rule of '
        'polkit or unix_sock_group in libvirtd.conf does as well',
    )


def user_of(root: files.Files) -> str:
    """Name the user that nova-compute runs as, or would.

    :raises Unseen: when there is none
    """
    by_id = {}
    for line in seen.text(root, 'etc/passwd').splitlines():
        name, *rest = line.split(':')
        if len(rest) > 1:
            by_id[rest[1]] = name
    for comm in processes.NOVA_COMPUTE:
        for pid in processes.found(root, comm):
            status = seen.text(root, f'proc/{pid}/status')
            match = re.search(r'^Uid:\s*\d+\s+(\d+)', status, re.M)
            if match:
                return by_id.get(match[1], f'{NAMELESS}{match[1]}')
    if _USER in by_id.values():
        return _USER
    raise finding.Unseen(
        'no nova-compute runs that can be seen, and there is no user nova',
        'run nova-gpuvirt check where nova-compute runs, while it runs',
    )


def _groups(root: files.Files, user: str) -> set[str]:
    found = set()
    for line in seen.text(root, 'etc/group').splitlines():
        name, _, rest = line.partition(':')
        if user in rest.rpartition(':')[2].split(','):
            found.add(name)
    return found


def _is_for_all(root: files.Files) -> bool:
    """Tell whether libvirt's socket is for each user."""
    for path in _SOCKETS:
        try:
            if root.mode(path) & stat.S_IWOTH:
                return True
        except OSError:
            continue
    return False


def privsep(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that what root has to do is allowed to start."""
    name = user_of(subject.root)
    if name == ROOT:
        yield finding.passed('nova-compute is root itself')
        return
    words = by_sudo(subject.nova_conf) or ('a command of its own',)
    program = words[0].rpartition('/')[2]
    why = None
    if program == _ROOTWRAP:
        why = _why_not_by_rootwrap(subject)
    if why is None:
        yield finding.passed(f"{program} starts privsep's helper")
    else:
        yield say(subject, why, _NAME_FOLDER)


def processes_are_seen(
    subject: subject_.Subject,
) -> Iterator[finding.Finding]:
    """Check that who holds a device, and which daemons run, can be seen."""
    if processes.are_all_seen(subject.root):
        yield finding.passed('the processes of the host can be seen')
    else:
        yield finding.warning(
            'the processes of the host can not be seen: not who holds a '
            'device, nor which services run',
            processes.WHAT_TO_SET,
        )


def say(subject: subject_.Subject, found: str, remedy: str) -> finding.Finding:
    """Say that root's part fails, as loud as the cards ask for root."""
    cards = [
        function.address
        for _, function in subject.pci_gpus
        if function.driver not in _WITHOUT_ROOT
    ]
    if cards:
        return finding.failure(
            f'{found}, so nothing is done as root for it', remedy, *cards
        )
    return finding.warning(f'{found}, and no card asks for it', remedy)


def by_sudo(conf: nova_conf.NovaConf) -> Sequence[str] | None:
    """Give the command that sudo runs, None for one without sudo.

    It starts privsep's helper; what sudo itself is told is left out.
    """
    words = conf.values.gpuvirt_privileged.helper_command.split()
    if not words:
        if conf.values.workarounds.disable_rootwrap:
            return (_HELPER,)
        return (_ROOTWRAP, conf.values.rootwrap_config, _HELPER)
    if words.pop(0).rpartition('/')[2] != 'sudo':
        return None
    while words and words[0].startswith('-'):
        if words.pop(0) in _WITH_VALUE:
            del words[:1]
    return words or (_HELPER,)


def _why_not_by_rootwrap(subject: subject_.Subject) -> str | None:
    """Tell why nova-rootwrap can not start the helper, None if it can.

    It needs no filter for that: oslo.rootwrap adds one by itself.
    """
    root = subject.root
    path = subject.nova_conf.values.rootwrap_config.lstrip('/')
    text = seen.text_if_there(root, path)
    if text is None:
        return f'there is no /{path}'
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text, f'/{path}')
        parser.get('DEFAULT', 'filters_path')
    except configparser.Error as error:
        said = ' '.join(str(error).split())
        return f'nova-rootwrap can not read /{path} ({said})'
    folders = parser.get('DEFAULT', 'exec_dirs', fallback=_PATH)
    if any(_has_helper(root, folder) for folder in folders.split(',')):
        return None
    return f'{_HELPER} is in none of {folders}, exec_dirs of /{path}'


def _has_helper(root: files.Files, folder: str) -> bool:
    try:
        return bool(root.mode(f'{folder.lstrip("/")}/{_HELPER}') & _EXECUTABLE)
    except OSError:
        return False
