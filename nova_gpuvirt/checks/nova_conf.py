"""nova.conf as nova-compute reads it, without Nova, by oslo.config itself.

oslo.config reads nova.conf, then nova-compute.conf, then what is in their
folders ``.conf.d``; a later value replaces an earlier one, unless the option
takes several (oslo_config.cfg, `find_config_files` and `find_config_dirs`).
Before all of them, RDO's unit names nova-dist.conf. Nothing of the files is
shown but values of options that a check is about: others are secrets.
"""

from __future__ import annotations

import dataclasses
import os
import posixpath
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack

from oslo_config import cfg
from oslo_config import iniparser

from nova_gpuvirt import conf as conf_
from nova_gpuvirt import exception
from nova_gpuvirt import opts
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import seen
from nova_gpuvirt.host import files

_DIST = 'usr/share/nova/nova-dist.conf'
_FILES = ('etc/nova/nova.conf', 'etc/nova/nova-compute.conf')
_NAME_IT = 'name the file of nova-compute with --config-file'
_DEFAULT = 'DEFAULT'

# As Nova has them, as far as a check is about them.
_OPTS: Mapping[str, Sequence[cfg.Opt]] = {
    _DEFAULT: (
        cfg.StrOpt('compute_driver', default=''),
        cfg.StrOpt('rootwrap_config', default='/etc/nova/rootwrap.conf'),
    ),
    'devices': (
        cfg.ListOpt(
            'enabled_mdev_types',
            default=[],
            deprecated_name='enabled_vgpu_types',
        ),
    ),
    'filter_scheduler': (
        cfg.MultiStrOpt(
            'available_filters',
            default=['nova.scheduler.filters.all_filters'],
        ),
        cfg.ListOpt('enabled_filters', default=[]),
        cfg.ListOpt('weight_classes', default=[]),
    ),
    'gpuvirt_privileged': (cfg.StrOpt('helper_command', default=''),),
    'pci': (
        cfg.MultiStrOpt(
            'device_spec',
            default=[],
            deprecated_opts=[
                cfg.DeprecatedOpt('passthrough_whitelist', group='pci'),
                cfg.DeprecatedOpt('pci_passthrough_whitelist', group=_DEFAULT),
            ],
        ),
    ),
    'workarounds': (cfg.BoolOpt('disable_rootwrap', default=False),),
}


def _nothing() -> cfg.ConfigOpts:
    return _values((), {})


@dataclasses.dataclass(frozen=True, slots=True)
class NovaConf:
    """What the files say.

    `read` are the files that could be read. `names` are those of the options
    that they set, by group, and `values` what the options come to that a
    check is about. `wrong` are files that oslo.config would refuse, and
    `unseen` those that can't be read, with the reason.
    """

    read: Sequence[str] = ()
    names: Mapping[str, Collection[str]] = dataclasses.field(
        default_factory=dict
    )
    values: cfg.ConfigOpts = dataclasses.field(default_factory=_nothing)
    wrong: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unseen: Mapping[str, str] = dataclasses.field(default_factory=dict)


def of(root: files.Files, named: Sequence[str]) -> NovaConf:
    """Read the files of a host, or those that somebody names.

    :param named: files of this machine, in place of the host's
    """
    if named:
        return load(files.OnDisk(), [*map(os.path.abspath, named)])
    return load(root)


def load(root: files.Files, named: Sequence[str] = ()) -> NovaConf:
    """Read the files that are there.

    :param named: those of nova-compute, if not where they are by default
    :raises InvalidOption: when one of these is not there
    """
    read: list[str] = []
    names: dict[str, set[str]] = {}
    wrong: dict[str, str] = {}
    unseen: dict[str, str] = {}
    places: list[str] = []
    with ExitStack() as stack:
        for path in [n.lstrip('/') for n in named] or _by_default(
            root, unseen
        ):
            try:
                text = seen.text_if_there(root, path, errors='strict')
                if text is None:
                    if named:
                        raise _not_there(path)
                    continue
                place = _in_memory(text, stack)
                of_file = _names(place)
            except finding.Unseen as error:
                unseen[path] = str(error)
            except UnicodeDecodeError as error:
                line = error.object.count(b'\n', 0, error.start) + 1
                wrong[path] = f'line {line}: it is no UTF-8'
            except iniparser.ParseError as error:
                # The line itself may have a secret in it.
                wrong[path] = f'line {error.lineno}: {error.msg}'
            else:
                read.append(path)
                places.append(place)
                for group, options in of_file.items():
                    names.setdefault(group, set()).update(options)
        values = _values(places, names)
    return NovaConf(tuple(read), names, values, wrong, unseen)


