"""The options of the tests, in the group [gpuvirt] of tempest.conf."""

from __future__ import annotations

from oslo_config import cfg

_GROUP = cfg.OptGroup('gpuvirt', title='GPUs for servers')

_OPTS = [
    cfg.ListOpt(
        'flavors',
        default=[],
        help="""
Flavors that ask for GPUs, by name or id.

Each test runs with each of them, one after the other. None of the tests runs
without any.

Possible values: ``gpu.vgpu,gpu.whole``
""",
    ),
    cfg.StrOpt(
        'resize_flavor',
        help="""
The flavor that servers are resized to, by name or id.

It may have other GPUs, or none; its disk must be no smaller than that of the
flavors. Nothing is resized without it.
""",
    ),
    cfg.IntOpt(
        'exhaust_at_most',
        default=8,
        min=0,
        help="""
How many servers may be booted to use up all GPUs that fit a flavor.

A flavor of which more servers fit is not exhausted. 0 exhausts none.
""",
    ),
    cfg.IntOpt(
        'build_timeout',
        default=300,
        min=1,
        help="""
How many seconds a server with a GPU may take to reach the state that is
waited for, and Placement to say so.

What a resized server had is reported by Nova's next periodic update, so this
must be more than ``[DEFAULT]update_resources_interval`` of nova.conf.
""",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make the options known to a configuration."""
    conf.register_group(_GROUP)
    conf.register_opts(_OPTS, group=_GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """List the options by the name of their group."""
    return [(_GROUP.name, _OPTS)]
