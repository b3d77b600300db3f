"""The table of the equations in nbs/index.ipynb.

`python tools/equations.py` writes it, `--check` exits 1 where it would differ.

Where: the chapters of `DERIVED_IN` number formulas as the paper does, so `\\tag{14}` in one of their text
cells is the paper's Eq. 14. Tags of other chapters are their own and don't count.

Function: one of that chapter's functions whose docstring starts with the equation ("Eq. (2): ...") or has it
at the start of a parenthesis ("... (Eq. 14, ...)"); one that is not exported only where no exported one is
found.

Check: a code cell named `check-eq14`, `check-eq14-sign` or, for a range, `check-eq4-6`; or one named
`check-...` whose first line, directives apart, is `# proves Eq. 4, 5, 6`. It has to assert something and to
be run wherever the tests are (neither `#| data` nor `#| notest`). All checks are run here, with the cells
that they need: no equation is listed without a check that holds.
"""

import argparse
import ast
import re
import sys

import nbformat
from book import NBS, NOT_RUN, Cell, CellError, equations, needed, read, run, runnable

from deca_nb.files import write_text

EQUATIONS = range(1, 19)
DERIVED_IN = ("02_worlds", "07_objective")
MARK = "<!-- equations -->"
INDEX = NBS / "index.ipynb"
HEADING = (
    "## The equations\n\nEach of the paper's, where it is derived, the function that is it, "
    "and the cells that prove it whenever the tests run.\n\n"
)
CLAIM = re.compile(r"(?:\A\s*|\()(Eqs?\.[^;:a-z]*)")
CHECK_ID = re.compile(r"check-eq(\d+)(?:-(\d+))?(?:-.*)?")


def tags(cells: list[Cell]) -> set[int]:
    """The equations that a chapter states."""
    return {
        int(number)
        for cell in cells
        if not cell.is_code
        for number in re.findall(r"\\tag\{(\d+)\}", cell.source)
    } & set(EQUATIONS)


def claimed(function: ast.FunctionDef) -> set[int]:
    """The equations that a function is, after its docstring."""
    return {
        number for claim in CLAIM.findall(ast.get_docstring(function) or "") for number in equations(claim)
    }


def functions(cells: list[Cell], number: int) -> list[str]:
    """The functions that are the equation; those that are not exported only where none is."""
    found = [
        (name, cell.is_exported)
        for cell in cells
        if cell.is_code
        for name, function in cell.functions.items()
        if number in claimed(function)
    ]
    return [name for name, is_exported in found if is_exported] or [name for name, _ in found]


def proves(cell: Cell) -> set[int]:
    """The equations that a cell claims to prove."""
    if not cell.id.startswith("check-") or not cell.checks or cell.flags & {"data", *NOT_RUN}:
        return set()
    comment = re.match(r"(?:#\|.*\n|\s*\n)*#\s*proves (.*)", cell.source)
    named = CHECK_ID.fullmatch(cell.id)
    return set(equations(comment[1]) if comment else []) | (
        set(range(int(named[1]), int(named[2] or named[1]) + 1)) if named else set()
    )


def rows() -> dict[int, dict[str, tuple[list[str], list[Cell]]]]:
    """For each equation, by chapter: its functions and its checks."""
    book = {chapter: read(NBS / f"{chapter}.ipynb") for chapter in DERIVED_IN}
    return {
        number: {
            c: (functions(cells, number), [cell for cell in cells if number in proves(cell)])
            for c, cells in book.items()
            if number in tags(cells)
        }
        for number in EQUATIONS
    }


def problems(found: dict) -> list[str]:
    """What is missing, in sentences."""
    missing = [number for number, places in found.items() if not places]
    unproved = [
        number
        for number, places in found.items()
        if places and not any(checks for _, checks in places.values())
    ]
    sentences = [("no chapter states", missing), ("no cell proves", unproved)]
    return [f"{what} Eq. {', '.join(map(str, numbers))}" for what, numbers in sentences if numbers]


def execute(found: dict) -> None:
    """Run every check of the table."""
    for chapter in DERIVED_IN:
        checks = [cell for places in found.values() if chapter in places for cell in places[chapter][1]]
        cells = runnable(read(NBS / f"{chapter}.ipynb"), NOT_RUN | {"data"})
        run(needed(cells, [cell for cell in cells if cell in checks]))


def table(found: dict) -> str:
    """The table in markdown."""
    lines = ["| equation | chapter | function | check |", "|---|---|---|---|"]
    for number, places in found.items():
        links = ", ".join(f"[{chapter[:2]}]({chapter}.ipynb)" for chapter in places)
        names = ", ".join(f"`{name}`" for names, _ in places.values() for name in names) or "–"
        checks = ", ".join(dict.fromkeys(f"`{cell.id}`" for _, cells in places.values() for cell in cells))
        lines.append(f"| {number} | {links} | {names} | {checks} |")
    return "\n".join(lines)


def insert(index: nbformat.NotebookNode, text: str) -> None:
    """Put the table between its marks, in a cell after `chapters` where there is none yet."""
    block = f"{MARK}\n\n{text}\n\n{MARK}"
    cell = next((cell for cell in index.cells if cell.id == "equations"), None)
    if cell is None:
        place = next(i for i, cell in enumerate(index.cells) if cell.id == "chapters") + 1
        index.cells.insert(place, nbformat.v4.new_markdown_cell(HEADING + block, id="equations"))
    elif cell.source.count(MARK) == 2:
        before, _, after = cell.source.split(MARK)
        cell.source = before + block + after
    else:
        sys.exit(f"nbs/index.ipynb: the cell `equations` needs the line {MARK} twice, around the table.")


def main():
    """Write the table, or compare it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 where nbs/index.ipynb would differ"
    )
    check = parser.parse_args().check
    found = rows()
    if missing := problems(found):
        sys.exit(f"nbs: {'; '.join(missing)}: see tools/equations.py for how a cell is named.")
    try:
        execute(found)
    except CellError as error:
        sys.exit(f"{error}")
    index, before = nbformat.read(INDEX, as_version=4), INDEX.read_text(encoding="utf-8")
    insert(index, table(found))
    after = nbformat.writes(index) + "\n"
    if not check:
        write_text(INDEX, after)
    elif before != after:
        sys.exit("nbs/index.ipynb does not hold the table of the equations: run python tools/equations.py")


if __name__ == "__main__":
    main()