def _not_there(path: str) -> exception.InvalidOption:
    return exception.InvalidOption(
        '--config-file',
        wanted='a nova.conf of this machine',
        found=f'no /{path}',
        remedy='write where it is, or leave the option out',
    )


def _in_memory(text: str, stack: ExitStack) -> str:
    """Make a file for oslo.config, on no disk: it may have secrets.

    :param stack: removes it
    """
    file = os.memfd_create('nova.conf', os.MFD_CLOEXEC)
    stack.callback(os.close, file)
    with open(file, 'w', encoding='utf-8', closefd=False) as out:
        out.write(text)
    return f'/proc/self/fd/{file}'


def _names(place: str) -> dict[str, set[str]]:
    """List the options that a file sets, by group as oslo.config has it.

    :raises iniparser.ParseError: for what is no file of options
    """
    sections: dict[str, dict[str, list[str]]] = {}
    cfg.ConfigParser(place, sections).parse()
    names: dict[str, set[str]] = {}
    for section, options in sections.items():
        group = section if section == _DEFAULT else section.lower()
        names.setdefault(group, set()).update(options)
    return names


def _values(
    places: Sequence[str], names: Mapping[str, Collection[str]]
) -> cfg.ConfigOpts:
    """Let oslo.config read files, the last one with the last word."""
    values = cfg.ConfigOpts()
    values(
        [],
        default_config_files=list(places),
        default_config_dirs=[],
        use_env=False,
    )
    conf_.register_opts(values)
    for group, options in _OPTS.items():
        values.register_opts(
            options, group=None if group == _DEFAULT else group
        )
    # A value may refer to others of Nova's, as $instances_path.
    for name in names.get(_DEFAULT, ()):
        if name not in values:
            values.register_opt(cfg.StrOpt(name))
    return values


def text(conf: NovaConf, name: str) -> str:
    """Read an option of [gpuvirt] that is a text.

    :raises Unseen: when it can't be known
    """
    try:
        return str(conf.values[opts.GROUP][name])
    except (ValueError, cfg.Error) as error:
        raise finding.Unseen(
            f'what [gpuvirt]{name} is can not be told: {error}', _NAME_IT
        ) from error


def findings(conf: NovaConf) -> Iterator[finding.Finding]:
    """Say which files were read, and which could not be."""
    for path, why in conf.wrong.items():
        yield finding.failure(
            f'/{path} is no file of options, {why}',
            'put it right: nova-compute does not start with it',
        )
    if conf.unseen:
        yield finding.warning(
            f'{"; ".join(conf.unseen.values())}: what it says is not checked',
            'run nova-gpuvirt check on the host as root, or ' + _NAME_IT,
        )
    if not (conf.read or conf.wrong or conf.unseen):
        yield finding.warning(
            'there is no nova.conf: driver, masters, classes, filters and '
            'options are not checked',
            _NAME_IT,
        )
    if not conf.wrong and not conf.unseen and conf.read:
        names = ', '.join(f'/{path}' for path in conf.read)
        yield finding.passed(f'{names} was read')


def _by_default(root: files.Files, unseen: dict[str, str]) -> Iterator[str]:
    yield _DIST
    yield from _FILES
    for file in _FILES:
        folder = f'{file}.d'
        try:
            names = seen.names(root, folder)
        except finding.Unseen as error:
            unseen[folder] = str(error)
            continue
        for name in names:
            # As its glob *.conf, which leaves hidden ones out.
            if name.endswith('.conf') and not name.startswith('.'):
                yield posixpath.join(folder, name)
