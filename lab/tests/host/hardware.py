"""What the virtual GPU host's kernel says of its GPUs."""

from __future__ import annotations

import json
import sys
from typing import Any

from lab import commands
from lab.host import places
from lab.host import ssh

# Function by function: its driver, driver_override, and type of vGPU.
_FUNCTIONS = """
for function in /sys/bus/pci/devices/0000:0[1-9a-f]:*; do
    driver=none
    link=$(readlink $function/driver) && driver=${link##*/}
    type=none
    [ ! -e $function/nvidia ] || type=$(cat $function/nvidia/current_vgpu_type)
    echo ${function##*/} $driver $(cat $function/driver_override) $type
done
"""


def functions() -> list[str]:
    """List the functions behind root ports, and who has them."""
    return ssh.run(_FUNCTIONS).splitlines()


def mdevs() -> list[str]:
    """List the mdevs."""
    return ssh.run('ls /sys/bus/mdev/devices').split()


def domains() -> list[str]:
    """List the UUIDs of libvirt's domains, running or not."""
    return ssh.run('virsh list --all --uuid').split()


def discover() -> list[dict[str, Any]]:
    """Ask our command what there is."""
    found = ssh.run('/opt/nova/bin/nova-gpuvirt discover -f json 2>/dev/null')
    listed: list[dict[str, Any]] = json.loads(found)
    return listed


def log_of(domain: str) -> str:
    """Read what the QEMU of a domain said."""
    return ssh.run(f'cat /var/log/libvirt/qemu/{domain}.log')


def card(name: str, state: str) -> None:
    """Let a card fall off the bus (``off``), or come back (``on``)."""
    commands.output(
        *(sys.executable, '-m', 'lab.host', 'card', name, state),
        folder=places.CLONE,
    )
