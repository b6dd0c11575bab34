"""The ``key : value`` lines that NVIDIA's command prints."""

from __future__ import annotations


def settings(text: str) -> dict[str, str]:
    """Read ``key : value`` lines; of a key that repeats, the first counts."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(':')
        if colon and key.strip():
            found.setdefault(key.strip(), value.strip())
    return found
