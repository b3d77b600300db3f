"""The book.

Every equation proved, every wrong equation noticed, every chapter in the house's shape, every reference
leading somewhere.
"""

import os
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT

sys.path.append(str(ROOT / "tools"))
from book import NBS, Cell, appendices, chapters, equations, own_equations, read, rooms
from claims import Claim, asserts, claims_of, faults, sentences
from style import exports

CHAPTERS = chapters()
DIFFERENCES = {
    1: 14,
    2: 13,
    3: 18,
}  # how many each list holds: the benchmark, the released code, the equations
NUMBERS = {path.stem[:2] for path in rooms()}
ERRATA = NBS / "07_objective.ipynb"
FEW_CALLOUTS = [path for path in CHAPTERS if path.stem[:2] in ("07", "08")]
SETTINGS = ConfigParser(delimiters=["="])
SETTINGS.read(ROOT / "settings.ini", encoding="utf-8")
HOUSE = SETTINGS["DEFAULT"]
BLOB = f"{HOUSE['user']}/{HOUSE['repo']}/blob/{HOUSE['branch']}/nbs"
NOT_TEXT = re.compile(r"^```.*?^```|`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"""(?:\]\(|\b(?:src|href)=["'])(?![a-z]+:|/)([^\s)"'#]*)(?:#([^\s)"']+))?""")
REFERENCE = re.compile(r"- [^*]*[^\W\d_][^*]*, \*[^*]+\*, [^\n]*\b(?:19|20)\d\d\b[^\n]*")
NAME = r"[A-Z][^\W\d_]+(?:-[A-Z][^\W\d_]+)?"
CITATION = re.compile(
    rf"({NAME})(?:(?:, {NAME})* and {NAME}| et al\.)?(?:, | \()(?:[A-Z]\w* )?((?:19|20)\d\d)\b"
)
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
each_appendix = pytest.mark.parametrize("appendix", appendices(), ids=lambda path: path.stem)
each_room = pytest.mark.parametrize("room", rooms(), ids=lambda path: path.stem)


def run(*command: str | Path, timeout: float) -> str:
    """The output of one of our scripts, which has to succeed in time on one core."""
    env = os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    result = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def prose(path: Path) -> list[str]:
    """The text cells of a notebook, or a page of markdown as the only one."""
    if path.suffix != ".ipynb":
        return [path.read_text(encoding="utf-8")]
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]


def section(chapter: Path, heading: str) -> str:
    """What follows a heading, up to the end of its cell; nothing where there is no such heading."""
    found = (re.search(rf"^##+ {heading}\s*$(.*)", text, re.MULTILINE | re.DOTALL) for text in prose(chapter))
    return next((match[1] for match in found if match), "")


def on_one_line(text: str) -> str:
    """Each paragraph and each entry of a list on one line."""
    return re.sub(r"(?<!\n)\n(?!\n|- ) *", " ", text)


# The equations.


def test_each_equation_is_proved():
    run("tools/equations.py", "--check", timeout=300)


@pytest.mark.timeout(1000)
def test_each_wrong_equation_is_noticed(record_property):
    record_property("table", run("tests/mutations.py", timeout=900))


def test_style_is_within_its_bands(record_property):
    record_property("table", run("tests/style.py", timeout=200))


# A sentence without exceptions names the check that would catch one.


def test_each_claim_without_exception_is_bound():
    run("tests/claims.py", timeout=200)


def test_claims_are_found():
    quoted = "> *The paper (Sec. 1).* It always\n> works.\n\n## Cannot"
    text = f"It *never* fails. It may.\n\n{quoted}\n\n- `never` and $x$\n- Exactly\n  so"
    cells = [Cell("99_none", "text", text, False), Cell("99_none", "code", "# never", True)]
    found = [claim.sentence for claim in claims_of(cells)]
    assert found == ["It *never* fails.", "Exactly so"]
    assert sentences("One [link](never.ipynb). Two: (2) three") == ["One [link].", "Two: (2) three"]


def test_a_claim_without_a_check_is_noticed():
    claim = Claim("01_interactions", "once-md", "It never changes.")
    key = (claim.chapter, claim.sentence)
    assert faults([claim], {key: ["check-once", "05_batches#check-sampler"]}) == []
    assert len(faults([claim], {})) == len(faults([claim], {key: []})) == 1  # unbound
    for empty in ("check-nothing", "once", "imports-here", "99_none#check-once", "tests/claims.py::main"):
        assert len(faults([claim], {key: [empty]})) == 1, empty
    assert len(faults([], {key: ["check-once"]})) == 1  # a row whose sentence is gone
    assert asserts("tests/test_book.py::test_claims_are_found", "01_interactions")


# The shape of a chapter.


@each_chapter
def test_chapter_opens_as_all_do(chapter):
    title, opening = prose(chapter)[:2]
    assert re.match(r"# \S.*\n\n> \S", title)
    assert re.match(
        r".*\n\n\*\*You will learn\*\* .*"
        r"\n\n\*\*Before you start\*\*:? .* \*\*Time\*\*: \d+(?: to \d+)? minutes",
        on_one_line(opening),
    )


@each_appendix
def test_appendix_opens_as_all_do(appendix):
    title, opening = prose(appendix)[:2]
    assert re.match(r"# \S.*\n\n> \S", title)
    assert re.match(r".*\n\n\*\*You will learn\*\* ", opening)


@each_appendix
def test_appendix_checks_what_it_exports(appendix):
    cells = [cell for cell in read(appendix) if cell.is_code]
    assert sum(cell.checks for cell in cells) >= exports(cells) > 0


@each_room
def test_room_links_to_itself(room):
    links = re.findall(r"\[(?:Open in Colab|Source)\]\((.*?)\)", read(room)[1].source)
    assert links == [
        f"https://colab.research.google.com/github/{BLOB}/{room.name}",
        f"https://github.com/{BLOB}/{room.name}",
    ]


@each_chapter
def test_chapter_ends_as_all_do(chapter):
    headings = re.findall(r"^##+ (Recap|Exercises|References)\s*$", "\n".join(prose(chapter)), re.MULTILINE)
    assert headings == ["Recap", "Exercises", "References"]


def test_no_line_joins_statements_by_a_semicolon():
    run("-m", "ruff", "check", "--isolated", "--no-cache", "--select", "E702", NBS, timeout=100)


def exercises(room: Path) -> list[str]:
    """The numbers of the exercises, each with an answer and all with a hidden check behind them."""
    questions, _, answers = section(room, "Exercises").partition("<details>")
    numbers = re.findall(r"^(\d+)\. ", questions, re.MULTILINE)
    assert numbers == [str(n + 1) for n in range(len(numbers))]
    assert re.findall(r"^(\d+)\. ", answers, re.MULTILINE) == numbers and "</details>" in answers
    cells = read(room)
    after = cells[next(i for i, cell in enumerate(cells) if questions in cell.source) :]
    assert any("hide" in cell.flags and cell.checks for cell in after)
    return numbers


@each_chapter
def test_exercises_have_answers_and_a_check(chapter):
    assert 3 <= len(exercises(chapter)) <= 5


@each_appendix
def test_appendix_ends_with_an_exercise_and_a_check(appendix):
    assert 1 <= len(exercises(appendix)) <= 3


# Where the paper and the book differ.


def callouts(chapter: Path) -> list[tuple[str, str]]:
    """The title and the text of each call-out of a chapter."""
    found = (
        re.findall(r"^::: \{\.callout-important\}\n## ([^\n]*)\n(.*?)^:::", text, re.MULTILINE | re.DOTALL)
        for text in prose(chapter)
    )
    return [callout for cell in found for callout in cell]


@pytest.mark.parametrize(
    "chapter", [path for path in CHAPTERS if path.stem[:2] < "10"], ids=lambda path: path.stem
)
def test_callouts_name_the_cells_that_show_them(chapter):
    cells = {cell.id for cell in read(chapter) if cell.is_code}
    for title, text in callouts(chapter):
        assert title.startswith("The paper says / we find: ")
        assert cells & set(re.findall(r"`([\w-]+)`", text)), f"{title}: no cell of the chapter is named"


def numbered(text: str, part: int) -> set[int]:
    """The findings of a part that a text names; the paper's sections and tables are none."""
    text = re.sub(r"(?:Secs?\.|Tables?) [\d.]+", "", text)
    return {int(number) for number in re.findall(rf"(?<![\w.]){part}\.(\d+)\b", text)}


