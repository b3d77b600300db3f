"""Words, lines and checks of each chapter and appendix beside the bands of the house style.

`python tests/style.py` prints the table, and exits 1 where a chapter or appendix has cells of another size,
or shows an export elsewhere than in the next cell of code, or where one of `BANDED` leaves another band.

Words are those of the text cells without formulas that stand alone, fenced blocks, HTML and the addresses of
links; a formula in a line is one word. Lines of code are those that are neither empty nor a comment or
directive alone; a cell's size counts them all. A check is an assertion outside the exported cells; an export
is a function, method or class. The equations are those that tools/equations.py finds in the chapter, each
with a check of its own.
"""

import ast
import re
import sys
from pathlib import Path
from statistics import median, quantiles

sys.path.append(str(Path(__file__).parents[1] / "tools"))
from book import Cell, appendices, chapters, read
from equations import DERIVED_IN, proves, tags

BANDED = ("06", "07", "08")
WORDS_PER_LINE = (5, 9)
MEDIAN, P90, LONGEST = 6, 20, 45
NOT_PROSE = re.compile(r"\$\$.*?\$\$|^```.*?^```|^:::.*?$|<[^>]+>|(?<=\])\([^)]*\)", re.DOTALL | re.MULTILINE)
COLUMNS = {
    "chapter": 18,
    "words": 7,
    "lines": 7,
    "words/line": 12,
    "median": 8,
    "p90": 6,
    "max": 5,
    "checks": 8,
    "exports": 9,
    "equations": 11,
}


def words(cell: Cell) -> int:
    """The words of a text cell."""
    text = re.sub(r"\$[^$]+\$", " formula ", NOT_PROSE.sub(" ", cell.source))
    return len(re.findall(r"[^\W_][\w'’-]*", text))


def lines(cell: Cell) -> int:
    """The lines of code of a cell."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in cell.source.splitlines())


def exports(cells: list[Cell]) -> int:
    """How many functions, methods and classes a chapter exports.

    What starts with an underscore is nobody's business.
    """
    nodes = [node for cell in cells if cell.is_exported for node in cell.tree.body]
    return sum(
        isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") for node in nodes
    )


def defines(cell: Cell) -> bool:
    """Whether a cell exports a function, a method or a class."""
    return cell.is_exported and exports([cell]) > 0


def bare(code: list[Cell]) -> list[str]:
    """The names of the cells whose exports are not shown in the next cell of code."""
    return [
        cell.id
        for cell, after in zip(code, [*code[1:], None], strict=True)
        if defines(cell) and (after is None or after.is_exported)
    ]


def measure(path: Path) -> dict:
    """A row of the table, and under `bare` what `bare` finds."""
    cells = read(path)
    code = [cell for cell in cells if cell.is_code]
    prose, size = (
        sum(words(cell) for cell in cells if not cell.is_code),
        [len(cell.source.splitlines()) for cell in code],
    )
    stated = tags(cells) if path.stem in DERIVED_IN else set()
    return {
        "chapter": path.stem,
        "words": prose,
        "lines": sum(map(lines, code)),
        "words/line": round(prose / sum(map(lines, code)), 1),
        "median": median(size),
        "p90": round(quantiles(size, n=10, method="inclusive")[-1]),
        "max": max(size),
        "checks": sum(cell.checks for cell in cells),
        "exports": exports(code),
        "equations": f"{len(stated & set().union(*map(proves, code)))} / {len(stated)}",
        "bare": bare(code),
    }


def faults(row: dict) -> list[str]:
    """The bands that a chapter or an appendix leaves, in words."""
    proved, stated = map(int, row["equations"].split(" / "))
    low, high = WORDS_PER_LINE
    is_banded = row["chapter"][:2] in BANDED
    outside = {
        f"{row['words/line']} words per line of code, not {low} to {high}": is_banded
        and not low <= row["words/line"] <= high,
        f"the median cell has {row['median']} lines, more than {MEDIAN}": row["median"] > MEDIAN,
        f"one cell in ten has {row['p90']} lines or more, above {P90}": row["p90"] > P90,
        f"a cell has {row['max']} lines, more than {LONGEST}": row["max"] > LONGEST,
        f"{row['checks']} checks for {row['exports']} exports": row["checks"] < row["exports"],
        f"{stated - proved} equations without a check": proved < stated,
        f"not shown in the next cell: {', '.join(row['bare'])}": bool(row["bare"]),
    }
    return [f"{row['chapter']}: {fault}" for fault, holds in outside.items() if holds]


def main():
    """Print the table and the faults."""
    rows = [measure(path) for path in [*chapters(), *appendices()]]
    for row in [{name: name for name in COLUMNS}, *rows]:
        print(
            "".join(
                f"{row[name]:<{width}}" if name == "chapter" else f"{row[name]:>{width}}"
                for name, width in COLUMNS.items()
            )
        )
    found = [fault for row in rows for fault in faults(row)]
    print(*found, sep="\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
