"""Put something around a function of Nova's or ours."""

from __future__ import annotations

import contextlib
import pkgutil
from collections.abc import Callable
from typing import Any

import fixtures

Around = Callable[[], contextlib.AbstractContextManager[Any]]


def wrap(
    name: str, wrapper_of: Callable[[Any], Callable[..., Any]]
) -> fixtures.MonkeyPatch:
    """Put a wrapper, made of the original, for a function by its full name."""
    owner, _, function = name.rpartition('.')
    original = vars(pkgutil.resolve_name(owner))[function]
    return fixtures.MonkeyPatch(name, wrapper_of(original))


def around(name: str, enter: Around) -> fixtures.MonkeyPatch:
    """Enter a context around each call of a function, by its full name."""

    def wrapper_of(original: Any) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with enter():
                return original(*args, **kwargs)

        return wrapper

    return wrap(name, wrapper_of)
