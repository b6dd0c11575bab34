"""What nova-compute is killed in: the beginning, the act, and its end."""

import contextlib

from nova_gpuvirt.simulation.apart import orders

# What a server is in when nobody does anything with it any more.
_SETTLED = ('ACTIVE', 'ERROR', 'VERIFY_RESIZE', 'SHUTOFF')


class Operation:
    """One thing that a user or an operator does.

    :cvar hosts: the hosts that it takes
    """

    hosts = ('host1',)

    def is_for(self, kind):
        """Whether it can be done with a kind of GPU."""
        return True

    def begin(self, case):
        """Do what comes before, and return the server."""
        return case.boot(case.kind.spec, host='host1')

    def act(self, case, server):
        """Ask for it, and return the server; nobody waits."""
        raise NotImplementedError

    def is_over(self, case, server):
        """Whether nothing is done for it any more."""
        found = case.found(server)
        return (
            found is not None
            and found['status'] in _SETTLED
            and found['OS-EXT-STS:task_state'] is None
        )

    def undo(self, case):
        """Undo what it has done beside the server's."""


class Boot(Operation):
    """A server is built."""

    def begin(self, case):
        """Have no server yet."""

    def act(self, case, server):
        """Ask for a server."""
        return case.ask_for_server('host1')


class Delete(Operation):
    """A server is deleted, and what it had is cleaned."""

    def act(self, case, server):
        """Ask for it."""
        case.api.delete_server(server['id'])
        return server

    def is_over(self, case, server):
        """Whether it is gone, and what it had is clean."""
        return case.found(server) is None and not case.is_dirty('host1')


class HardReboot(Operation):
    """A server is rebooted hard: its guest is undefined and made anew."""

    def act(self, case, server):
        """Ask for it."""
        case.api.post_server_action(server['id'], {'reboot': {'type': 'HARD'}})
        return server


class Start(Operation):
    """nova-compute itself starts, with a server on its host."""

    def act(self, case, server):
        """Start it anew."""
        with contextlib.suppress(orders.Failed):
            case.restart_compute_service('host1')
        return server


class Migrate(Operation):
    """A server is migrated cold, to another host."""

    hosts = ('host1', 'host2')

    def act(self, case, server):
        """Ask for it."""
        case.api.post_server_action(server['id'], {'migrate': None})
        return server


class _Migrated(Operation):
    """What a user does with a migrated server."""

    hosts = ('host1', 'host2')
    action = ''

    def begin(self, case):
        """Boot and migrate a server."""
        return case._migrate_server(super().begin(case))

    def act(self, case, server):
        """Ask for it."""
        case.api.post_server_action(server['id'], {self.action: None})
        return server

    def is_over(self, case, server):
        """Whether the server is where it stays."""
        found = case.found(server)
        return found['status'] in ('ACTIVE', 'ERROR') and super().is_over(
            case, server
        )


class Confirm(_Migrated):
    """A migration is confirmed."""

    action = 'confirmResize'


class Revert(_Migrated):
    """A migration is reverted."""

    action = 'revertResize'


class Resize(Operation):
    """A server is resized on its host."""

    def act(self, case, server):
        """Ask for it."""
        flavor = case.flavor(case.kind.spec)
        case.api.post_server_action(
            server['id'], {'resize': {'flavorRef': flavor}}
        )
        return server


class Evacuate(Operation):
    """A server is built anew on another host, since its own is down."""

    hosts = ('host1', 'host2')

    def begin(self, case):
        """Boot a server, and take its host's nova-compute away."""
        server = super().begin(case)
        case.computes['host1'].stop()
        case.force_down('host1', True)
        return server

    def act(self, case, server):
        """Ask for it."""
        case.api.post_server_action(server['id'], {'evacuate': {}})
        return server


class Return(Evacuate):
    """The host comes back whose server was evacuated."""

    def begin(self, case):
        """Boot and evacuate a server."""
        server = super().begin(case)
        super().act(case, server)
        case.wait_until(lambda: self.is_over(case, server))
        case.force_down('host1', False)
        return server

    def act(self, case, server):
        """Start the nova-compute of that host."""
        with contextlib.suppress(orders.Failed):
            case.restart_compute_service('host1')
        return server


class Layout(Operation):
    """An operator has changed the layout of an idle host."""

    def is_for(self, kind):
        """Whether such cards can be made something else."""
        return bool(kind.layouts)

    def begin(self, case):
        """Have the host as the first layout says, and no server."""
        case.write_layout('host1', case.kind.layouts[0])
        case.run_periodic('host1')

    def act(self, case, server):
        """Write another, and let nova-compute see it."""
        case.write_layout('host1', case.kind.layouts[1])
        with contextlib.suppress(orders.Failed):
            case.run_periodic('host1')

    def is_over(self, case, server):
        """It is, after the update."""
        return True

    def undo(self, case):
        """Have the host as it was."""
        case.write_layout('host1', case.kind.layouts[0])
        case.run_periodic('host1')


OPERATIONS = {
    'boot': Boot(),
    'delete': Delete(),
    'hard reboot': HardReboot(),
    'start': Start(),
    'resize': Resize(),
    'migrate': Migrate(),
    'confirm': Confirm(),
    'revert': Revert(),
    'evacuate': Evacuate(),
    'return': Return(),
    'layout': Layout(),
}
