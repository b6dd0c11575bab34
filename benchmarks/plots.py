"""Draw plots, as PNG."""

from __future__ import annotations

import pathlib

import matplotlib

# Without a screen. It has to be said before pyplot is imported.
matplotlib.use('Agg')

from matplotlib import pyplot

from benchmarks import table


def draw(plot: table.Plot, folder: pathlib.Path) -> pathlib.Path:
    """Draw a plot into a folder and return the file."""
    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout='constrained')
    for curve in plot.curves:
        axes.plot(*zip(*curve.points, strict=True), 'o-', label=curve.label)
    axes.set(title=plot.title, xlabel=plot.x, ylabel=plot.y)
    if plot.log_x:
        axes.set_xscale('log')
    if plot.log_y:
        axes.set_yscale('log')
    else:
        axes.set_ylim(bottom=0)
    axes.grid(True, which='major', alpha=0.3)
    axes.legend()
    path = folder / f'{plot.name}.png'
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path
