"""The folder in which Nova's loader finds our driver.

Nova loads ``nova.virt.<compute_driver>`` and nothing else. This package must
not ship a ``nova`` directory, which would break an editable Nova; so this
folder is added to where Nova looks.
"""

import nova.virt


def extend() -> None:
    """Let ``compute_driver = gpuvirt.GpuLibvirtDriver`` be found."""
    for folder in __path__:
        if folder not in nova.virt.__path__:
            nova.virt.__path__.append(folder)
