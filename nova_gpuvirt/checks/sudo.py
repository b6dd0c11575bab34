"""Whether nova-compute's user may start privsep's helper with sudo.

sudo itself is asked: aliases, groups, hosts, other users to run as, and what
is forbidden again are its to read, wherever its rules are. ``sudo -l`` with a
command tells whether that one is allowed, and without one what needs no
password (sudo(8), sudoers(5)).
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import rights
from nova_gpuvirt.checks import subject as subject_
from nova_gpuvirt.host import commands

_AS_ROOT = 'run nova-gpuvirt check as root, on the host'
_CONF = '/etc/nova/nova.conf'
# What oslo.privsep adds to the command; the socket is another each time.
_CONTEXT = (
    *('--privsep_context', 'nova_gpuvirt.privileged.context'),
    *('--privsep_sock_path', '/tmp/privsep/privsep.sock'),
)
_NO_PASSWORD = ('NOPASSWD:', '!authenticate')


def is_allowed(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Check that nova-compute's user may run the helper with sudo."""
    name = rights.user_of(subject.root)
    words = rights.by_sudo(subject.nova_conf)
    if name == rights.ROOT or words is None:
        yield finding.passed('nova-compute needs no sudo')
        return
    if subject.machine.sysfs.rootly is None:
        raise finding.Unseen(
            f'sudo was not asked what {name} may run', _AS_ROOT
        )
    program = words[0]
    if not _may_run(subject, name, words):
        found = f'sudo does not let {name} run {program}'
    elif not _needs_no_password(subject, name):
        found = f'sudo asks {name} for a password, to run {program}'
    else:
        yield finding.passed(f'{name} may run {program} with sudo')
        return
    yield rights.say(
        subject,
        found,
        f'put "{name} ALL=(root) NOPASSWD: {program} …", with its whole path, '
        'into /etc/sudoers.d/nova, as the documents of Nova have it; '
        f'"sudo -l -U {name}" lists what it may run',
    )


def _may_run(
    subject: subject_.Subject, name: str, words: Sequence[str]
) -> bool:
    command = [*words]
    if '--config-file' not in command:
        command += ['--config-file', _CONF]
    return bool(_ask(subject, name, *command, *_CONTEXT))


def _needs_no_password(subject: subject_.Subject, name: str) -> bool:
    listed = _ask(subject, name)
    return any(word in listed for word in _NO_PASSWORD)


def _ask(subject: subject_.Subject, name: str, *command: str) -> str:
    """Ask for the rules of a user, or whether one allows a command.

    :returns: nothing where sudo refuses
    :raises Unseen: when it can't be asked
    """
    # A user without a name in /etc/passwd may have one for sudo.
    user = name.replace(rights.NAMELESS, '#')
    try:
        return subject.machine.run(('sudo', '-n', '-l', '-U', user, *command))
    except (commands.CommandHangs, commands.CommandMissing) as error:
        raise finding.Unseen(
            f'sudo can not be asked what {name} may run: {error}', _AS_ROOT
        ) from error
    except commands.CommandFailed:
        return ''
