"""The options of the group [gpuvirt], read as what they mean."""

from __future__ import annotations

import os
import pathlib
import re

from oslo_config import cfg

from nova_gpuvirt import backends
from nova_gpuvirt import exception
from nova_gpuvirt import model
from nova_gpuvirt import opts
from nova_gpuvirt.cards import allow_list
from nova_gpuvirt.cards import operator_filter as operator_filter_
from nova_gpuvirt.cleaning import hook
from nova_gpuvirt.health import ways as ways_
from nova_gpuvirt.model import summary

_ADDRESS_GLOB = re.compile(r'[0-9a-fA-F:.*?\[\]!-]+|renderD[0-9*?]+')


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make the options known to a configuration."""
    conf.register_group(cfg.OptGroup(opts.GROUP, title='GPUs for guests'))
    conf.register_opts(opts.OPTS, group=opts.GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """List the options for oslo-config-generator."""
    return [(opts.GROUP, opts.OPTS)]


def sysfs_root(conf: cfg.ConfigOpts) -> pathlib.Path:
    """Read where the host's sysfs is.

    :raises InvalidOption: when there is none
    """
    root = pathlib.Path(conf.gpuvirt.sysfs_root)
    if not (root / 'sys').is_dir():
        raise exception.InvalidOption(
            '[gpuvirt]sysfs_root',
            wanted='a folder that holds "sys"',
            found=repr(str(root)),
            remedy='leave the option out, to use this host',
        )
    return root


def operator_filter(conf: cfg.ConfigOpts) -> operator_filter_.OperatorFilter:
    """Read what the operator wants.

    :raises InvalidOption: when a value can't be meant
    """
    exclude = _addresses(conf, 'exclude')
    for option in ('profiles', 'default_profile'):
        if not all(conf.gpuvirt[option]):
            raise exception.InvalidOption(
                f'[gpuvirt]{option}',
                wanted='names of profiles, or globs of them',
                found=repr(','.join(conf.gpuvirt[option])),
                remedy='see `nova-gpuvirt discover` for the profiles',
            )
    return operator_filter_.OperatorFilter(
        kinds=tuple(_kind(word) for word in conf.gpuvirt.kinds),
        exclude=exclude,
        profiles=tuple(conf.gpuvirt.profiles),
        default_profile=tuple(conf.gpuvirt.default_profile),
    )


def boot_vga(conf: cfg.ConfigOpts) -> tuple[str, ...]:
    """Read which boot VGAs guests may have.

    :raises InvalidOption: when a value can't be meant
    """
    return _addresses(conf, 'boot_vga')


def accelerators(conf: cfg.ConfigOpts) -> frozenset[model.Ids]:
    """Read what is offered though it is no GPU, by vendor and device.

    :raises InvalidOption: when a value can't be meant
    """
    try:
        return frozenset(map(allow_list.parse, conf.gpuvirt.accelerators))
    except ValueError as error:
        raise exception.InvalidOption(
            '[gpuvirt]accelerators',
            wanted='vendors and devices such as 10ee:5004',
            found=str(error),
            remedy='see `lspci -n` for the numbers',
        ) from error


def without_reset(conf: cfg.ConfigOpts) -> tuple[str, ...]:
    """Read which cards guests may have though nothing resets them.

    :raises InvalidOption: when a value can't be meant
    """
    return _addresses(conf, 'without_reset')


def ways(conf: cfg.ConfigOpts) -> ways_.Ways:
    """Read how what guests had is cleaned.

    :raises InvalidOption: when a value can't be meant
    """
    chosen = {}
    for kind, way in conf.gpuvirt.clean.items():
        try:
            chosen[kind] = ways_.Way(way.strip())
        except ValueError:
            chosen = {}
        if kind not in ways_.KINDS or kind not in chosen:
            raise exception.InvalidOption(
                '[gpuvirt]clean',
                wanted=f'one of {", ".join(ways_.KINDS)}, with one of '
                + ', '.join(each.value for each in ways_.Way),
                found=repr(f'{kind}:{way}'),
                remedy='leave the kind out, for a reset',
            )
    return ways_.Ways(chosen)


def clean_hook(conf: cfg.ConfigOpts) -> hook.Hook | None:
    """Read which program cleans, None where no kind has one.

    :raises InvalidOption: when there is no such program
    """
    if ways_.Way.HOOK not in map(ways(conf).of, ways_.KINDS):
        return None
    program = conf.gpuvirt.clean_hook
    if not program.startswith('/') or not os.access(program, os.X_OK):
        raise exception.InvalidOption(
            '[gpuvirt]clean_hook',
            wanted='the absolute path of a program, for [gpuvirt]clean',
            found=repr(program),
            remedy='name one that the user of nova-compute may run',
        )
    return hook.Hook(program, conf.gpuvirt.clean_hook_seconds)


_TYPICAL = re.compile(r'(\d+) +(\d+) +(\d+)((?: +[A-Z0-9_]+=[1-9]\d*)+)')


def typical_requests(conf: cfg.ConfigOpts) -> dict[summary.Request, int]:
    """Read what requests are typical, and how often each comes.

    :raises InvalidOption: when a value can't be meant
    """
    typical = {}
    for text in conf.gpuvirt.typical_request:
        match = _TYPICAL.fullmatch(text.strip())
        if match is None:
            raise exception.InvalidOption(
                '[gpuvirt]typical_request',
                wanted='how often, VCPUs, MiB and units, as '
                '"20 8 32768 VGPU=1"',
                found=repr(text),
                remedy='leave the option out, to learn from what runs',
            )
        times, vcpus, memory, units = match.groups()
        request = summary.Request(
            int(vcpus),
            int(memory),
            tuple(
                (rc, int(count))
                for rc, _, count in (u.partition('=') for u in units.split())
            ),
        )
        typical[request] = int(times)
    return typical


_WHERE_NUMBERS_ARE = (
    'see the physicalId in `fmpm -l`, or from H100 on the Module Id in '
    '`nvidia-smi -q`'
)


def gpu_modules(conf: cfg.ConfigOpts) -> dict[model.PciAddress, int]:
    """Read the numbers of cards in Fabric Manager.

    :raises InvalidOption: when a value can't be meant
    """
    result = {}
    for item in conf.gpuvirt.gpu_modules:
        address, _, module = item.partition('=')
        try:
            result[model.PciAddress.parse(address)] = int(module)
        except ValueError as error:
            raise exception.InvalidOption(
                '[gpuvirt]gpu_modules',
                wanted='items such as 0000:0f:00.0=5',
                found=repr(item),
                remedy=_WHERE_NUMBERS_ARE,
            ) from error
    if len(set(result.values())) < len(result):
        raise exception.InvalidOption(
            '[gpuvirt]gpu_modules',
            wanted='another number for each card',
            found=repr(','.join(conf.gpuvirt.gpu_modules)),
            remedy=_WHERE_NUMBERS_ARE,
        )
    return result


def _addresses(conf: cfg.ConfigOpts, option: str) -> tuple[str, ...]:
    """Read addresses, or globs of them.

    :raises InvalidOption: when one can't be meant
    """
    for glob in conf.gpuvirt[option]:
        if not _ADDRESS_GLOB.fullmatch(glob):
            raise exception.InvalidOption(
                f'[gpuvirt]{option}',
                wanted='PCI addresses such as 0000:3b:00.0, or globs of them',
                found=repr(glob),
                remedy='see `nova-gpuvirt discover` for the addresses',
            )
    return tuple(conf.gpuvirt[option])


def _kind(word: str) -> str:
    if word not in backends.KINDS:
        raise exception.InvalidOption(
            '[gpuvirt]kinds',
            wanted=', '.join(backends.KINDS),
            found=repr(word),
            remedy='leave the option out, to offer all',
        )
    return word
