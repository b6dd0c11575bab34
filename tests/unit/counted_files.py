"""A host's files that count what is asked of them."""

from collections import Counter

from nova_gpuvirt.host import files


class CountedFiles(files.OnDisk):
    """The files of a host.

    :ivar reads: how often each was read
    :ivar lists: how often each folder was listed
    """

    def __init__(self, root):
        super().__init__(root)
        self.reads = Counter()
        self.lists = Counter()

    def read(self, path, size=-1):
        self.reads[path] += 1
        return super().read(path, size)

    def names(self, path):
        self.lists[path] += 1
        return super().names(path)
