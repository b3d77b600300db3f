"""Pages made from the code and the results.

They are the API by module, the way from the paper to the code, and results/.
"""

import ast
import importlib
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import book
import pandas as pd
from book import NBS, ROOT, Cell, chapters, rooms
from equations import rows
from findings import SECTIONS, finding
from notebooks import (
    alternative_of,
    anchor,
    equation_anchor,
    formula,
    home,
    room_anchor,
    room_name,
    rooms_in_order,
    section_of,
    shown,
)
from pandas.api.types import is_float_dtype

read = cache(book.read)

# What stands where.


@dataclass(frozen=True)
class Definition:
    """A function, a class or a method that a chapter exports."""

    name: str  # deca_nb.recommender.Recommender.fit
    kind: str  # "function", "class" or "method"
    chapter: str
    cell: str
    section: str

    @property
    def link(self) -> str:
        """Markdown that leads to its entry in the API."""
        return f"{{py:obj}}`~{self.name}`"


def module_of(cells: list[Cell]) -> str:
    """The module that a chapter exports."""
    return next(
        f"deca_nb.{flag.split()[1]}"
        for cell in cells
        for flag in cell.flags
        if flag.startswith("default_exp ")
    )


def is_patch(decorator: ast.AST) -> bool:
    """Whether a decorator is fastcore's `patch`."""
    return getattr(getattr(decorator, "func", decorator), "id", "") == "patch"


def full_name(node: ast.FunctionDef | ast.ClassDef, module: str) -> tuple[str, str]:
    """The name by which a definition is found, and its kind.

    A patch belongs to its first parameter's class.
    """
    if not any(map(is_patch, node.decorator_list)):
        return f"{module}.{node.name}", "class" if isinstance(node, ast.ClassDef) else "function"
    owner = getattr(importlib.import_module(module), node.args.args[0].annotation.id)
    return f"{owner.__module__}.{owner.__qualname__}.{node.name}", "method"


def definitions() -> Iterator[Definition]:
    """What the chapters and appendices export, in their order."""
    for path in rooms():
        cells = read(path)
        for cell in cells:
            for node in cell.tree.body if cell.is_exported else ():
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                    module = f"deca_nb.{cell.exported_to}" if cell.exported_to else module_of(cells)
                    yield Definition(*full_name(node, module), path.stem, cell.id, section_of(cells, cell))


DEFINITIONS = {definition.name: definition for definition in definitions()}


def short_names() -> dict[str, Definition]:
    """Functions and classes by their last name, where it means one thing only."""
    named: dict[str, list[Definition]] = {}
    for definition in DEFINITIONS.values():
        named.setdefault(definition.name.rpartition(".")[2], []).append(definition)
    return {name: found[0] for name, found in named.items() if len(found) == 1 and found[0].kind != "method"}


SHORT = short_names()


# The API.


def underlined(title: str, line: str) -> str:
    return f"{title}\n{line * len(title)}\n"


def entry(definition: Definition) -> str:
    """The directive that documents a definition."""
    options = "   :members:\n   :undoc-members:\n" if definition.kind == "class" else ""
    return f".. auto{definition.kind}:: {definition.name}\n{options}"


def plain(heading: str) -> str:
    """A heading of markdown as plain text."""
    words = re.sub(r"\$[^$]+\$", lambda tex: re.sub(r"[${}_\\]", "", tex[0]), heading)
    return re.sub(r"[`*\\]", "", words)


def api_page(path: Path) -> str:
    """The page of one chapter's module and what it adds to others.

    In the order and under the headings of the chapter.
    """
    module = module_of(read(path))
    own = [
        definition
        for definition in DEFINITIONS.values()
        if definition.chapter == path.stem and definition.kind != "method"
    ]
    shown = f"Written and shown in :ref:`{room_name(path.stem)} <{room_anchor(path.stem)}>`.\n"
    parts, section = [underlined(module, "="), f".. automodule:: {module}\n   :no-members:\n", shown], None
    for definition in own:
        if definition.section != section:
            section = definition.section
            parts.append(underlined(plain(section), "-"))
        parts.append(entry(definition))
    return "\n".join(parts)


