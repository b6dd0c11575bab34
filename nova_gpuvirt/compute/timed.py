"""How long our steps take, that Nova's take more: in the log, at DEBUG."""

from __future__ import annotations

from oslo_log import log as logging
from oslo_utils import timeutils

step = timeutils.time_it(
    logging.getLogger(__name__),
    message='%(func_name)s took %(seconds).3f s',
    min_duration=0,
)
