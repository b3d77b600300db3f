"""Scripts that the pages load: MathJax, RequireJS, the widgets' own, and one that sorts tables.

They are fetched when the site is built so that a page asks nobody else for them.
"""

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from deca_nb.files import replacing

BUILD = Path(__file__).parent / "_build"
CACHE, STATIC = BUILD / "npm", BUILD / "static"
PACKAGES = {
    "mathjax@3.2.2": {"es5/tex-svg-full.js": "mathjax/tex-svg-full.js"},
    "requirejs@2.3.8": {"require.js": "require.js"},
    "@jupyter-widgets/html-manager@1.0.15": {"dist/embed-amd.js": "html-manager/embed-amd.js"},
    "sortable-tablesort@4.1.7": {
        "dist/sortable.min.js": "sortable/sortable.min.js",
        "dist/sortable.a11y.min.js": "sortable/sortable.a11y.min.js",
        "dist/sortable-base.min.css": "sortable/sortable-base.min.css",
    },
}
ANYWIDGET = Path(sys.prefix) / "share/jupyter/nbextensions/anywidget/index.js"


def fetch(package: str, files: dict[str, str]):
    """Keep some files of a package of npm's, and none of the packages that it would need to run elsewhere."""
    if shutil.which("npm") is None:
        sys.exit(
            "docs: npm is needed to fetch MathJax and the widgets' scripts; install Node.js, which brings it."
        )
    with tempfile.TemporaryDirectory() as temporary:
        packed = subprocess.run(
            ["npm", "pack", "--json", package],
            cwd=temporary,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=300,
        )
        with tarfile.open(Path(temporary) / json.loads(packed.stdout)[0]["filename"]) as archive:
            for member in files:
                write(CACHE / package / member, archive.extractfile(f"package/{member}").read())


def write(target: Path, content: bytes):
    """A file and the folders that it lies in, whole or not at all."""
    with replacing(target) as draft:
        draft.write_bytes(content)


def vendor():
    """Every script where Sphinx takes it from; what was fetched once stays."""
    for package, files in PACKAGES.items():
        if not all((CACHE / package / member).exists() for member in files):
            fetch(package, files)
        for member, target in files.items():
            write(STATIC / target, (CACHE / package / member).read_bytes())
    write(STATIC / "anywidget" / "index.js", ANYWIDGET.read_bytes())
