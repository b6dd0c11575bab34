import os

import setuptools
from setuptools.command import egg_info


def _findall(files, folder='nova_gpuvirt.egg-info'):
    """Look for files only where pbr wants them from.

    Git tells pbr the others. It would look through the whole clone, and
    follow links: those of a tree of Debian in .lab lead to /run and /proc.
    """
    files.allfiles = [
        os.path.join(folder, name)
        for name in (os.listdir(folder) if os.path.isdir(folder) else ())
    ]


egg_info.FileList.findall = _findall

setuptools.setup(setup_requires=['pbr>=6'], pbr=True)
