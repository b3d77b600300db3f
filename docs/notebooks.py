"""Chapters as pages.

A page is a copy of a notebook without what only nbdev and the tests need, with anchors, call-outs and links
that Sphinx understands.
"""

import posixpath
import re
from collections.abc import Callable
from configparser import ConfigParser
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from book import MENTION, NBS, ONE, ROOT, Cell, rooms
from equations import DERIVED_IN, EQUATIONS
from nbformat.v4 import new_markdown_cell

SETTINGS = ConfigParser(delimiters=["="])
SETTINGS.read(ROOT / "settings.ini", encoding="utf-8")
HOUSE = SETTINGS["DEFAULT"]
BLOB = f"https://github.com/{HOUSE['user']}/{HOUSE['repo']}/blob/{HOUSE['branch']}/"
PAGES = {
    "nbs/index.ipynb": "index.ipynb",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.ipynb",
}
BESIDE = (
    "04_judging",
    "05_batches",
    "14_together",
    "14_processes",
    "A0_ask",
    "A0_weigh",
    "A0_evaluate",
    "A0_recommend",
    "A0_denoise",
    "A0_explore",
    "A0_compare",
    "A0_reproduce",
    "A0_field",
    "A1_options",
    "A3_checks",
    "A4_rankers",
    "A6_checkpoints",
    "A6_claims",
    "A6_saved",
    "A7_tune",
    "16_answers",
    "16_channel",
    "17_classes",
    "A9_noise",
    "A9_price",
)  # which share the number of the chapter or appendix that they belong to
CHAPTERS = {path.stem[:2]: path.stem for path in rooms() if path.stem not in BESIDE}
DIRECTIVE = re.compile(r"^#\|\s*(.+?)\s*$\n?", re.MULTILINE)
TAGS = {"echo: false": "remove-input", "output: false": "remove-output"}
CALL_OUT = re.compile(r"^:::\s*\{\.callout-(\w+)[^}]*\}\s*\n+(?:##\s*(.*?)\s*\n)?", re.MULTILINE)
DISPLAY = re.compile(r"^\$\$(.+?)\$\$[ \t]*$", re.MULTILINE | re.DOTALL)
TAG = re.compile(rf"\\tag\{{({ONE})\}}")
INLINE = re.compile(r"\$[^$\n]+\$")
LINK = re.compile(r"""(\]\(|\b(?:src|href)=["'])(?![a-z]+:|[#/])([^\s)"'#]+)""")
CODE = re.compile(r"(^```.*?^```|`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$)", re.DOTALL | re.MULTILINE)
NOT_PROSE = re.compile(
    r"(^```.*?^```|`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$|^#+ .*?$|^:::.*?$|!?\[[^\]]*\]\([^)]*\)|<[^>]+>)",
    re.DOTALL | re.MULTILINE,
)
CELL = re.compile(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`")
NO_CELLS = re.compile(
    r"(^```.*?^```|\$\$.*?\$\$|^#+ .*?$|^:::.*?$|!?\[[^\]]*\]\([^)]*\))", re.DOTALL | re.MULTILINE
)
CHAPTER = re.compile(r"\b(?:[Cc]hapters? \d\d(?:(?:, | and | to |, and | or )\d\d\b)*|[Aa]ppendix A\d\b)")
NUMBER = re.compile(r"\d\d|A\d")
WIDGET = "application/vnd.jupyter.widget-view+json"
SVG, HTML = "image/svg+xml", "text/html"
NOTHING = re.compile(r"<td>(?:NaN|nan|NaT|&lt;NA&gt;)</td>")  # a cell of a table that holds no value
FAR_COMMENT = re.compile(
    r"^(?=.{98})(.*\S) {3,}(# .*)$", re.MULTILINE
)  # in a line that is longer than a page is wide
WORDS = re.compile(r"[^\W\d_]{2,}[,:;]? +\S")
CONTENTS = """
<!-- rooms -->

```{toctree}
:hidden:
:caption: How to

guides/own_csv
guides/does_it_help
guides/choose_c1_c2
guides/read_the_audit
guides/labels
guides/export
guides/own_model
guides/own_method
guides/own_metric
guides/machines
```

```{toctree}
:hidden:
:caption: Look up

paper_to_code
results
reliability
notation
glossary
api/index
contributing
releasing
security
changelog
```
"""


def rooms_in_order() -> dict[str, list[str]]:
    """The pages of chapters and of the appendix, as the home page lists them."""
    home = "\n".join(cell.source for cell in nbformat.read(NBS / "index.ipynb", as_version=4).cells)
    listed = re.findall(r"^\| \[[^\]]+\]\((\w+)\.ipynb\)", home, re.MULTILINE)
    if missing := {path.stem for path in rooms()} ^ set(listed):
        raise ValueError(f"the lists of chapters on the home page leave out {', '.join(sorted(missing))}")
    names = list(dict.fromkeys(listed))
    return {
        "Chapters": [name for name in names if not name.startswith("A")],
        "Appendix": [name for name in names if name.startswith("A")],
    }


def contents() -> str:
    """The sidebar: chapters and appendix in their order, then the other pages."""
    trees = [
        f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n"
        + "\n".join(f"chapters/{name}" for name in names)
        + "\n```"
        for caption, names in rooms_in_order().items()
    ]
    return CONTENTS.replace("<!-- rooms -->", "\n\n".join(trees))


