"""The scheduler's filters and weighers of nova-gpuvirt, if there are any."""

from __future__ import annotations

import importlib
import importlib.util
import inspect

_PACKAGE = 'nova_gpuvirt.scheduler'


def filters() -> list[str]:
    """List our filters, as dotted paths."""
    return _classes('filters', 'Filter')


def weighers() -> list[str]:
    """List our weighers, as dotted paths."""
    return _classes('weighers', 'Weigher')


def _classes(module_name: str, ending: str) -> list[str]:
    name = f'{_PACKAGE}.{module_name}'
    if not (
        importlib.util.find_spec(_PACKAGE) and importlib.util.find_spec(name)
    ):
        return []
    module = importlib.import_module(name)
    return [
        f'{name}.{class_name}'
        for class_name, found in inspect.getmembers(module, inspect.isclass)
        if found.__module__ == name and class_name.endswith(ending)
    ]
