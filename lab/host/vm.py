"""Start the VM and what belongs to it, and end it."""

from __future__ import annotations

import pathlib
import shutil
import sys

from lab import commands
from lab import exception
from lab import ports
from lab import steps
from lab.host import daemons
from lab.host import machine
from lab.host import monitor
from lab.host import places
from lab.host import qemu
from lab.host import resets
from lab.host import ssh

# The slowest start that was seen took 150 s.
_START_SECONDS = 600
_PYTHON = pathlib.Path(sys.executable)


def start() -> None:
    """Start it, and wait until it can be reached.

    :raises LabError: when it does not come up
    """
    if not runs():
        _boot()
    with steps.step('the VM is up'):
        if not ssh.wait(_START_SECONDS, runs):
            raise exception.NotReady(
                f'the VM: wanted an answer of ssh within {_START_SECONDS} s, '
                f'found none; see console.log in {places.RUN}. QEMU said:\n'
                f'{commands.tail(places.RUN / "qemu.log")}'
            )


def _boot() -> None:
    _end()  # what is left where QEMU ended by itself
    shutil.rmtree(places.RUN, ignore_errors=True)
    places.RUN.mkdir()
    port = ports.free()
    places.PORT.write_text(str(port))
    kernel = places.IMAGE / 'vmlinuz'
    with steps.step('is KVM of use?'):
        kvm = qemu.has_kvm(kernel)
    daemons.start(
        'cards',
        _PYTHON,
        *('-m', 'lab.host.vfio_user', '.'),
        environment={'PYTHONPATH': str(places.CLONE)},
    )
    with steps.step(f'QEMU starts, with {"KVM" if kvm else "TCG"}'):
        daemons.start(
            'qemu',
            qemu.LINKER,
            *qemu.arguments(),
            *machine.options(
                str(kernel),
                str(places.IMAGE / 'initrd.gz'),
                str(places.IMAGE / 'disk'),
                str(places.CONSOLE),
                ssh_port=port,
                kvm=kvm,
            ),
            *resets.begin(),
            *monitor.options(),
            environment=qemu.environment(),
        )


def stop() -> None:
    """End it and what belongs to it."""
    if places.RUN.exists():
        with steps.step('the VM is gone'):
            _end()


def _end() -> None:
    ssh.stop_forwards()
    daemons.stop('qemu', qemu.LINKER)
    daemons.stop('cards', _PYTHON)


def runs() -> bool:
    """Say whether it runs."""
    return daemons.runs('qemu', qemu.LINKER)


def join(configuration: str) -> None:
    """Let its nova-compute join a cloud that runs on this machine.

    :param configuration: the nova.conf, with the cloud's addresses and
        passwords; what the host itself is able to is in the VM already
    :raises CommandFailed: when the VM does not take it
    """
    with steps.step('nova-compute has its cloud'):
        ssh.stop_forwards()
        ssh.start_forwards()
        ssh.run(
            'cat > /etc/nova/nova.conf && systemctl restart nova-compute',
            told=configuration,
        )
