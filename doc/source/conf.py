from sphinx.util.docutils import SphinxDirective

from nova_gpuvirt import version as version_
from nova_gpuvirt.proof import questions

project = 'nova-gpuvirt'
copyright = 'nova-gpuvirt contributors'
version = release = version_.version()
extensions = [
    'openstackdocstheme',
    'oslo_config.sphinxext',
    'sphinx.ext.autodoc',
    'sphinx.ext.graphviz',
]
html_theme = 'openstackdocs'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
autodoc_member_order = 'bysource'


class Questions(SphinxDirective):
    """Print what is asked of real hardware."""

    def run(self):
        return self.parse_text_to_nodes(questions.page())


def setup(app):
    app.add_directive('questions', Questions)
