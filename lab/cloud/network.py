"""A network service in which there is nothing.

It is not Neutron. It answers what Nova asks for servers without a network:
which ports and networks there are. Each question is in its log.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

_COLLECTION = re.compile(r'/v2\.0/([a-z-]+)')
_EMPTY = frozenset(
    (
        'agents',
        'extensions',
        'floatingips',
        'networks',
        'ports',
        'routers',
        'security-group-rules',
        'security-groups',
        'segments',
        'subnets',
    )
)


def application(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Answer a request (WSGI)."""
    path = environ['PATH_INFO'].rstrip('/')
    status, body = _answer(environ['REQUEST_METHOD'], path, environ)
    print(environ['REQUEST_METHOD'], path, status, file=sys.stderr)
    data = json.dumps(body).encode()
    start_response(
        status,
        [
            ('Content-Type', 'application/json'),
            ('Content-Length', str(len(data))),
        ],
    )
    return [data]


def _answer(
    method: str, path: str, environ: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    collection = _COLLECTION.fullmatch(path)
    if not path:
        link = {'rel': 'self', 'href': f'http://{environ["HTTP_HOST"]}/v2.0/'}
        version = {'id': 'v2.0', 'status': 'CURRENT', 'links': [link]}
        return '200 OK', {'versions': [version]}
    if method == 'GET' and collection and collection[1] in _EMPTY:
        return '200 OK', {collection[1].replace('-', '_'): []}
    if method == 'GET' and path.startswith('/v2.0/quotas/'):
        return '200 OK', {'quota': {}}
    error = {
        'type': 'NotFound',
        'message': f'{method} {path}: this stand-in for Neutron has nothing',
        'detail': '',
    }
    return '404 Not Found', {'NeutronError': error}
