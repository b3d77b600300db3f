"""What a built page refers to.

`problems(folder)` lists links that lead nowhere, pictures that say nothing, and whatever a page would ask of
the network.
"""

import posixpath
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
}
LOADED_LINKS = {
    "stylesheet",
    "icon",
    "preload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "modulepreload",
    "manifest",
}


class Page(HTMLParser):
    """The ids of a page, what it links to, what it loads, and its pictures without words."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.loaded, self.wordless = set(), [], [], []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]):
        found = dict(attributes)
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "link" and LOADED_LINKS & set((found.get("rel") or "").split()):
            self.loaded.append(found["href"])
        if found.get(LOADED.get(tag, "")):
            self.loaded.append(found[LOADED[tag]])
        if tag == "img" and not (found.get("alt") or "").strip():
            self.wordless.append(found.get("src"))


@cache
def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def is_inside(address: str) -> bool:
    """Whether an address is one of the site's own, and not written into the page itself."""
    return not urlsplit(address).scheme and not address.startswith("//")


def leads_nowhere(folder: Path, source: Path, address: str) -> bool:
    """Whether a relative address has no file, or its file no such id."""
    parts = urlsplit(address)
    target = (
        source
        if not parts.path
        else folder
        / posixpath.normpath(
            posixpath.join(source.relative_to(folder).parent.as_posix(), unquote(parts.path))
        )
    )
    if not target.is_file() or not target.resolve().is_relative_to(folder.resolve()):
        return True
    return (
        bool(parts.fragment) and target.suffix == ".html" and unquote(parts.fragment) not in page(target).ids
    )


def problems_of(folder: Path, source: Path) -> list[str]:
    """What is wrong with one page."""
    found, name = page(source), source.relative_to(folder)
    inside = [address for address in [*found.links, *found.loaded] if is_inside(address)]
    return [
        *(f"{name}: {address} leads nowhere" for address in inside if leads_nowhere(folder, source, address)),
        *(
            f"{name}: {address} would be asked of the network"
            for address in found.loaded
            if not is_inside(address) and not address.startswith("data:")
        ),
        *(f"{name}: the picture {address} says nothing" for address in found.wordless),
    ]


def problems(folder: Path) -> list[str]:
    """What is wrong with the pages of a built site."""
    pages = sorted(folder.rglob("*.html"))
    if not pages:
        return [f"{folder}: there are no pages"]
    return [problem for source in pages for problem in problems_of(folder, source)]
