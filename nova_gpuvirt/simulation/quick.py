"""What makes Nova's harness quick, and changes nothing that a test sees.

Nova's harness makes the databases anew for each test, and looks at a server
twice a second. What is the same for each test is kept here for the process.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import threading
import time
import types
from collections.abc import Iterator
from typing import Any

import fixtures
import jsonschema
import sqlalchemy
from nova.api.openstack.compute import routes
from nova.compute import api
from sqlalchemy import pool
from sqlalchemy import util
from sqlalchemy.dialects.sqlite import pysqlite

# How often the harness looks, in seconds; by itself each half second.
# Each look takes a fifth of that of the processor.
PAUSE = 0.1
# The statements of Nova and Placement, compiled: some hundreds.
_compiled: Any = util.LRUCache(5000)
# The schemas that were found right, by their ids.
_checked: dict[int, Any] = {}
# How many more objects there may be until Python looks for garbage, 700 by
# itself.
_GARBAGE = 100_000


class _Unbounded(pool.QueuePool):
    """Keeps connections, and lets each thread have its own.

    With a bound, threads that hold one of each database wait for each other.
    """

    def __init__(self, creator: Any, **kwargs: Any) -> None:
        super().__init__(creator, **kwargs | {'max_overflow': -1})


class Quick(fixtures.Fixture):
    """Keep what is dear to make, and look often."""

    def _setUp(self) -> None:  # noqa: N802 (the base class's name)
        self._keep_connections()
        self._keep_statements()
        self._make_one_compute_api()
        self._check_schemas_once()
        self._collect_rarely()
        self._look_often()

    def _keep_connections(self) -> None:
        """Keep connections to databases, as Nova does in production.

        oslo.db opens a file of SQLite anew for each transaction, which takes
        a quarter of a test's time.
        """
        self.useFixture(
            fixtures.MonkeyPatch('sqlalchemy.pool.NullPool', _Unbounded)
        )

    def _keep_statements(self) -> None:
        """Compile a statement once, and not once for each database.

        SQLAlchemy finds what it has compiled by the dialect too, of which
        each database has its own.
        """
        create_engine = sqlalchemy.create_engine

        def create(*args: Any, **kwargs: Any) -> sqlalchemy.Engine:
            return create_engine(
                *args,
                execution_options={'compiled_cache': _compiled},
                **kwargs,
            )

        dialect = pysqlite.SQLiteDialect_pysqlite
        for owner, name, new in (
            (sqlalchemy, 'create_engine', create),
            (dialect, '__eq__', lambda one, other: type(one) is type(other)),
            (dialect, '__hash__', lambda one: hash(type(one))),
        ):
            self.useFixture(fixtures.MockPatchObject(owner, name, new))

    def _make_one_compute_api(self) -> None:
        """Give all controllers of Nova's API one compute API.

        Nova makes a controller for each route and method, and with each a
        compute API, which takes a fourteenth of a test's time.
        """
        original = routes.APIRouterV21.__init__

        def init(router: Any, *args: Any, **kwargs: Any) -> None:
            shared = functools.cache(api.API)
            with fixtures.MonkeyPatch('nova.compute.api.API', shared):
                original(router, *args, **kwargs)

        self.useFixture(
            fixtures.MockPatchObject(routes.APIRouterV21, '__init__', init)
        )

    def _check_schemas_once(self) -> None:
        """Check a schema of Placement's once, and not with each request."""
        validator = jsonschema.Draft202012Validator
        original = validator.check_schema

        def check(schema: Any, **kwargs: Any) -> None:
            if _checked.get(id(schema)) is not schema:
                original(schema, **kwargs)
                _checked[id(schema)] = schema

        self.useFixture(
            fixtures.MockPatchObject(validator, 'check_schema', check)
        )

    def _collect_rarely(self) -> None:
        """Look for garbage seldom: it takes a twelfth of a test's time."""
        before = gc.get_threshold()
        self.addCleanup(gc.set_threshold, *before)
        gc.set_threshold(_GARBAGE, *before[1:])

    def _look_often(self) -> None:
        self._often = threading.local()

        def sleep(seconds: float) -> None:
            is_often = getattr(self._often, 'is_meant', False)
            time.sleep(PAUSE if is_often else seconds)

        self.useFixture(
            fixtures.MonkeyPatch(
                'nova.tests.functional.integrated_helpers.time',
                types.SimpleNamespace(sleep=sleep),
            )
        )

    @contextlib.contextmanager
    def often(self) -> Iterator[None]:
        """Look often in this thread, as many times as the harness does."""
        self._often.is_meant = True
        try:
            yield
        finally:
            self._often.is_meant = False