def errata() -> list[list[str]]:
    """The rows of the table of errata in 07: equation, findings, what the paper says, what holds, cells."""
    table = next(cell.source for cell in read(ERRATA) if cell.id == "errata")
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")]
    return [[part.strip() for part in row] for row in rows[2:]]


@pytest.mark.parametrize("row", errata(), ids=lambda row: row[1])
def test_each_erratum_leads_to_the_checks_that_show_it(row):
    equation, findings, _, holds, shown = row
    assert re.fullmatch(r"(?:Tables? )?\d+(?:(?:, | \+ )\d+)*", equation) and holds
    assert re.fullmatch(r"[23]\.\d+(?:, [23]\.\d+)*", findings)
    for one in shown.split(", "):
        name, chapter = re.fullmatch(r"`([\w-]+)`(?: \((\d\d)\))?", one).groups()
        path = next(path for path in CHAPTERS if path.stem[:2] == chapter) if chapter else ERRATA
        assert [cell.checks > 0 for cell in read(path) if cell.id == name] == [True], one


def test_each_difference_about_equations_is_in_the_table_of_errata():
    named = [number for row in errata() for number in numbered(row[1], 3)]
    assert sorted(named) == list(range(1, DIFFERENCES[3] + 1))


@pytest.mark.parametrize("part", set(DIFFERENCES) - {3})
def test_each_difference_has_its_callout(part):
    titles = [title for chapter in CHAPTERS for title, _ in callouts(chapter)]
    named = numbered("\n".join(titles + [row[1] for row in errata()]), part)
    assert set(range(1, DIFFERENCES[part] + 1)) - named == set()


