"""PCI functions with the identities of real cards, served to QEMU.

They have a card's config space and BARs of plain memory, and nothing behind
these: no driver of the card could drive them.
"""