# Names of places.


def anchor(chapter: str, cell: str) -> str:
    """The label of a cell: "ch07-eq14-dp"."""
    return f"ch{chapter[:2].lower()}-{cell}"


def room_anchor(stem: str) -> str:
    """The label of a chapter or appendix: "chapter-07", "chapter-a1", "chapter-04_judging"."""
    return f"chapter-{(stem if stem in BESIDE else stem[:2]).lower()}"


def room_name(chapter: str) -> str:
    """What a text calls it: "chapter 07", "appendix A1"."""
    return f"{'appendix' if chapter.startswith('A') else 'chapter'} {chapter[:2]}"


def equation_anchor(number: str, chapter: str) -> str:
    """The label of a numbered formula: "eq-14".

    Where a chapter has numbers of its own or repeats one: "eq-of-3-1", "eq-2-12".
    """
    if "." in number:
        return f"eq-of-{number.replace('.', '-')}"
    return f"eq-{number}" if chapter == home(number) else f"eq-{number}-{chapter[:2].lower()}"


def tags(path: Path) -> set[str]:
    """The numbers of a chapter's formulas: "14", "2a" or "3.1"."""
    return {
        number
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
        for number in TAG.findall(cell.source)
    }


PAPERS = set(map(str, EQUATIONS))
NUMBERED = {path.stem: tags(path) for path in rooms()}


def home(number: str) -> str | None:
    """The chapter where the paper's equation is derived.

    That is the last that states it, since an earlier one only borrows it.
    """
    return next(
        (chapter for chapter in reversed(DERIVED_IN) if number in PAPERS and number in NUMBERED[chapter]),
        None,
    )


def equation(number: str, chapter: str) -> str | None:
    """The label that "Eq. n" means in a chapter: its own formula, else the paper's.

    A number with a point is one chapter's, wherever it is named.
    """
    if "." in number:
        return (
            equation_anchor(number, chapter)
            if any(number in numbers for numbers in NUMBERED.values())
            else None
        )
    owner = chapter if number in NUMBERED.get(chapter, ()) else home(number)
    return owner and equation_anchor(number, owner)


# Text.


def page_of(target: str) -> str:
    """The page, or the address, of a file of the repository."""
    if target in PAGES:
        return PAGES[target]
    if re.fullmatch(r"nbs/[A\d]\d_\w+\.ipynb", target):
        return target.replace("nbs/", "chapters/")
    return target if target.startswith("results/") else BLOB + target


def relink(text: str, folder: str, page: str) -> str:
    """The relative links of a text of the repository's folder, as they read on a page of the site."""

    def new(link: re.Match) -> str:
        target = page_of(posixpath.normpath(posixpath.join(folder, link[2])))
        return link[1] + (
            target
            if target.startswith("https:")
            else posixpath.relpath(target, posixpath.dirname(page) or ".")
        )

    return outside(CODE, text, lambda part: LINK.sub(new, part))


