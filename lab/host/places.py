"""Where everything is: in the folder .lab of the clone, which Git ignores."""

from __future__ import annotations

import pathlib

CLONE = pathlib.Path(__file__).parents[2]
SOURCES = CLONE / 'lab/host'
LAB = CLONE / '.lab'

# What is made once
KEY = LAB / 'key'
QEMU = LAB / 'qemu'
WHEELS = LAB / 'wheels'
DEBIAN = LAB / 'debian'
ROOT = LAB / 'root'
GUEST = LAB / 'guest'
DRAWING_GUEST = LAB / 'drawing-guest'
IMAGE = LAB / 'image'
# Modules of the lab's own, made elsewhere; the image takes what is there.
MODULES = LAB / 'kmod'

# What a running VM has: sockets, process ids, logs
RUN = LAB / 'run'
CONSOLE = RUN / 'console.log'
