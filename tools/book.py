"""The chapters as cells, for the scripts that check them.

What a cell binds and uses, which cells it needs, and how to run those in one process.
"""

import ast
import builtins
import contextlib
import io
import re
import symtable
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from unittest import mock

import matplotlib
import nbformat

matplotlib.use("Agg")
ROOT = Path(__file__).parents[1]
NBS = ROOT / "nbs"
NOT_RUN = {"notest", "eval: false"}
ONE = r"\d+(?:\.\d+)?[a-z]?\b"  # the number of an equation: the paper's 14, a chapter's own 2a or 3.1
MENTION = re.compile(rf"\bEqs?\.\s*((?:\(?{ONE}\)?(?:\s*(?:,\s*and|,|and|or|to|[-–])\s*(?=\(?\d))?)+)")
RANGE = re.compile(r"(?<![\d.])(\d+)\)?\s*(?:to|[-–])\s*\(?(\d+)(?!\.?\d)")


class CellError(Exception):
    """A cell that failed; the exception is its cause."""


def equations(text: str) -> list[int]:
    """The numbers after each "Eq." or "Eqs.": "Eqs. (1) and (2)", "Eq. 4, 5, 6", "Eqs. 10 to 13".

    One with a point, such as (3.1), is a chapter's own, and not among them: `own_equations`.
    """
    lists = [
        RANGE.sub(lambda ends: ", ".join(map(str, range(int(ends[1]), int(ends[2]) + 1))), found)
        for found in MENTION.findall(text)
    ]
    return [int(number) for found in lists for number in re.findall(r"(?<![\d.])\d+(?!\.?\d)", found)]


def own_equations(text: str) -> list[str]:
    """The numbers with a point after each "Eq." or "Eqs.": "3.1"."""
    return [number for found in MENTION.findall(text) for number in re.findall(r"\d+\.\d+", found)]


def called(node: ast.AST) -> str:
    """The last name of what a call calls: "fit" of `run.fit(x)`."""
    function = getattr(node, "func", None)
    return getattr(function, "attr", getattr(function, "id", ""))


def root(node: ast.AST | None) -> str | None:
    """The name that an expression starts with: "a" of `a.b[0].c()`."""
    while node is not None and not isinstance(node, ast.Name):
        node = getattr(node, "value", getattr(node, "func", None))
    return node and node.id


def changes(statement: ast.stmt) -> list[str | None]:
    """The names whose values a statement may change in place.

    As in `a.b = 1`, `a += 1`, `a.b(1)`, `@patch def b(self: A)`.
    """
    if isinstance(statement, ast.FunctionDef) and statement.decorator_list and statement.args.args:
        return [root(statement.args.args[0].annotation)]
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return [root(statement.value.func)]
    if isinstance(statement, ast.AugAssign):
        return [root(statement.target)]
    return [
        root(node)
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store)
    ]


def all_tables(table: symtable.SymbolTable) -> list[symtable.SymbolTable]:
    """A scope and all scopes inside it."""
    return [table, *(inner for child in table.get_children() for inner in all_tables(child))]


@dataclass(frozen=True)
class Cell:
    """One cell of a chapter."""

    chapter: str
    id: str
    source: str
    is_code: bool

    @cached_property
    def flags(self) -> set[str]:
        """What stands behind `#|`."""
        return set(re.findall(r"^#\|\s*(.+?)\s*$", self.source, re.MULTILINE)) if self.is_code else set()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @cached_property
    def code(self) -> types.CodeType:
        return compile(self.tree, f"{self.chapter}#{self.id}", "exec")

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef]:
        """The plain functions that it defines."""
        return {
            node.name: node
            for node in self.tree.body
            if isinstance(node, ast.FunctionDef) and not node.decorator_list
        }

    @cached_property
    def changes(self) -> set[str]:
        """The names whose values it may change in place."""
        return {name for statement in self.tree.body for name in changes(statement) if name}

    @cached_property
    def binds(self) -> set[str]:
        """The names that it gives a value, or whose value it may change."""
        symbols = symtable.symtable(self.source, self.id, "exec").get_symbols()
        return self.changes | {
            symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()
        }

    @cached_property
    def uses(self) -> set[str]:
        """The names that it takes from the namespace, inside its functions too."""
        module, *inner = all_tables(symtable.symtable(self.source, self.id, "exec"))
        symbols = [s for s in module.get_symbols() if s.is_referenced()] + [
            s for table in inner for s in table.get_symbols() if s.is_global()
        ]
        return self.changes | {symbol.get_name() for symbol in symbols}

    @property
    def is_exported(self) -> bool:
        return any(flag.split()[0] in ("export", "exports") for flag in self.flags)

    @property
    def exported_to(self) -> str | None:
        """The module that an `#| export NAME` names; None for the chapter's own."""
        return next((flag.split()[1] for flag in self.flags if flag.startswith("export ")), None)

    @cached_property
    def checks(self) -> int:
        """How many assertions it makes."""
        if not self.is_code or self.is_exported:
            return 0
        return sum(
            isinstance(node, ast.Assert) or called(node).startswith("test_") for node in ast.walk(self.tree)
        )


def chapters() -> list[Path]:
    """The notebooks with a number."""
    return sorted(NBS.glob("[0-9][0-9]_*.ipynb"))


def appendices() -> list[Path]:
    """The notebooks with an A before their number: what no reader of the chapters needs."""
    return sorted(NBS.glob("A[0-9]_*.ipynb"))


def rooms() -> list[Path]:
    """Chapters, then appendices: every notebook that makes a module."""
    return [*chapters(), *appendices()]


def read(path: Path) -> list[Cell]:
    """The cells of a chapter."""
    return [
        Cell(path.stem, cell.id, cell.source, cell.cell_type == "code")
        for cell in nbformat.read(path, as_version=4).cells
    ]


def runnable(cells: list[Cell], without: set[str] = NOT_RUN) -> list[Cell]:
    """The code cells but those that carry one of these flags."""
    return [cell for cell in cells if cell.is_code and not cell.flags & without]


def needed(cells: list[Cell], wanted: list[Cell]) -> list[Cell]:
    """The wanted cells and those that they need, in order.

    These are those before them that bind a name which one of these uses, and the exported ones, which may
    register what they define.
    """
    kept, names = [], set()
    for cell in reversed(cells):
        if cell in wanted or cell.binds & names or cell.is_exported:
            kept.insert(0, cell)
            names |= cell.uses
    return kept


def run(
    cells: list[Cell],
    replaced: dict[str, types.CodeType] | None = None,
    before: Callable[[Cell], None] = lambda cell: None,
) -> None:
    """Run cells in a fresh namespace, some with other code; `CellError` names the first that fails."""
    from matplotlib import pyplot

    namespace = {"__name__": "__main__"}
    notebook = mock.patch.object(builtins, "get_ipython", lambda: None, create=True)  # as one has it
    quietly = contextlib.redirect_stdout(io.StringIO())
    with contextlib.chdir(NBS), quietly, notebook, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for cell in cells:
            before(cell)
            try:
                exec((replaced or {}).get(cell.id, cell.code), namespace)
            except Exception as error:
                said = str(error).partition("\n")[0]
                raise CellError(
                    f"nbs/{cell.chapter}.ipynb, cell {cell.id}: {type(error).__name__} {said}".strip()
                ) from error
            finally:
                pyplot.close("all")