def test_each_difference_is_in_the_list_of_the_glossary():
    glossary = (ROOT / "docs/pages/glossary.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d\.\d+) \|", glossary, re.MULTILINE)
    named = {
        f"{part}.{number}"
        for chapter in CHAPTERS
        for title, _ in callouts(chapter)
        for part in (1, 2)
        for number in numbered(title, part)
    }
    assert len(set(listed)) == len(listed) and named - set(listed) == set()


FENCE = re.compile(r":::(?: \{\.[\w-]+\})?")


def open_fences(text: str) -> list[str]:
    """The lines with a `:::` that does not stand alone; "" where not each fence that opens closes."""
    lines = [line for line in text.splitlines() if ":::" in line]
    inside = [line for line in lines if not FENCE.fullmatch(line)]
    turns = [line != ":::" for line in lines]
    return inside or ([] if turns == [True, False] * (len(turns) // 2) else [""])


def test_a_fence_that_does_not_close_is_noticed():
    opened = "::: {.callout-important}\n## Title\n\n"
    assert open_fences(opened + "Text.\n:::") == []
    assert open_fences(opened + "Text. :::") == ["Text. :::"]
    assert open_fences(opened + "Text.") == [""]
    assert open_fences(opened + "Text.\n:::\n:::") == [""]


@pytest.mark.parametrize("chapter", sorted(NBS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_each_callout_closes_on_a_line_of_its_own(chapter):
    found = {cell.id: open_fences(cell.source) for cell in read(chapter) if not cell.is_code}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("chapter", FEW_CALLOUTS, ids=lambda path: path.stem)
def test_a_section_has_one_callout_at_most(chapter):
    text = re.sub(r"^```.*?^```", "", "\n".join(prose(chapter)), flags=re.MULTILINE | re.DOTALL)
    outside = text.replace("\n## The paper says / we find", "\nThe paper says / we find")
    sections = re.split(r"^##+ ", outside, flags=re.MULTILINE)
    assert [s.splitlines()[0] for s in sections if s.count("::: {.callout-important}") > 1] == []


def test_each_equation_is_quoted_before_it_is_derived():
    text = "\n".join(
        source for chapter in CHAPTERS if chapter.stem[:2] in ("02", "07") for source in prose(chapter)
    )
    quoted = {
        number
        for line in re.findall(r"^> \*The paper (.*)$", text, re.MULTILINE)
        for number in equations(line)
    }
    assert set(range(1, 19)) - quoted == set()


# What the text refers to.


def anchors(path: Path) -> set[str]:
    """What a link into a page can name: its headings, as GitHub writes them, and its ids."""
    text = "\n".join(prose(path))
    headings = re.findall(r"^#+ (.*?)\s*$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings} | set(
        re.findall(r"""\bid=["']([^"']+)""", text)
    )


def broken(path: Path, target: str, anchor: str) -> bool:
    """Whether a link of a page leads nowhere."""
    there = path if not target else path.parent / target
    if not there.exists() or not there.resolve().is_relative_to(ROOT):
        return True
    return bool(anchor) and anchor.lower() not in anchors(there)


@pytest.mark.parametrize(
    "page", [*sorted(NBS.glob("*.ipynb")), *sorted(ROOT.glob("*.md"))], ids=lambda path: path.stem
)
def test_links_lead_somewhere(page):
    links = LINK.findall(NOT_TEXT.sub("", "\n\n".join(prose(page))))
    assert [f"{target}#{anchor}" for target, anchor in links if broken(page, target, anchor)] == []


@pytest.mark.parametrize(
    "page", [*sorted(NBS.glob("*.ipynb")), *sorted(ROOT.glob("*.md"))], ids=lambda path: path.stem
)
def test_chapters_and_appendices_named_are_there(page):
    lists = re.findall(
        r"\b[Cc]hapters?\s+((?:\[?\d+\]?(?:\([^)]*\))?(?:,? and | to |, | or |–|-)?)+)",
        "\n\n".join(prose(page)),
    )
    named = {
        number
        for found in lists
        for number in re.findall(r"(?<![\w/])\d+(?![\w])", re.sub(r"\([^)]*\)", "", found))
    }
    named |= set(re.findall(r"\b[Aa]ppendix \[?(A\d)\b", "\n\n".join(prose(page))))
    assert named - NUMBERS == set()


@each_chapter
def test_equations_named_are_there(chapter):
    cells = read(chapter)
    own = {int(number) for cell in cells for number in re.findall(r"\\tag\{(\d+)\}", cell.source)}
    assert {number for cell in cells for number in equations(cell.source)} - own - set(range(1, 19)) == set()


def test_a_number_with_a_point_is_the_chapters_and_there_once():
    stated = [
        (path.stem, number)
        for path in rooms()
        for cell in read(path)
        for number in re.findall(r"\\tag\{(\d+\.\d+)\}", cell.source)
    ]
    numbers = [number for _, number in stated]
    assert len(numbers) == len(set(numbers)) > 20
    assert [(room, number) for room, number in stated if room[:2].lstrip("0") != number.split(".")[0]] == []
    named = {number for path in rooms() for cell in read(path) for number in own_equations(cell.source)}
    assert named - set(numbers) == set()


@each_chapter
def test_references_are_written_alike(chapter):
    lines = [line for line in on_one_line(section(chapter, "References")).splitlines() if line.strip()]
    assert lines and [line for line in lines if not REFERENCE.fullmatch(line)] == []


@each_chapter
def test_papers_cited_are_in_the_references(chapter):
    references = on_one_line(section(chapter, "References"))
    cited = set(CITATION.findall(NOT_TEXT.sub("", "\n".join(prose(chapter)))))
    assert [
        (name, year)
        for name, year in cited
        if not re.search(rf"^- [^*]*\b{name}\b.*\b{year}\b", references, re.MULTILINE)
    ] == []
