"""Sizes as Intel's drivers, i915 and xe, count them, in bytes."""

from __future__ import annotations

MIB = 1 << 20
GIB = 1 << 30


def down(size: int, unit: int) -> int:
    """Round down to a multiple, and not below 0."""
    return max(0, size - size % unit)


def up(size: int, unit: int) -> int:
    """Round up to a multiple."""
    return size + -size % unit
