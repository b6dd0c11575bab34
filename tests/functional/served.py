"""The APIs of the functional tests' cloud, served over HTTP.

Clients that are not the harness's own can so be run as they are. Keystone is
a stand-in: it knows one password, and a token is the name of its user.
"""

import json
import pathlib
import socketserver
import threading
from wsgiref import simple_server

import fixtures
import yaml
from keystoneauth1 import fixture as keystone_fixture
from placement import deploy

_PASSWORD = 'served'
_REGION = 'here'
_DENIAL = {
    'error': {
        'code': 401,
        'message': 'The request you have made requires authentication.',
        'title': 'Unauthorized',
    }
}
_ROLES = {'admin': 'reader,member,admin', 'member': 'reader,member'}


class _Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True


class _Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass


class _Keystone:
    """What gives tokens, with a catalog of the other services.

    :param catalog: their URLs, by type
    """

    def __init__(self, catalog):
        self._catalog = catalog

    def __call__(self, environ, start_response):
        size = int(environ['CONTENT_LENGTH'])
        asked = json.loads(environ['wsgi.input'].read(size))
        user = asked['auth']['identity']['password']['user']
        if user['password'] == _PASSWORD:
            status, body = '201 Created', self._token(user['name'])
        else:
            status, body = '401 Unauthorized', _DENIAL
        headers = [
            ('Content-Type', 'application/json'),
            ('X-Subject-Token', user['name']),
        ]
        start_response(status, headers)
        return [json.dumps(body).encode()]

    def _token(self, user):
        token = keystone_fixture.V3Token(user_name=user)
        token.set_project_scope()
        for type_, url in self._catalog.items():
            service = token.add_service(type_)
            service.add_standard_endpoints(public=url, region=_REGION)
        return token


class Served(fixtures.Fixture):
    """The APIs of a test, and a clouds.yaml.

    Its clouds are ``served`` and those that something is wrong with:
    ``stranger`` has another password, ``member`` is no administrator,
    ``elsewhere`` is another region, and at ``nowhere`` no Placement listens.
    """

    def __init__(self, case):
        self._case = case

    def _setUp(self):
        conf = self._case.placement.fixture.conf_fixture.conf
        keystone = self._serve(
            _Keystone(
                {
                    # Above the version, as catalogs may have it
                    'compute': self._serve(
                        _known(self._case.api_fixture.app())
                    ),
                    'placement': self._serve(_known(deploy.loadapp(conf))),
                }
            )
        )

        def cloud(username='admin', password=_PASSWORD, **rest):
            auth = {
                'auth_url': f'{keystone}/v3',
                'username': username,
                'password': password,
                'project_name': username,
                'user_domain_id': 'default',
                'project_domain_id': 'default',
            }
            return {
                'auth_type': 'v3password',
                'auth': auth,
                'region_name': _REGION,
            } | rest

        nowhere = 'http://127.0.0.1:1'
        clouds = {
            'served': cloud(),
            'stranger': cloud(password='guessed'),
            'member': cloud('member'),
            'elsewhere': cloud(region_name='there'),
            'nowhere': cloud(placement_endpoint_override=nowhere),
        }
        folder = self.useFixture(fixtures.TempDir()).path
        file = pathlib.Path(folder, 'clouds.yaml')
        file.write_text(yaml.safe_dump({'clouds': clouds}))
        for name, value in (
            ('OS_CLIENT_CONFIG_FILE', str(file)),
            ('OS_CLOUD', 'served'),
        ):
            self.useFixture(fixtures.EnvironmentVariable(name, value))

    def _serve(self, app):
        """Serve an application on a free port, and return its URL."""
        server = simple_server.make_server(
            '127.0.0.1', 0, app, _Server, _Quiet
        )
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return f'http://127.0.0.1:{server.server_port}'


def _known(app):
    """Say who asks, as keystonemiddleware does."""

    def knowing(environ, start_response):
        user = environ.get('HTTP_X_AUTH_TOKEN')
        if user is None:  # who asks for the versions
            return app(environ, start_response)
        who = {
            'HTTP_X_AUTH_USER': user,
            'HTTP_X_AUTH_PROJECT_ID': user,
            'HTTP_X_ROLES': _ROLES[user],
        }
        return app(environ | who, start_response)

    return knowing