def subtitle(path: Path) -> str:
    """The line under a chapter's title in reStructuredText, without its full stop."""
    told = re.search(r"^> (.+?)\s*$", read(path)[0].source, re.MULTILINE)
    return re.sub(r"(?<!\S)--[a-z][\w-]*", r"``\g<0>``", plain(told[1]).rstrip("."))


def api_index() -> str:
    """The list of the modules."""
    ordered = [NBS / f"{stem}.ipynb" for stems in rooms_in_order().values() for stem in stems]
    modules = {module_of(read(path)).partition(".")[2]: subtitle(path) for path in ordered}
    names = "\n".join(f"   {name}" for name in modules)
    listed = "\n".join(f"* :doc:`deca_nb.{name} <{name}>`: {about}" for name, about in modules.items())
    text = (
        "Each module is exported from the chapter or appendix of its name. "
        "An entry says in which cell the thing is derived and shown.\n"
    )
    tree = f".. toctree::\n   :hidden:\n\n{names}"
    return f"{underlined('API', '=')}\n{text}\n{listed}\n\n{tree}\n"


# From the paper to the code.


def table(columns: list[str], lines: list[list[str]]) -> str:
    """A table in markdown."""
    return (
        "\n".join("| " + " | ".join(line) + " |" for line in [columns, ["---"] * len(columns), *lines]) + "\n"
    )


def cell_link(cell: Cell) -> str:
    """A link to a cell."""
    return f"[`{cell.id}`](#{anchor(cell.chapter, cell.id)})"


def function_links(names: list[str], chapter: str) -> list[str]:
    """Links to functions of a chapter; those that are not exported have their names only."""
    module = module_of(read(NBS / f"{chapter}.ipynb"))
    return [
        DEFINITIONS[f"{module}.{name}"].link if f"{module}.{name}" in DEFINITIONS else f"`{name}`"
        for name in names
    ]


def stated(number: int) -> str:
    """An equation as the chapter that derives it writes it."""
    texts = [cell.source for cell in read(NBS / f"{home(str(number))}.ipynb") if not cell.is_code]
    blocks = [block for text in texts for block in re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL)]
    return next(block for block in blocks if f"\\tag{{{number}}}" in block)


def equation_table() -> str:
    """Each of the paper's equations: chapter, function, checks."""
    lines = []
    for number, places in rows().items():
        where = ", ".join(f"[{chapter[:2]}](#{equation_anchor(str(number), chapter)})" for chapter in places)
        names = [link for chapter, (names, _) in places.items() for link in function_links(names, chapter)]
        checks = dict.fromkeys(cell_link(cell) for _, cells in places.values() for cell in cells)
        lines.append([f"[Eq. {number}](#the-eq-{number})", where, ", ".join(names) or "–", ", ".join(checks)])
    return table(["equation", "chapter", "function", "proved by"], lines)


def equation_list() -> str:
    """Each of the paper's equations under a heading of its own, which the search finds."""
    parts = [
        f"(the-eq-{n})=\n### Eq. {n}\n\n{formula(stated(n))}\n\n"
        f"[Where it is derived](#{equation_anchor(str(n), home(str(n)))}).\n"
        for n in rows()
    ]
    return "\n".join(parts)


@cache
def on_page(path: Path) -> set[str]:
    """The cells that a chapter's page shows."""
    return {cell.id for cell in shown(path)}


MENTION = re.compile(
    r"\b(Algorithm|Table|Fig)(?:ure)?s?\.?[ ]((?:\d+(?:[a-z]|\([a-z]\))?(?:, and |, | and | or )?)+)"
)


def mentioned(text: str) -> set[str]:
    """What a text names of the paper: "Tables 4 and 6", "Fig. 2a" and so on."""
    return {
        f"{'Fig.' if kind == 'Fig' else kind} {number}"
        for kind, numbers in MENTION.findall(text)
        for number in re.findall(r"\d+", numbers)
    }