def outside(kept: re.Pattern, text: str, change: Callable[[str], str]) -> str:
    """The text with everything changed but what the pattern, in one group, keeps."""
    return "".join(part if i % 2 else change(part) for i, part in enumerate(kept.split(text)))


def call_outs(text: str) -> str:
    """nbdev's call-outs as admonitions."""
    return CALL_OUT.sub(
        lambda m: f":::{{admonition}} {m[2]}\n:class: {m[1]}\n\n" if m[2] else f":::{{{m[1]}}}\n", text
    )


def formula(tex: str) -> str:
    """A formula that stands alone.

    Sphinx puts one with several lines into an environment that allows no number, unless it is told not to
    wrap it.
    """
    return f"```{{math}}\n:no-wrap:\n\n\\[{tex.strip()}\\]\n```" if r"\\" in tex else f"$$\n{tex.strip()}\n$$"


def display(text: str, chapter: str) -> str:
    """Formulas that stand alone, as MyST wants them.

    Those with a number get a label and an entry for the search.
    """

    def new(found: re.Match) -> str:
        number, block = TAG.search(found[1]), formula(found[1])
        if number is None:
            return f"\n{block}\n"
        label = equation_anchor(number[1], chapter)
        alone = chapter in DERIVED_IN or "." in number[1]
        entry = f"Eq. {number[1]}" if alone else f"Eq. {number[1]} ({chapter[:2]})"
        return f"\n```{{index}} ! {entry}\n:name: {label}\n```\n\n{block}\n"

    return DISPLAY.sub(new, text)


def mentions(text: str, chapter: str) -> str:
    """The text with links from "Eq. 14", "chapter 04" and "appendix A1".

    Headings, code, formulas and links stay as they are.
    """

    def to_equation(number: re.Match) -> str:
        label = equation(number[0], chapter)
        return f"[{number[0]}](#{label})" if label else number[0]

    def to_chapter(number: re.Match) -> str:
        stem = CHAPTERS.get(number[0])
        return f"[{number[0]}](#{room_anchor(stem)})" if stem and stem != chapter else number[0]

    def link(part: str) -> str:
        part = MENTION.sub(lambda found: re.sub(ONE, to_equation, found[0]), part)
        return CHAPTER.sub(lambda found: NUMBER.sub(to_chapter, found[0]), part)

    return outside(NOT_PROSE, text, link)


@cache
def homes() -> dict[str, list[str]]:
    """The chapters whose page shows a cell of code with an id."""
    found: dict[str, list[str]] = {}
    for path in rooms():
        for cell in shown(path):
            if cell.cell_type == "code":
                found.setdefault(cell.id, []).append(path.stem)
    return found


def to_cells(text: str, chapter: str) -> str:
    """The text with links from the ids of cells, such as `check-topk`.

    A link leads to the cell of the same chapter, else of the only one that has it.
    """

    def link(found: re.Match) -> str:
        owners = homes().get(found[1], [])
        owner = (
            chapter
            if chapter in owners
            else owners[0]
            if len(owners) == 1 and found[1].startswith("check-")
            else None
        )
        return f"[{found[0]}](#{anchor(owner, found[1])})" if owner else found[0]

    return outside(NO_CELLS, text, lambda part: CELL.sub(link, part))


def double_bars(text: str) -> str:
    """Norms and divergences in the rows of a table, where a bar would end the cell."""
    return re.sub(
        r"^\|.*$",
        lambda row: INLINE.sub(lambda tex: tex[0].replace(r"\|", r"\Vert "), row[0]),
        text,
        flags=re.MULTILINE,
    )


def text_of(source: str, chapter: str, page: str) -> str:
    """A text cell of a notebook on its page."""
    source = to_cells(mentions(relink(double_bars(source), "nbs", page), chapter), chapter)
    return call_outs(display(source, chapter))


# Pictures.


TICK = re.compile(r"[xy]tick_")
LEGEND = re.compile(r"legend_")
GREEK = re.compile(r"\\(alpha|beta|lambda|tau)\b")
LONGEST_ALT = 400  # characters that are read aloud in one go


