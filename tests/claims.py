"""Sentences that leave no exception, each with the check that would catch one.

`python tests/claims.py` lists the sentences of the chapters in `COVERED` that hold one of `WORDS`, and exits
1 where one is unbound. tests/claims.csv names, for each sentence, the checks that a counterexample fails.
A check is a code cell of the chapter (`check-eq7`), of another one (`07_objective#check-eq7`) or a test
(`tests/test_properties.py::test_recall`). It has to exist and to assert something. `--all` prints the bound
sentences too; `--rows` prints the rows of the file, with those to be filled in.

Not counted are the paper's words (block quotes that begin with a source), headings, code, formulas and the
texts that stand for pictures.
"""

import ast
import csv
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tools"))
from book import NBS, ROOT, Cell, called, chapters, read

COVERED = ("01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13")
WORDS = re.compile(r"\b(?:never|always|cannot|whatever|no other|exactly|only if)\b", re.IGNORECASE)
BOUND = Path(__file__).with_name("claims.csv")
QUOTED = re.compile(r"^> \*(?:The paper|Quoted).*(?:\n>.*)*", re.MULTILINE)
NOT_SAID = re.compile(
    r"^```.*?^```|\$\$.*?\$\$|!\[[^\]]*\]\([^)]*\)|<[^>]+>|^:::.*?$|^#+ .*?$", re.DOTALL | re.MULTILINE
)
ADDRESS = re.compile(r"(?<=\])\([^)\s]*\)")
NOT_WORDS = re.compile(r"`[^`]*`|\$[^$]*\$")
PARAGRAPH = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*] |\d+\. |\||> ))")
SENTENCE = re.compile(r"(?<=[.!?])[*)\"_]*\s+(?=[(\[*\"`$_]*[A-Z$`])")


@dataclass(frozen=True)
class Claim:
    """A sentence that leaves no exception, and where it stands."""

    chapter: str
    cell: str
    sentence: str


def sentences(text: str) -> list[str]:
    """The sentences of a text cell, each on one line."""
    text = ADDRESS.sub("", NOT_SAID.sub("\n\n", QUOTED.sub("\n\n", text)))
    paragraphs = [re.sub(r"\s+", " ", paragraph).strip() for paragraph in PARAGRAPH.split(text)]
    found = [sentence.strip() for paragraph in paragraphs for sentence in SENTENCE.split(paragraph)]
    return [re.sub(r"^(?:[-*>] |\d+\. )+", "", sentence) for sentence in found if sentence]


def claims_of(cells: list[Cell]) -> list[Claim]:
    """The sentences of a chapter with one of the words."""
    return [
        Claim(cell.chapter, cell.id, sentence)
        for cell in cells
        if not cell.is_code
        for sentence in sentences(cell.source)
        if WORDS.search(NOT_WORDS.sub(" ", sentence))
    ]


def claims() -> list[Claim]:
    """Those of each covered chapter."""
    return [claim for path in chapters() if path.stem[:2] in COVERED for claim in claims_of(read(path))]


def bound() -> dict[tuple[str, str], list[str]]:
    """(chapter, sentence) -> the checks that tests/claims.csv names."""
    with BOUND.open(encoding="utf-8", newline="") as file:
        return {(row["chapter"], row["sentence"]): row["checks"].split() for row in csv.DictReader(file)}


@cache
def cells_of(chapter: str) -> dict[str, Cell]:
    """The cells of a chapter by id; none where there is no such chapter."""
    path = NBS / f"{chapter}.ipynb"
    return {cell.id: cell for cell in read(path)} if path.exists() else {}


@cache
def asserting(path: Path) -> set[str]:
    """The functions of a file of tests that assert something."""
    if not path.is_file():
        return set()
    functions = [
        node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)
    ]
    return {
        function.name
        for function in functions
        if any(
            isinstance(node, ast.Assert) or called(node) in ("raises", "assert_close")
            for node in ast.walk(function)
        )
    }


def asserts(check: str, chapter: str) -> bool:
    """Whether a check is there and asserts something."""
    if "::" in check:
        file, _, name = check.partition("::")
        return name in asserting(ROOT / file)
    other, _, cell = check.rpartition("#")
    found = cells_of(other or chapter).get(cell)
    return found is not None and found.checks > 0


def faults(found: list[Claim], named: dict[tuple[str, str], list[str]]) -> list[str]:
    """What is wrong: a sentence without a check, a check that checks nothing, a row without its sentence."""
    said = {(claim.chapter, claim.sentence) for claim in found}
    unbound = [claim for claim in found if not named.get((claim.chapter, claim.sentence))]
    empty = [
        f"{chapter}: {check} is not there or asserts nothing, for: {sentence}"
        for (chapter, sentence), checks in named.items()
        for check in checks
        if not asserts(check, chapter)
    ]
    stale = [
        f"{chapter}: no such sentence: {sentence}"
        for chapter, sentence in named
        if (chapter, sentence) not in said
    ]
    return [f"{claim.chapter}, {claim.cell}: unbound: {claim.sentence}" for claim in unbound] + empty + stale


def main():
    """Print what is unbound."""
    found, named = claims(), bound()
    if "--all" in sys.argv[1:]:
        for claim in found:
            checks = named.get((claim.chapter, claim.sentence), ["-"])
            print(claim.chapter, claim.cell, *checks, "|", claim.sentence)
    if "--rows" in sys.argv[1:]:
        rows = [(claim.chapter, claim.sentence) for claim in found]
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows((row[0], " ".join(named.get(row, [])), row[1]) for row in dict.fromkeys(rows))
        return
    wrong = faults(found, named)
    print(*wrong, f"{len(found)} sentences in chapters {', '.join(COVERED)}; {len(wrong)} faults", sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
