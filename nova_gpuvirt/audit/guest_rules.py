"""Whether guests have what their servers claim, and nothing else of ours."""

from __future__ import annotations

from collections.abc import Iterator

from nova_gpuvirt.audit import disagreement
from nova_gpuvirt.audit import sides
from nova_gpuvirt.audit import view as view_

_By = disagreement.By
_Found = Iterator[disagreement.Disagreement]

_ACTIVE = ('active', 'rescued', 'paused')
# Nova takes the mdevs from a guest before it saves it.
_SUSPENDED = 'suspended'


def _of_servers(
    view: view_.View,
) -> Iterator[
    tuple[sides.Server, sides.Guest, frozenset[str], frozenset[str]]
]:
    """Walk over the guests of settled servers, with what they shall have.

    The second is what they have on the other side of a move.
    """
    for guest in view.guests:
        server = view.server(guest.uuid)
        if server is None or not server.is_settled:
            continue
        if not (server.is_here or view.by_server.get(server.uuid)):
            continue
        now = view.expected(server.uuid, kept=False)
        kept = view.expected(server.uuid, kept=True)
        if now is not None and kept is not None:
            yield server, guest, now, kept


def has_unclaimed(view: view_.View) -> _Found:
    """Find devices that run in a guest and that its server does not claim."""
    for server, guest, now, _ in _of_servers(view):
        if guest.runs:
            for device in sorted((guest.has & view.ours) - now):
                yield _of_device(
                    'guest-has-unclaimed',
                    device,
                    server.uuid,
                    ('libvirt', 'the guest runs with it'),
                    ('Nova', 'its server has not claimed it'),
                )


def lacks_claimed(view: view_.View) -> _Found:
    """Find devices that a server claims and its running guest lacks."""
    for server, guest, now, _ in _of_servers(view):
        if guest.runs:
            for device in sorted(now - guest.has):
                yield _of_device(
                    'guest-lacks-claimed',
                    device,
                    server.uuid,
                    ('libvirt', 'the guest runs without it'),
                    ('Nova', 'its server has claimed it'),
                )


def definition_differs(view: view_.View) -> _Found:
    """Find guests whose next start would be with other devices.

    One that is off may be the other side of a move. Nova defines a guest
    anew before it starts it by itself, but not for a soft reboot.
    """
    for server, guest, now, kept in _of_servers(view):
        if guest.defined is None or server.vm_state == _SUSPENDED:
            continue
        defined = guest.defined & (view.ours | now | kept)
        fitting = [now] if guest.runs else [now, kept]
        if defined not in fitting:
            yield disagreement.Disagreement(
                'definition-differs',
                _listed(defined ^ now),
                server.uuid,
                (
                    ('libvirt', f'defined with {_listed(defined)}'),
                    ('Nova', f'claimed {_listed(now)}'),
                ),
                _By.OPERATOR,
                f'openstack server reboot --hard {server.uuid}',
            )


def active_without_guest(view: view_.View) -> _Found:
    """Find servers that Nova calls ACTIVE and whose guest does not run."""
    for server in (view.sides.servers or {}).values():
        has_any = any(
            not held.is_kept for held in view.by_server.get(server.uuid, ())
        )
        if not (
            server.is_here
            and server.is_settled
            and server.vm_state in _ACTIVE
            and has_any
        ):
            continue
        guest = view.guest_of.get(server.uuid)
        if guest is None or not guest.runs:
            yield disagreement.Disagreement(
                'active-without-guest',
                view.sides.host,
                server.uuid,
                (
                    ('Nova', server.vm_state),
                    ('libvirt', 'no guest' if guest is None else 'off'),
                ),
                _By.OPERATOR,
                "Nova's _sync_power_states calls it stopped within "
                '[DEFAULT]sync_power_state_interval; start it then, or now: '
                f'openstack server reboot --hard {server.uuid}',
            )


def in_two_guests(view: view_.View) -> _Found:
    """Find devices that two guests have, running or defined."""
    strangers = {g.uuid for g in view.guests if view.server(g.uuid) is None}
    for device, guests in view.users.items():
        known = [guest for guest in guests if guest not in strangers]
        if len(guests) > 1 and device in view.ours and view.are_settled(known):
            yield disagreement.Disagreement(
                'device-in-two-guests',
                device,
                ' '.join(sorted(guests)),
                (('libvirt', f'{len(guests)} guests have it'),),
                _By.OPERATOR,
                'see which server claims it; hard-reboot the other one, or '
                'virsh undefine what is no server',
            )


def orphan(view: view_.View) -> _Found:
    """Find guests of no server of this host that have something of ours."""
    for guest in view.guests:
        server = view.server(guest.uuid)
        if server is not None and (
            not server.is_settled
            or server.is_here
            or view.by_server.get(guest.uuid)
        ):
            continue
        has = (guest.has | (guest.defined or frozenset())) & view.ours
        if not has:
            continue
        if server is None:
            says, remedy = (
                'it knows no such server in this cell',
                'who made it decides: virsh dumpxml it; keep the card from '
                'Nova with [gpuvirt]exclude, or end it and virsh undefine it',
            )
        else:
            says, remedy = (
                'its server is deleted'
                if server.is_deleted
                else f'its server is on {server.host or "no host"}',
                'after a move that broke off it may be the only copy: see '
                f'openstack server show {guest.uuid}, and whether it has a '
                f'guest there; if so: virsh destroy {guest.uuid}, virsh '
                f'undefine --nvram {guest.uuid}',
            )
        yield disagreement.Disagreement(
            'orphan-guest',
            _listed(has),
            guest.uuid,
            (
                ('libvirt', 'it runs' if guest.runs else 'it is defined'),
                ('Nova', says),
            ),
            _By.OPERATOR,
            remedy,
        )


def _of_device(
    rule: str, device: str, server: str, *says: tuple[str, str]
) -> disagreement.Disagreement:
    return disagreement.Disagreement(
        rule,
        device,
        server,
        says,
        _By.OPERATOR,
        f'openstack server reboot --hard {server}',
    )


def _listed(devices: frozenset[str]) -> str:
    return ' '.join(sorted(devices)) or 'nothing'
