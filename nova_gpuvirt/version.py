"""The version of nova-gpuvirt: the package's, and of all that names one."""

from __future__ import annotations

import pbr.version


def version() -> str:
    """Name the version as pip does, ``1.2.3`` or ``1.2.3.dev45``."""
    return str(pbr.version.VersionInfo('nova-gpuvirt').release_string())