@cache
def mentions() -> list[tuple[Cell, str, set[str]]]:
    """The cells of code on the pages of the chapters.

    With their sections, and what they or their headings name of the paper.
    """
    found = [
        (path, cell)
        for path in chapters()
        for cell in read(path)
        if cell.is_code and cell.id in on_page(path)
    ]
    sections = [plain(section_of(read(path), cell)) for path, cell in found]
    return [
        (cell, section, mentioned(f"{section}\n{cell.source}"))
        for (_, cell), section in zip(found, sections, strict=True)
    ]


def places(name: str) -> str:
    """Links to the sections that speak of a table, figure or algorithm of the paper.

    By chapter; it is the heading or the code that speaks of it.
    """
    links: dict[str, dict[str, str]] = {}
    for cell, section, names in mentions():
        if name in names:
            links.setdefault(cell.chapter[:2], {}).setdefault(
                section or cell.id, anchor(cell.chapter, cell.id)
            )
    return "; ".join(
        f"[{n}](#chapter-{n}): " + ", ".join(f"[{text}](#{label})" for text, label in found.items())
        for n, found in links.items()
    )


PAPER = {
    "Algorithm 1": "how DeCA is trained",
    "Algorithm 2": "how DeCA(p) is trained",
    "Table 1": "sizes of the four data sets",
    "Table 2": "all methods on MovieLens, Modcloth and Adressa",
    "Table 3": "one sub-task alone",
    "Table 4": "models of $h$ and $h'$ on Modcloth",
    "Table 5": "all methods on Electronics",
    "Table 6": "models of $h$ and $h'$ on the other data sets",
    "Fig. 1": "what normal training and denoising assume",
    "Fig. 2": "models agree on clean clicks",
    "Fig. 3": "recall along the training",
    "Fig. 4": "score by rating",
    "Fig. 5": "$C_1$ and $C_2$ on Adressa",
    "Fig. 6": "$C_1$ and $C_2$ on the other data sets",
}


def figure_table() -> str:
    """The paper's algorithms, tables and figures, and the code that speaks of each."""
    return table(
        ["in the paper", "what it shows", "chapter and section"],
        [[name, what, places(name) or "–"] for name, what in PAPER.items()],
    )


# The results.


def number(value) -> str:
    """A number to read, not to compute with."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def measure(value: float) -> str:
    """A mean or a deviation: four decimals below one."""
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"


def over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each setting: mean ± standard deviation over its seeds."""
    numbers = [name for name in frame if is_float_dtype(frame[name])]
    keys = [name for name in frame if name not in ("seed", *numbers)]
    grouped = frame.groupby(keys, sort=False, dropna=False)
    mean, sd, count = (
        grouped[numbers].mean(),
        grouped[numbers].std(),
        grouped["seed"].nunique().rename("seeds"),
    )
    cells = mean.map(measure) + sd.map(
        lambda value: f"\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{measure(value)}" if value > 0 else ""
    )
    return cells.assign(seeds=count).reset_index()


LONGEST = 60  # rows of a table on the page; the file has all of them


def csv_block(path: Path, page: str) -> str:
    """A table of results, averaged over seeds where it has any.

    What is the same in all rows stands above it.
    """
    frame = pd.read_csv(path)
    about = [f"{len(frame)} rows"]
    if "seed" in frame and not frame.empty:
        frame = over_seeds(frame)
        about.append("here as mean ± standard deviation over the seeds")
    same = [name for name in frame if len(frame) > 1 and frame[name].nunique(dropna=False) == 1]
    about += [f"{name}: {number(frame[name].iloc[0])}" for name in same]
    if len(frame) > LONGEST:
        about.append(f"the first {LONGEST} lines")
    rows = frame.drop(columns=same).head(LONGEST).astype(object).fillna("–")
    lines = [list(map(number, row)) for row in rows.to_numpy().tolist()]
    return f"{link_to(path, page)}: {'; '.join(about)}.\n\n{table(list(map(str, rows)), lines)}"