def without_tex(text: str) -> str:
    """What a figure writes, in plain characters: "$C_1$" as "C1"."""
    return INLINE.sub(
        lambda tex: re.sub(r"[${}_\\]", "", GREEK.sub(r"\1", tex[0].replace(r"\mathdefault", ""))), text
    )


def texts_of(node: ElementTree.Element) -> list[str]:
    """What a part of a figure writes; ticks are left out."""
    if TICK.match(node.get("id", "")):
        return []
    lines = [without_tex(" ".join(part.text.split())) for part in node if part.tag is ElementTree.Comment]
    own = "; ".join(lines).replace(",; ", ", ")
    return [own] * bool(own) + [text for part in node if isinstance(part.tag, str) for text in texts_of(part)]


def drawn_words(svg: str) -> list[str]:
    """What a figure writes: titles first, then what stands at axes and lines, then the legends."""
    root = ElementTree.fromstring(
        svg, ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    )
    figure = next(node for node in root.iter() if node.get("id", "").startswith("figure_"))
    above, titles, others, legends = [], [], [], []
    for part in figure:
        name = part.get("id", "")
        if name.startswith("text_"):
            above += texts_of(part)
        elif LEGEND.match(name):
            legends += texts_of(part)
        elif name.startswith("axes_"):
            inside = [child for child in part if child.get("id", "").startswith("text_")]
            legends += [
                text for child in part if LEGEND.match(child.get("id", "")) for text in texts_of(child)
            ]
            titles += [text for child in inside[-1:] for text in texts_of(child) if WORDS.search(text)]
            axes = [child for child in part if child.get("id", "").startswith("matplotlib.axis")]
            others += [text for child in axes for text in texts_of(child)]
            others += [text for child in inside for text in texts_of(child) if WORDS.search(text)]
    above.sort(key=len, reverse=True)  # the title of all says more than the name of an axis
    found = above + titles + others + legends
    return list(dict.fromkeys(text for text in found if re.search(r"[^\W\d]", text)))


def alternative_of(svgs: list[str]) -> str:
    """What a reader who cannot see the figures is told: the words in them, whole ones."""
    told = "Figure"
    for text in dict.fromkeys(text for svg in svgs for text in drawn_words(svg)):
        longer = f"{told}{'; ' if told != 'Figure' else ': '}{text}"
        if len(longer) > LONGEST_ALT:
            break
        told = longer
    return f"{told}."


def alternative(cell: nbformat.NotebookNode) -> str:
    """What a reader who cannot see the figures of a cell is told.

    That is the cell's `#| fig-alt: ...`, else the words that stand in its figures.
    """
    told = re.search(r"^#\|\s*fig-alt:\s*(.+?)\s*$", cell.source, re.MULTILINE)
    svgs = [output.data[SVG] for output in cell.outputs if SVG in output.get("data", {})]
    return told[1].strip("\"'") if told else alternative_of(svgs)


# Cells.


def code_cell(cell: nbformat.NotebookNode):
    """Strip a code cell of its directives, and say what its pictures show."""
    directives = set(DIRECTIVE.findall(cell.source))
    cell.metadata["tags"] = [tag for directive, tag in TAGS.items() if directive in directives]
    about: dict = {}
    if cell.id.startswith("imports"):
        cell.metadata["tags"].append("hide-input")  # folded
        whose = "of this page" if cell.id == "imports-here" else "of the module"
        about |= {"code_prompt_show": f"Imports {whose}", "code_prompt_hide": f"Imports {whose}"}
    if any(mime.startswith("image/") for output in cell.outputs for mime in output.get("data", {})):
        about["image"] = {"alt": alternative(cell)}
    if about:
        cell.metadata["mystnb"] = about
    for output in cell.outputs:
        if HTML in output.get("data", {}):
            output.data[HTML] = NOTHING.sub("<td>–</td>", output.data[HTML])
    cell.source = FAR_COMMENT.sub(r"\1  \2", DIRECTIVE.sub("", cell.source).strip("\n"))


