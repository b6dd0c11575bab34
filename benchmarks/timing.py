"""Time things on a machine that has other things to do as well."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from collections.abc import Mapping


def alternate(
    contestants: Mapping[str, Callable[[], object]], repeats: int
) -> dict[str, list[float]]:
    """Run each in turn, so many times, after one turn that does not count.

    What slows the machine down for a while so slows all of them.

    :returns: by name, the seconds of each run
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repeats + 1):
        for name, run in contestants.items():
            begin = time.perf_counter()
            run()
            took = time.perf_counter() - begin
            if turn:
                seconds[name].append(took)
    return seconds


def medians(
    contestants: Mapping[str, Callable[[], object]], repeats: int
) -> dict[str, float]:
    """Run each in turn, and return the median of its seconds by name."""
    return {
        name: statistics.median(seconds)
        for name, seconds in alternate(contestants, repeats).items()
    }
