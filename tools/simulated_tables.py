"""Write what `nova-gpuvirt discover` shows of each simulated host.

usage: tools/simulated_tables.py

It writes doc/source/cli/simulated-hosts.rst.
"""

import contextlib
import io
import pathlib
import textwrap

from nova_gpuvirt.cli import shell
from nova_gpuvirt.simulation import hosts

PAGE = pathlib.Path(__file__).parents[1] / 'doc/source/cli/simulated-hosts.rst'

_COLUMNS = 80
_TITLE = 'Simulated hosts, as discover shows them'
_BEGINNING = f"""\
.. tools/simulated_tables.py writes this: "make tables".

{'=' * len(_TITLE)}
{_TITLE}
{'=' * len(_TITLE)}

What ``nova-gpuvirt discover --simulate HOST`` prints at {_COLUMNS} columns, of
each host that ``nova-gpuvirt simulate --list`` lists.
"""


def page() -> str:
    """Write the whole page."""
    return '\n'.join([_BEGINNING, *map(_section, hosts.names())])


def _section(name: str) -> str:
    about = hosts.about(name)
    return f"""\
{name}
{'-' * len(name)}

{textwrap.fill(about[0].upper() + about[1:] + '.', 79)}

.. code-block:: text

{textwrap.indent(_shown(name), '   ')}"""


def _shown(name: str) -> str:
    """Run the command, and take the table, or why there is none."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        shell.main(['discover', '--simulate', name, f'--max-width={_COLUMNS}'])
    return (out.getvalue().strip() or err.getvalue().strip()) + '\n'


if __name__ == '__main__':
    PAGE.write_text(page())