def address(path: Path, page: str) -> str:
    """A file of results as a page of the site links to it."""
    return posixpath.relpath(path.relative_to(ROOT).as_posix(), posixpath.dirname(page) or ".")


def link_to(path: Path, page: str) -> str:
    """A link from a page to a file of results."""
    return f"[{path.name}]({address(path, page)})"


def text_block(path: Path, page: str) -> str:
    """A file of results as it is."""
    return f"```text\n{path.read_text(encoding='utf-8').strip()}\n```"


@cache
def told() -> dict[str, str]:
    """What the chapters say that a picture of results/ shows, by the picture's path without its ending."""
    texts = [cell.source for path in NBS.glob("*.ipynb") for cell in read(path) if not cell.is_code]
    return {
        target: alt
        for text in texts
        for alt, target in re.findall(r"!\[([^\]]+)\]\(\.\./(results/[^)\s]+)\.\w+\)", text)
    }


def figure_block(path: Path, page: str) -> str:
    """A picture of results, with what a chapter says that it shows, else the words that stand in it."""
    name = path.relative_to(ROOT).with_suffix("").as_posix()
    words = told().get(name) or alternative_of([path.read_text(encoding="utf-8")])
    return f"![{words}]({address(path, page)})"


BLOCKS = {".txt": text_block, ".csv": csv_block, ".svg": figure_block, ".png": figure_block}


def readable(folder: Path) -> list[Path]:
    """What a page can show of a folder; of a picture in two formats the one that can be enlarged."""
    files = sorted(
        (path for path in folder.iterdir() if path.suffix in BLOCKS),
        key=lambda path: (list(BLOCKS).index(path.suffix), path.name),
    )
    return [path for path in files if path.suffix != ".png" or path.with_suffix(".svg") not in files]


def belongs(path: Path, report: Path) -> bool:
    """Whether a file is a table or figure of a report: "ml-100k-cells.csv" of "ml-100k.md"."""
    return path.stem == report.stem or path.stem.startswith(f"{report.stem}-")


ROW = re.compile(r"^\|.*\n", re.MULTILINE)
TABLE = re.compile(r"(?:^\|.*\n?)+", re.MULTILINE)


def spoken_title(name: str) -> str:
    """The name of an experiment or of one of its tables as a heading: "figure2: ..." is "Figure 2: ..."."""
    named = re.sub(
        r"^(figure|table)(\d)", r"\1 \2", name.replace("by-", "by ").replace("against-", "against ")
    )
    return "AUC" if named == "auc" else named[:1].upper() + named[1:]


def folded(rows: str) -> str:
    """A table to scan: what is longer than a page is opened by whoever wants it."""
    head, rule, *lines = ROW.findall(rows if rows.endswith("\n") else f"{rows}\n")
    head = head.replace("_", "_\N{ZERO WIDTH SPACE}")  # a long name may go on in the next line
    whole = head + rule + re.sub(r"(\[-?[\d.]+), (?=-?[\d.]+\])", "\\1,\N{NO-BREAK SPACE}", "".join(lines))
    if len(lines) <= LONGEST:
        return whole
    return f"<details><summary>All {len(lines)} rows</summary>\n\n{whole}\n</details>\n"


def report_page(report: Path, page: str) -> str:
    """A page of results/ with its figures before its tables, and links to its tables as files."""
    own = [path for path in readable(report.parent) if belongs(path, report)]
    figures = [figure_block(path, page) for path in own if BLOCKS[path.suffix] is figure_block]
    tables = [link_to(path, page) for path in own if path.suffix == ".csv"]
    files = f"The tables as files: {', '.join(tables)}." if tables else ""
    text = TABLE.sub(lambda found: folded(found[0]), report.read_text(encoding="utf-8").strip() + "\n")
    text = re.sub(r"^(##? )(.+)$", lambda found: found[1] + spoken_title(found[2]), text, flags=re.MULTILINE)
    about, heading, rest = text.strip().partition("\n\n## ")
    title, _, about = about.partition("\n\n")
    told = f"**{finding(report)}.**"
    return "\n\n".join([title, told, about, *figures, f"{heading.strip()} {rest}", files]) + "\n"


