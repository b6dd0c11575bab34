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
DRAWING_GUEST = LAB / 'drawing-guest'
IMAGE = LAB / 'image'
# The lab's own kernel module, and the tree that it is compiled in
MODULES = LAB / 'modules'
BUILDER = LAB / 'trees/builder'

# What a running VM has: sockets, process ids, logs
RUN = LAB / 'run'
# The port of this machine that leads to its ssh
PORT = RUN / 'port'
CONSOLE = RUN / 'console.log'
