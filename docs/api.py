"""A Sphinx extension for the docstrings of this package.

They are written in markdown with documents beside the parameters, and each entry leads to the cell that
derives it.
"""

import inspect
import re
from collections.abc import Container
from functools import partial
from pydoc import locate

from book import MENTION, ONE
from members import documents
from notebooks import anchor, equation, room_name
from pages import DEFINITIONS, SHORT

SHORTER = {
    r"~?(?:\w+\.)*Annotated\[(.*?), ~?(?:\w+\.)*Number\(.*?\)\](?= = |[,)])": r"\1",  # what it may be
    r"~?(?:\w+\.)*Annotated\[(.*?), <[^>]*>\]": r"\1",
    r"(?:\w+\.)*Protocol\([^()]*name='(clean|paper)'[^()]*\)": lambda found: found[1].upper(),
    r"(?<== )(?:\w+\.)*(?:Training|\w+Settings)\([^()]*\)": "...",
    r"<[^<>]*(?:<[^<>]*>[^<>]*)*>": "...",
}


def code(name: str, own: Container[str] = ()) -> str:
    """Inline code; the name of something documented is a link, unless a parameter of the entry has it."""
    return f":py:obj:`~{SHORT[name].name}`" if name in SHORT and name not in own else f"``{name}``"


def prose(text: str, chapter: str) -> str:
    """Plain words in reStructuredText, with "Eq. 14" as a link.

    Here recall@20 is no address, and --option keeps its dashes.
    """
    text = re.sub(r"(?<!\S)--[a-z][\w-]*", r"``\g<0>``", re.sub(r"([*_|@\\])", r"\\\1", text))
    text = re.sub(r"\\\*\\\*(\w[\w ]*)\\\*\\\*", r"**\1**", text)
    return MENTION.sub(lambda found: re.sub(ONE, partial(to_equation, chapter=chapter), found[0]), text)


def to_equation(number: re.Match, chapter: str) -> str:
    """A link to the chapter's own equation of this number, else to the paper's."""
    label = equation(number[0], chapter)
    return f"\\ :ref:`{number[0]} <{label}>`\\ " if label else number[0]


def rst(text: str, chapter: str, own: Container[str] = ()) -> str:
    """A line of markdown as reStructuredText."""
    parts = text.split("`")
    return "".join(code(part, own) if i % 2 else prose(part, chapter) for i, part in enumerate(parts))


def parameters(notes: dict[str, str], chapter: str, own: Container[str]) -> list[str]:
    """A field for each parameter that has a document beside it."""
    fields = {name: f":param {name}:" for name in notes} | {"return": ":returns:"}
    return [f"{fields[name]} {rst(' '.join(note.split()), chapter, own)}" for name, note in notes.items()]


def names_of(obj) -> set[str]:
    """The parameters of a function or class; none where it has no signature."""
    try:
        return set(inspect.signature(obj).parameters)
    except (TypeError, ValueError):
        return set()


def is_foreign(obj, owner: type | None) -> bool:
    """Whether the docstring of a method is that of a base class of another library."""
    if owner is None or getattr(obj, "__doc__", None):
        return False
    said = [base for base in owner.__mro__ if getattr(vars(base).get(obj.__name__), "__doc__", None)]
    return bool(said) and not said[0].__module__.startswith("deca_nb")


def derived_in(name: str) -> list[str]:
    """The way to the cell that defines it."""
    if name not in DEFINITIONS:
        return []
    chapter, cell = DEFINITIONS[name].chapter, DEFINITIONS[name].cell
    return [f"Derived in :ref:`{room_name(chapter)}, cell {cell} <{anchor(chapter, cell)}>`."]


def rewrite(app, what: str, name: str, obj, options, lines: list[str]):
    """Make the docstring of a definition."""
    chapter = DEFINITIONS[name].chapter if name in DEFINITIONS else ""
    own = names_of(obj)
    owner = locate(name.rpartition(".")[0]) if what == "method" else None
    lines[:] = [] if is_foreign(obj, owner) else [rst(line, chapter, own) for line in lines]
    if what != "module":
        lines += ["", *parameters(documents(obj, owner), chapter, own), "", *derived_in(name), ""]


def signature(
    app, what: str, name: str, obj, options, given: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """The signature without what prints badly: a command's help, a whole protocol, an address in memory."""
    for pattern, words in SHORTER.items():
        given = given and re.sub(pattern, words, given)
    return given, returned


def skip(app, what: str, name: str, obj, is_skipped: bool, options) -> bool | None:
    """Leave out fields of data classes: they are among the parameters."""
    kept = callable(obj) or isinstance(obj, property | classmethod | staticmethod)
    return True if what == "class" and not kept else None


def setup(app) -> dict:
    app.connect("autodoc-process-docstring", rewrite)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True}
