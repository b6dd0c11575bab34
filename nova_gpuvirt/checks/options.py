"""The group [gpuvirt] of nova.conf: whether it can be followed."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TypeVar

from oslo_config import cfg

from nova_gpuvirt import conf as conf_
from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt import opts
from nova_gpuvirt.cards import operator_filter
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import nova_conf
from nova_gpuvirt.host import machine
from nova_gpuvirt.layout import document

_T = TypeVar('_T')
_LAYOUT = 'layout'


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What the group says; what can't be followed is as by default.

    `findings` say what can't be. `layout` is None where it is not known.
    """

    allowed: operator_filter.OperatorFilter
    boot_vga: tuple[str, ...] = ()
    without_reset: tuple[str, ...] = ()
    accelerators: frozenset[model.Ids] = frozenset()
    gpu_modules: Mapping[model.PciAddress, int] = dataclasses.field(
        default_factory=dict
    )
    fabric_manager: str = ''
    api_sessions: int = machine.API_SESSIONS
    api_vulkan: bool = False
    layout: str | None = str(document.PLACE)
    findings: tuple[finding.Finding, ...] = ()


def of(nova: nova_conf.NovaConf) -> Options:
    """Read the group, by the code that nova-compute reads it with."""
    found = [*_unknown(nova)]
    conf = nova.values
    with ExitStack() as stack:
        for opt in opts.OPTS:
            try:
                conf[opts.GROUP][opt.name]
            except ValueError as error:
                found.append(_wrong(opt.name, error.__context__ or error))
                _leave_out(opt.name, conf, stack)
            except cfg.Error as error:
                found.append(_unresolved(opt.name, error))
                _leave_out(opt.name, conf, stack)

        allowed = _read(conf_.operator_filter, conf, found, stack)
        boot_vga = _read(conf_.boot_vga, conf, found, stack)
        accelerators = _read(conf_.accelerators, conf, found, stack)
        without_reset = _read(conf_.without_reset, conf, found, stack)
        modules = _read(conf_.gpu_modules, conf, found, stack)
        _read(conf_.typical_requests, conf, found, stack)
        if conf.gpuvirt.sysfs_root != '/':
            found.append(
                finding.warning(
                    f'[gpuvirt]sysfs_root is {conf.gpuvirt.sysfs_root}, so '
                    "nova-compute does not look at this host's cards",
                    'take it out: it is for trials with a simulated host',
                )
            )
        return Options(
            allowed,
            boot_vga,
            without_reset,
            accelerators,
            modules,
            conf.gpuvirt.fabric_manager,
            conf.gpuvirt.api_sessions,
            conf.gpuvirt.api_vulkan,
            conf.gpuvirt.layout,
            tuple(found),
        )


def _leave_out(name: str, conf: cfg.ConfigOpts, stack: ExitStack) -> None:
    """Let an option be as by default.

    :param stack: lets it be as it is again
    """
    opt = next(o for o in opts.OPTS if o.name == name)
    default = None if name == _LAYOUT else opt.default
    conf.set_override(name, default, opts.GROUP)
    stack.callback(conf.clear_override, name, opts.GROUP)


def _read(
    read: Callable[[cfg.ConfigOpts], _T],
    conf: cfg.ConfigOpts,
    found: list[finding.Finding],
    stack: ExitStack,
) -> _T:
    """Read what options mean; one that can't be meant is as by default."""
    while True:
        try:
            return read(conf)
        except exception.InvalidOption as error:
            found.append(finding.failure(error.without_remedy, error.remedy))
            name = error.device.removeprefix(f'[{opts.GROUP}]')
            _leave_out(name, conf, stack)


@finding.or_passed('each option of [gpuvirt] can be followed')
def findings(options: Options) -> Iterator[finding.Finding]:
    """Say what of the group can't be followed."""
    yield from options.findings


def _unknown(nova: nova_conf.NovaConf) -> Iterator[finding.Finding]:
    known = [opt.name for opt in opts.OPTS]
    for name in sorted(nova.names.get(opts.GROUP, ())):
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, 1)
        yield finding.warning(
            f'[gpuvirt]{name} is no option, and nobody reads it',
            _meant(near) + 'take it out',
        )


def _meant(near: Collection[str]) -> str:
    return ''.join(f'write {name} if that is meant, or ' for name in near)


def _wrong(name: str, why: BaseException) -> finding.Finding:
    return finding.failure(
        f'[gpuvirt]{name} can not be followed: {why}',
        'see the sample of nova.conf for its values: nova-compute does not '
        'start with this one',
    )


def _unresolved(name: str, why: cfg.Error) -> finding.Finding:
    return finding.warning(
        f'[gpuvirt]{name} refers to an option that no file here sets: {why}',
        'write what is meant, for it to be checked',
    )
