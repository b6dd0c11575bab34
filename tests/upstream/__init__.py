# See tests/functional/__init__.py: this has to come before all else of Nova.
import logging

import nova.tests.functional  # noqa: F401

# Nova's thread pools say good-bye when a test's log is closed already, to
# the terminal.
logging.getLogger('nova.thread_pool_factory').setLevel(logging.WARNING)
