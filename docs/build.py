"""The site: `python docs/build.py` writes it to docs/_build/html, where index.html opens without a server.

Copies of the chapters, the hand-written pages, and pages made from code and results become the sources of
Sphinx; a warning, a link that leads nowhere or anything that a page would ask of the network is an error.
"""

import shutil
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tools"))

import nbformat
from check import problems
from notebooks import notebook_pages, page, relink
from pages import filled, made_pages
from sphinx.cmd.build import main as sphinx
from vendor import BUILD, vendor

HERE = Path(__file__).parent
ROOT = HERE.parent
SOURCE, HTML = BUILD / "source", BUILD / "html"
SHOWN = {".csv", ".svg", ".png"}  # what the pages take from results/
FROM_ROOT = {f"{name}.md": f"{name.upper()}.md" for name in ("contributing", "changelog", "security")}


def write(name: str, text: str):
    """One source of Sphinx."""
    path = SOURCE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def collect():
    """All sources of Sphinx, anew."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for name, path in notebook_pages().items():
        write(name, nbformat.writes(page(path, name)))
    for path in sorted((HERE / "pages").rglob("*.md")):
        write(path.relative_to(HERE / "pages").as_posix(), filled(path.read_text(encoding="utf-8")))
    for name, file in FROM_ROOT.items():
        write(name, relink((ROOT / file).read_text(encoding="utf-8"), "", name))
    for name, text in made_pages().items():
        write(name, text)
    for path in (path for path in (ROOT / "results").rglob("*") if path.suffix in SHOWN):
        (SOURCE / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, SOURCE / path.relative_to(ROOT))


def main():
    """Collect, build, look for what is broken."""
    start = time.monotonic()
    collect()
    vendor()
    shutil.rmtree(HTML, ignore_errors=True)
    options = [
        "-W",
        "--keep-going",
        "--quiet",
        "--fresh-env",
        "--conf-dir",
        HERE,
        "--doctree-dir",
        BUILD / "doctrees",
        "--builder",
        "html",
    ]
    if code := sphinx([str(option) for option in [*options, SOURCE, HTML]]):
        sys.exit(code)
    if found := problems(HTML):
        sys.exit("\n".join(found))
    n, seconds = len(list(HTML.rglob("*.html"))), time.monotonic() - start
    print(f"{HTML.relative_to(ROOT)}: {n} pages in {seconds:.0f} s")


if __name__ == "__main__":
    main()
