from nova_gpuvirt import version as version_

project = 'nova-gpuvirt'
copyright = 'nova-gpuvirt contributors'
version = release = version_.version()
extensions = ['openstackdocstheme', 'reno.sphinxext']
html_theme = 'openstackdocs'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
