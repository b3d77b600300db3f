"""The configuration of the site; docs/build.py runs Sphinx with it."""

import importlib
import pkgutil
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "tools"))

from notebooks import HOUSE
from vendor import STATIC

import deca_nb

for module in pkgutil.iter_modules(
    deca_nb.__path__, "deca_nb."
):  # a chapter may add methods to an earlier one's class
    importlib.import_module(module.name)

project, author, release = HOUSE["lib_name"], HOUSE["author"], HOUSE["version"]
copyright = f"{author}, Apache-2.0"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "api",
]
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!deca_nb\.).*")]  # other libraries have pages of their own
highlight_language = "text"
suppress_warnings = ["myst.header"]  # a chapter may put a small heading under a large one

# Chapters.
nb_execution_mode = "off"
nb_output_stderr = "remove"
nb_merge_streams = True
nb_ipywidgets_js = {script: {} for script in ("require.js", "req-config.js", "html-manager/embed-amd.js")}
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "attrs_inline"]
myst_heading_anchors = 4

# API.
autodoc_typehints_format = "short"
maximum_signature_line_length = 110

# Pages.
html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["static", str(STATIC)]
html_css_files = ["sortable/sortable-base.min.css", "site.css"]
html_js_files = ["site.js", "sortable/sortable.min.js", "sortable/sortable.a11y.min.js"]
html_use_index = html_domain_indices = False  # the search knows every name
html_copy_source = html_show_sourcelink = html_show_sphinx = False
mathjax_path = "mathjax/tex-svg-full.js"
mathjax_options = {
    "async": "async"
}  # else the browser goes to the linked place late, though a reader has moved on
mathjax3_config = {"options": {"enableMenu": False}, "svg": {"fontCache": "local"}}
pygments_style, pygments_dark_style = "tango", "github-dark"
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#005a8e",
        "color-brand-content": "#005a8e",
        "color-brand-visited": "#6a3d7c",
    },
    "dark_css_variables": {
        "color-brand-primary": "#6cb8e6",
        "color-brand-content": "#6cb8e6",
        "color-brand-visited": "#c9a0dc",
    },
}