def card(report: Path) -> str:
    """A report at a glance: its picture, what it found, and on what."""
    page = report.relative_to(ROOT).as_posix()
    title = spoken_title(report.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# "))
    pictures = [
        path
        for path in readable(report.parent)
        if belongs(path, report) and BLOCKS[path.suffix] is figure_block
    ]
    shown = [f"[{figure_block(pictures[0], 'results.md')}]({page})"] if pictures else []
    parts = "\n\n".join([*shown, f"[{finding(report)}]({page})", title])
    return f":::{{container}} card\n{parts}\n:::"


def cards(name: str) -> str:
    """The cards of a section."""
    folders = [ROOT / "results" / folder for folder in SECTIONS[name]]
    reports = [report for folder in folders for report in sorted(folder.glob("*.md"))]
    return f"## {name}\n\n::::{{container}} cards\n" + "\n\n".join(map(card, reports)) + "\n::::"


def results_of(folder: Path) -> list[str]:
    """What belongs to no report."""
    loose = [
        path for path in readable(folder) if not any(belongs(path, report) for report in folder.glob("*.md"))
    ]
    return [BLOCKS[path.suffix](path, "results.md") for path in loose]


def results_pages() -> dict[str, str]:
    """The page of results with a card for each report, and each report's page.

    Raises `ValueError` for a folder of reports that stands in no section."""
    results = ROOT / "results"
    reports = {path.relative_to(ROOT).as_posix(): path for path in sorted(results.rglob("*.md"))}
    if homeless := {path.parent.name for path in reports.values()} - {
        name for some in SECTIONS.values() for name in some
    }:
        raise ValueError(f"no section of docs/findings.py has a place for {', '.join(sorted(homeless))}")
    listed = "\n".join(page.removesuffix(".md") for page in reports)
    parts = [
        "# Results",
        "Everything that this project measured and kept. Each card says what its tables show; the sentence "
        "is made from them. A card leads to the tables, the command that makes them again, and what they "
        "were measured on.",
        *map(cards, SECTIONS),
        f"```{{toctree}}\n:hidden:\n\n{listed}\n```",
    ]
    for folder in [results, *sorted(path for path in results.rglob("*") if path.is_dir())]:
        if blocks := results_of(folder):
            heading = (
                [] if folder == results else [f"## {folder.relative_to(results).as_posix().capitalize()}"]
            )
            parts += [*heading, *blocks]
    return {page: report_page(path, page) for page, path in reports.items()} | {
        "results.md": "\n\n".join(parts) + "\n"
    }


def fault_table() -> str:
    """Survived and tried, by kind, of every seed that results/faults holds."""
    seeds = {
        path.stem.removeprefix("seed-"): pd.read_json(path).set_index("kind")
        for path in sorted((ROOT / "results" / "faults").glob("*.json"))
    }
    kinds = list(dict.fromkeys(kind for counts in seeds.values() for kind in counts.index))
    cells = [
        [
            kind,
            *(
                f"{counts.loc[kind, 'survived']:,} of {counts.loc[kind, 'tried']:,}"
                for counts in seeds.values()
            ),
        ]
        for kind in kinds
    ]
    return table(["kind of attack", *(f"seed {seed}" for seed in seeds)], cells)


MADE = {
    "<!-- faults -->": fault_table,
    "<!-- equations -->": equation_table,
    "<!-- formulas -->": equation_list,
    "<!-- figures -->": figure_table,
}


def filled(text: str) -> str:
    """A hand-written page with the tables that are made here in their places."""
    for mark, make in MADE.items():
        if mark in text:
            text = text.replace(mark, make())
    return text


def made_pages() -> dict[str, str]:
    """Each page that is made from code and results."""
    api = {f"api/{module_of(read(path)).partition('.')[2]}.rst": api_page(path) for path in rooms()}
    return api | {"api/index.rst": api_index()} | results_pages()
