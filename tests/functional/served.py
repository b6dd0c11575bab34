"""The APIs of the functional tests' cloud, served over HTTP.

Clients that are not the harness's own can so be run as they are. Whoever
asks is the administrator.
"""

import pathlib
import socketserver
import threading
from wsgiref import simple_server

import fixtures
import yaml
from placement import deploy

_ADMIN = {
    'HTTP_X_AUTH_TOKEN': 'admin',
    'HTTP_X_AUTH_USER': 'admin',
    'HTTP_X_AUTH_PROJECT_ID': 'admin',
    'HTTP_X_ROLES': 'reader,member,admin',
}


class _Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True


class _Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass


class Served(fixtures.Fixture):
    """nova-api and Placement of a test, and a clouds.yaml that names them."""

    def __init__(self, case):
        self._case = case

    def _setUp(self):
        nova = self._serve(self._case.api_fixture.app())
        conf = self._case.placement.fixture.conf_fixture.conf
        placement = self._serve(deploy.loadapp(conf))
        folder = self.useFixture(fixtures.TempDir()).path
        clouds = pathlib.Path(folder, 'clouds.yaml')
        clouds.write_text(
            yaml.safe_dump(
                {
                    'clouds': {
                        'served': {
                            'auth_type': 'none',
                            'compute_endpoint_override': f'{nova}/v2.1',
                            'placement_endpoint_override': placement,
                        }
                    }
                }
            )
        )
        for name, value in (
            ('OS_CLIENT_CONFIG_FILE', str(clouds)),
            ('OS_CLOUD', 'served'),
        ):
            self.useFixture(fixtures.EnvironmentVariable(name, value))

    def _serve(self, app):
        """Serve an application on a free port, and return its URL."""

        def as_admin(environ, start_response):
            return app(environ | _ADMIN, start_response)

        server = simple_server.make_server(
            '127.0.0.1', 0, as_admin, _Server, _Quiet
        )
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return f'http://127.0.0.1:{server.server_port}'
