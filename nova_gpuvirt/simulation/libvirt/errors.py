"""The errors of a simulated libvirt."""

from __future__ import annotations

from nova.tests.fixtures import libvirt as fakelibvirt


def error(code: int, message: str) -> Exception:
    """Make an error of libvirt's, as of QEMU's driver."""
    made: Exception = fakelibvirt.make_libvirtError(
        fakelibvirt.libvirtError,
        message,
        error_code=code,
        error_message=message,
        error_domain=fakelibvirt.VIR_FROM_QEMU,
    )
    return made
