"""Which functions of the package read what comes from outside.

By a rule, so that a new one is found: those that are called as parsers are,
and those whose first argument is called a text.
"""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator

PACKAGE = pathlib.Path(__file__).parent.parent / 'nova_gpuvirt'

_NAMES = re.compile(r'_*(parse|load|decode|settings|interpreter)s?(_\w+)?')
_ARGUMENTS = frozenset(
    {'data', 'identifier', 'line', 'query', 'raw', 'text', 'xml'}
)
_KINDS = frozenset({'bytes', 'bytes | None', 'str', 'str | None'})
# What their operator types, what is only simulated, and tests of a cloud.
_FOLDERS = frozenset({'cli', 'cmd', 'simulation', 'tempest_plugin'})

PRINT = {
    'cards.vgpu._digest': 'it hashes a text',
    'capture.document._lines': 'it prints an answer',
    'checks.nova_conf._in_memory': 'it keeps a text for oslo.config',
    'layout.export._one_line': 'it prints a text',
    'once.Once.warn': 'it logs a text',
    'paragraph.fill': 'it prints a text',
    'paragraph.lines': 'it prints a text',
    'proof.report._wrapped': 'it prints a text',
}
"""Those that the rule finds and that read nothing, with the reason."""

INSIDE = {
    'capture.document._shown': 'capture.document.parse',
    'capture.secrets.Secrets._plain': 'capture.secrets.Secrets.replace_in',
    'host.pciids.PciIds._load': 'host.pciids.PciIds.parse',
    'layout.document._bytes': 'layout.document.parse',
    'scheduler.fleet._load': 'model.summary_text.load',
    'layout.yaml_lines._refuse_bombs': 'layout.yaml_lines.load',
    'vendors.nvidia_health._fabric': 'vendors.nvidia_health.parse',
    'vendors.nvidia_types._ids': 'vendors.nvidia_types.parse',
    'host.config_space._capabilities': 'host.config_space.parse',
    'host.config_space._extended': 'host.config_space.parse',
}
"""Those that only another one calls, which is fed in their place."""


def found() -> set[str]:
    """List them, as ``folder.module.function`` below the package."""
    return {
        '.'.join((*_module(path), name))
        for path in PACKAGE.rglob('*.py')
        if path.relative_to(PACKAGE).parts[0] not in _FOLDERS
        for name in _in(ast.parse(path.read_text()).body)
    }


def _module(path: pathlib.Path) -> tuple[str, ...]:
    parts = path.relative_to(PACKAGE).with_suffix('').parts
    return parts[:-1] if parts[-1] == '__init__' else parts


def _in(body: list[ast.stmt], above: str = '') -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _in(node.body, f'{above}{node.name}.')
        elif isinstance(node, ast.FunctionDef) and _reads(node):
            yield above + node.name


def _reads(node: ast.FunctionDef) -> bool:
    arguments = [a for a in node.args.args if a.arg not in ('self', 'cls')]
    if not arguments or arguments[0].annotation is None:
        return False
    first = arguments[0]
    kind = ast.unparse(arguments[0].annotation)
    return kind in _KINDS and (
        first.arg in _ARGUMENTS or _NAMES.fullmatch(node.name) is not None
    )
