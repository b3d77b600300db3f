"""README.md from nbs/index.ipynb.

`python tools/readme.py` writes it, `--check` exits 1 where it would differ.
"""

import argparse
import posixpath
import re
import sys
from pathlib import Path

import nbformat

from deca_nb.files import write_text

ROOT = Path(__file__).parents[1]
DIRECTIVE = re.compile(r"^#\|\s*(.+?)\s*$\n?", re.MULTILINE)
FRONT_MATTER = re.compile(r"^- [\w-]+: .*\n?", re.MULTILINE)
RELATIVE_LINK = re.compile(r"""(\]\(|\b(?:src|href)=["'])(?![a-z]+:|[#/])([^\s)"']+)""")


def relink(text: str) -> str:
    """Links that start in nbs/, as they read one folder up."""
    return RELATIVE_LINK.sub(lambda link: link[1] + posixpath.normpath(posixpath.join("nbs", link[2])), text)


def fenced(text: str, language: str) -> str:
    """A fenced block."""
    return f"```{language}\n{text.strip()}\n```"


def output_text(output: dict) -> str:
    """What an output says in plain text; a picture belongs in the markdown, as a link to a file."""
    if output.output_type == "stream":
        return output.text
    if any(mime.startswith("image/") for mime in output.data):
        sys.exit(
            "nbs/index.ipynb: an output is a picture, which README.md cannot hold: "
            "link a file in a markdown cell instead."
        )
    return output.data["text/plain"] + "\n"


def code_blocks(cell: dict) -> list[str]:
    """A code cell and what it printed, unless its directives hide them."""
    directives = set(DIRECTIVE.findall(cell.source))
    source = "" if directives & {"hide", "echo: false"} else DIRECTIVE.sub("", cell.source)
    printed = "" if directives & {"hide", "output: false"} else "".join(map(output_text, cell.outputs))
    return [
        fenced(text, language) for text, language in ((source, "python"), (printed, "text")) if text.strip()
    ]


def cell_blocks(cell: dict) -> list[str]:
    """The blocks of text that one cell gives."""
    return [relink(cell.source).strip()] if cell.cell_type == "markdown" else code_blocks(cell)


def readme(notebook: Path) -> str:
    """The text of README.md."""
    cells = nbformat.read(notebook, as_version=4).cells
    cells[0].source = FRONT_MATTER.sub("", cells[0].source)
    return "\n\n".join(block for cell in cells for block in cell_blocks(cell)) + "\n"


def main():
    """Write README.md, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 where README.md would differ"
    )
    check = parser.parse_args().check
    path, text = ROOT / "README.md", readme(ROOT / "nbs" / "index.ipynb")
    if not check:
        write_text(path, text)
    elif path.read_text(encoding="utf-8") != text:
        sys.exit("README.md is not what nbs/index.ipynb says: run python tools/readme.py")


if __name__ == "__main__":
    main()
