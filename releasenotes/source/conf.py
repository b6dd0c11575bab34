project = 'nova-gpuvirt'
copyright = 'nova-gpuvirt contributors'
extensions = ['openstackdocstheme', 'reno.sphinxext']
html_theme = 'openstackdocs'
openstackdocs_auto_name = False
