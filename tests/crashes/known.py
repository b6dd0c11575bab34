"""What Nova itself leaves when its nova-compute is killed, and why."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Left:
    """A state that Nova leaves, in which Placement has more than is claimed.

    :ivar name: what it is
    :ivar cause: where in Nova it comes from
    :ivar remedy: what an operator does
    :ivar is_so: tells whether a server is in it
    """

    name: str
    cause: str
    remedy: str
    is_so: Callable


KNOWN = (
    Left(
        'a build that was interrupted before its claim',
        'ComputeManager._error_out_instances_whose_build_was_interrupted '
        'or _init_instance sets it to ERROR when nova-compute starts, and '
        'its allocation stays until it is deleted; '
        "ResourceTracker.instance_claim saves the server's host before what "
        'it has claimed',
        'openstack server delete',
        lambda case, server: (
            server['status'] == 'ERROR' and not case.claims(server)
        ),
    ),
)


def find(case, server):
    """Find what Nova leaves of a server, None where it leaves nothing."""
    found = server and case.found(server)
    return next((k for k in KNOWN if found and k.is_so(case, found)), None)
