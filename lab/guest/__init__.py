"""A guest that says on its serial console what it has, and nothing else.

A kernel of Debian's, and an initrd with busybox. It boots in seconds where
nothing speeds QEMU up, and needs no disk.
"""
