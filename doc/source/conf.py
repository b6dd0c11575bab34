project = 'nova-gpuvirt'
copyright = 'nova-gpuvirt contributors'
extensions = [
    'openstackdocstheme',
    'oslo_config.sphinxext',
    'sphinx.ext.autodoc',
    'sphinx.ext.graphviz',
]
html_theme = 'openstackdocs'
openstackdocs_auto_name = False
autodoc_member_order = 'bysource'
