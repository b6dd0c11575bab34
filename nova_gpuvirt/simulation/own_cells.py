"""Let each thread of a cloud in one process have its own cell.

Nova's harness has one cell for the process, behind a lock, and a lock for the
writes to each database. Where many requests come at once, threads that have
one of the two and wait for the other wait for each other without end.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import fixtures
from nova.tests import fixtures as nova_fixtures


class OwnCells(fixtures.Fixture):
    """Let a thread read the cell that it has targeted, else the default one.

    That is what each service of Nova's does: conductor and API target a cell,
    and nova-compute has one.
    """

    def _setUp(self) -> None:  # noqa: N802 (the base class's name)
        of_thread = threading.local()

        @contextlib.contextmanager
        def target_cell(
            databases: Any, context: Any, mapping: Any
        ) -> Iterator[Any]:
            before = getattr(of_thread, 'database', None)
            of_thread.database = mapping and databases._ctxt_mgrs.get(
                mapping.database_connection
            )
            try:
                with databases._real_target_cell(context, mapping) as target:
                    yield target
            finally:
                of_thread.database = before

        def of_context(databases: Any, context: Any) -> Any:
            return (
                getattr(context, 'db_connection', None)
                or getattr(of_thread, 'database', None)
                or databases._default_ctxt_mgr
            )

        for name, stand_in in (
            ('_wrap_target_cell', target_cell),
            ('_wrap_get_context_manager', of_context),
        ):
            self.useFixture(
                fixtures.MockPatchObject(
                    nova_fixtures.CellDatabases, name, stand_in
                )
            )
