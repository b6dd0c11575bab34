"""What makes Nova's harness quick, and changes nothing that a test sees.

Nova's harness makes the databases anew for each test, and looks at a server
twice a second. What is the same for each test is kept here for the process.
"""

from __future__ import annotations

import contextlib
import threading
import time
import types
from collections.abc import Iterator
from typing import Any

import fixtures
import sqlalchemy
from sqlalchemy import pool
from sqlalchemy import util
from sqlalchemy.dialects.sqlite import pysqlite

# How often the harness looks, in seconds; by itself each half second.
# Each look takes a fifth of that of the processor.
PAUSE = 0.1
# The statements of Nova and Placement, compiled: some hundreds.
_compiled: Any = util.LRUCache(5000)


class Quick(fixtures.Fixture):
    """Keep what is dear to make, and look often."""

    def _setUp(self) -> None:  # noqa: N802 (the base class's name)
        self._keep_connections()
        self._keep_statements()
        self._look_often()

    def _keep_connections(self) -> None:
        """Keep connections to databases, as Nova does in production.

        oslo.db opens a file of SQLite anew for each transaction, which takes
        a quarter of a test's time.
        """
        self.useFixture(
            fixtures.MonkeyPatch('sqlalchemy.pool.NullPool', pool.QueuePool)
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