def is_hidden(cell: nbformat.NotebookNode) -> bool:
    """Whether a reader has no use for a cell: a hidden one, or nothing but directives."""
    return cell.cell_type == "code" and (
        "hide" in DIRECTIVE.findall(cell.source) or not DIRECTIVE.sub("", cell.source).strip()
    )


def shown(path: Path) -> list[nbformat.NotebookNode]:
    """The cells of a notebook that its page shows."""
    return [cell for cell in nbformat.read(path, as_version=4).cells if not is_hidden(cell)]


def page(path: Path, target: str) -> nbformat.NotebookNode:
    """The copy of a notebook that becomes the page `target`."""
    notebook, stem = nbformat.read(path, as_version=4), path.stem
    number = stem[:2] if stem[:2] in CHAPTERS else ""
    notebook.cells = [part for cell in shown(path) for part in with_anchor(cell, stem, target)]
    if number:
        title = notebook.cells[0]
        title.source = title.source.replace("# ", f"({room_anchor(stem)})=\n# {number} ", 1)
    if path.stem == "index":
        notebook.cells[1:1] = first_screen()
        notebook.cells.append(new_markdown_cell(contents(), id="contents"))
        notebook.metadata["widgets"] = nbformat.read(SLICE[0], as_version=4).metadata["widgets"]
    if not any(
        WIDGET in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])
    ):
        notebook.metadata.pop("widgets", None)  # a page without widgets need not load their scripts
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    return notebook


DOORS = """
::::{container} doors
:::{container} door
[Learn](chapters/01_interactions.ipynb)

A book of chapters that run: from clicks to each equation of the paper, proved where it is derived.
:::

:::{container} door
[Check](results.md)

What of the paper comes out again, and what does not. One command makes each number once more.
:::

:::{container} door
[Use](guides/own_csv.md)

Your own clicks: see what they can show, train, doubt single clicks, serve lists.
:::
::::
"""
PICTURE = NBS / "07_objective.ipynb", "figure-arrows"  # how a preference becomes a click, or none
SLICE = NBS / "13_explorer.ipynb", "explore-one-pair"


def output_of(path: Path, name: str) -> nbformat.NotebookNode:
    """A cell of code of another notebook, of which only what it shows is shown."""
    cell = next(cell for cell in shown(path) if cell.id == name)
    code_cell(cell)
    cell.metadata["tags"].append("remove-input")
    cell.id = f"home-{name}"
    return cell


def first_screen() -> list[nbformat.NotebookNode]:
    """What the site begins with: three doors, a picture, and a slice of the explorer."""
    ways = (
        "A user likes an item or does not, and then there is a click or none. Two of the four ways mislead a "
        "recommender: the dashed ones. DeCA learns how often they occur."
    )
    about = "One pair of a user and an item, and what pushes the belief that it is liked. Move the sliders."
    return [
        new_markdown_cell(DOORS, id="home-doors"),
        new_markdown_cell(ways, id="home-ways"),
        output_of(*PICTURE),
        new_markdown_cell(about, id="home-about"),
        output_of(*SLICE),
    ]


def with_anchor(cell: nbformat.NotebookNode, chapter: str, target: str) -> list[nbformat.NotebookNode]:
    """A cell, after the place that links to it lead to.

    Text begins with headings, which are places already.
    """
    if cell.cell_type != "code":
        cell.source = text_of(cell.source, chapter, target)
        return [cell]
    code_cell(cell)
    return [new_markdown_cell(f"({anchor(chapter, cell.id)})=", id=f"at-{cell.id}"[:64]), cell]


def section_of(cells: list[Cell], wanted: Cell) -> str:
    """The heading under which a cell stands; the title of a call-out is none."""
    before = cells[: cells.index(wanted)]
    texts = [
        re.sub(r"^:::.*?^:::\s*$", "", cell.source, flags=re.MULTILINE | re.DOTALL)
        for cell in before
        if not cell.is_code
    ]
    headings = [line for text in texts for line in re.findall(r"^###* (.+?)\s*$", text, re.MULTILINE)]
    return headings[-1] if headings else ""


def notebook_pages() -> dict[str, Path]:
    """Each page that is a notebook."""
    return {"index.ipynb": NBS / "index.ipynb"} | {f"chapters/{path.name}": path for path in rooms()}
