"""Write the names that decorators give, by kind and module, to deca_nb/names.csv.

`python tools/names.py` writes them; with --check only compare.

A name is given by `@model("GMF")` and the other decorators of `deca_nb.names`, by `@named("sampler",
"any-item")`, or by calling these. Beside it stands the class or function that is decorated. The modules are
read as text, so nothing has to be importable; their order is that of the chapters.
"""

import ast
import csv
import io
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE, TABLE = ROOT / "deca_nb", ROOT / "deca_nb" / "names.csv"
SHORT = ("model", "method", "metric", "ranker", "experiment", "dataset", "command")


def chapter(module: Path) -> str:
    """The notebook that a module is made from: chapters by number, then the appendix."""
    found = re.search(r"^# %% \.\./nbs/(\S+)\.ipynb", module.read_text(encoding="utf-8"), re.MULTILINE)
    return found.group(1) if found else "~"


def given(call: ast.Call) -> tuple[str, str] | None:
    """The kind and name that a call gives, if it does."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    words = [
        word.value for word in call.args if isinstance(word, ast.Constant) and isinstance(word.value, str)
    ]
    if name == "named" and len(words) == 2:
        return words[0], words[1]
    return (name, words[0]) if name in SHORT and words else None


def bearers(tree: ast.AST) -> dict[ast.expr, str]:
    """The class or function under each decorator."""
    made = (node for node in ast.walk(tree) if isinstance(node, (ast.ClassDef, ast.FunctionDef)))
    return {decorator: node.name for node in made for decorator in node.decorator_list}


def rows() -> list[tuple[str, str, str, str]]:
    """Kind, name, module and bearer of every name."""
    modules = sorted(
        (path for path in PACKAGE.glob("*.py") if not path.stem.startswith("_")),
        key=lambda path: (chapter(path), path.stem),
    )
    found = []
    for module in modules:
        tree = ast.parse(module.read_text(encoding="utf-8"))
        of, calls = bearers(tree), [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        calls.sort(key=lambda node: (node.lineno, node.col_offset))
        found += [
            (*pair, f"deca_nb.{module.stem}", of.get(call, "")) for call in calls if (pair := given(call))
        ]
    return sorted(dict.fromkeys(found), key=lambda row: row[0])


def text() -> str:
    """The table as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([("kind", "name", "module", "bearer"), *rows()])
    return out.getvalue()


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        if TABLE.read_text(encoding="utf-8") != text():
            sys.exit("deca_nb/names.csv is not what the decorators say: run python tools/names.py")
    else:
        TABLE.write_text(text(), encoding="utf-8", newline="\n")
