"""Ids and titles of any letters: they come out as they went in, and do nothing on a page."""

import csv
from html.parser import HTMLParser
from pathlib import Path
from random import Random

import pandas as pd
from child import Lost, deca, need_good_end
from ground import log
from writing import SMALL

TEXTS = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'\"`",
]
TEXTS += [
    "=1+1",
    "+x",
    "-x",
    "@x",
    "a,b",
    'say "a"',
    "a;b",
    "a\tb",
    "a|b",
    "\\",
    "\\n",
    "%s %d",
    "${x}",
    "{{x}}",
]
TEXTS += [
    "__proto__",
    "constructor",
    "null",
    "None",
    "nan",
    "NA",
    "inf",
    "true",
    "1e5",
    "007",
    "1.50",
    "-0",
    "#",
]
TEXTS += [
    "é",
    "e\u0301",
    "ﬁ",
    "日本",
    "😀",
    "\u202eabc",
    "a\u200bb",
    "İ",
    "ß",
    "a b",
    "  a",
    "a  ",
    "x" * 3000,
]
TEXTS += [
    "]]>",
    "<!--",
    "-->",
    "&amp;",
    "&#60;",
    "javascript:alert(1)",
    "..",
    "/etc/passwd",
    "C:\\x",
    "*",
    "?",
]


def with_texts(rng: Random) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Clicks and titles, some of whose users, items and titles are odd."""
    frame, odd = log(30, 20, 300, rng.randrange(1000)), rng.sample(TEXTS, 8)
    frame["user"] = frame["user"].replace({f"u{place}": text for place, text in enumerate(odd[:4])})
    frame["item"] = frame["item"].replace({f"i{place}": text for place, text in enumerate(odd[4:])})
    items = pd.DataFrame({"item": sorted(set(frame["item"]))})
    return frame, items.assign(title=[rng.choice(TEXTS) for _ in range(len(items))])


def need_verbatim(found, written, what: str):
    """Raise `Lost` for a text that nobody wrote."""
    others = sorted(set(found) - set(written))
    if others:
        raise Lost(f"{what}: {others[:3]!r} were not written")


def lists(ground: Path, said: dict, place: Path, rng: Random):
    """Training and lists, in each format."""
    frame, items = with_texts(rng)
    frame.to_csv(place / "own.csv", index=False, quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    items.to_csv(place / "titles.csv", index=False, quoting=csv.QUOTE_ALL)
    ranker = ["train", "--data", "own.csv", "--items", "titles.csv", "--method", "ItemKNN", "--out", "m"]
    need_good_end(deca(ranker, place), (0,))
    kind = rng.choice(["csv", "parquet"])
    need_good_end(deca(["recommend", "m", "--all", "--k", "5", "--out", f"lists.{kind}"], place), (0,))
    found = (
        pd.read_parquet(place / "lists.parquet")
        if kind == "parquet"
        else pd.read_csv(place / "lists.csv", dtype=str, keep_default_na=False)
    )
    for role in ("user", "item"):
        need_verbatim(found[role], frame[role], f"{role} in {kind}")
    need_verbatim(found["title"], items["title"], f"title in {kind}")
    if set(found["user"]) != set(frame["user"]):
        raise Lost(f"{len(set(frame['user']) - set(found['user']))} users have no list")


class Page(HTMLParser):
    """What a browser would act upon."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.handlers = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags += [tag] * (tag in ("script", "img", "svg", "iframe", "object"))
        self.handlers += [name for name, value in attributes if name.startswith("on")]
        self.handlers += [value for _, value in attributes if (value or "").startswith("javascript:")]


def pages(ground: Path, said: dict, place: Path, rng: Random):
    """The explorer's page has the scripts and handlers of a page with plain texts."""
    frame, items = with_texts(rng)
    plain = log(30, 20, 300)
    for name, clicks, titles in (
        ("odd", frame, items),
        ("plain", plain, pd.DataFrame({"item": sorted(set(plain["item"])), "title": "A"})),
    ):
        clicks.to_csv(place / f"{name}.csv", index=False)
        titles.to_csv(place / f"{name}-titles.csv", index=False)
        words = ["explore", "--data", f"{name}.csv", "--items", f"{name}-titles.csv", *SMALL]
        need_good_end(deca([*words, "--out", f"{name}.html"], place), (0,))
    odd, even = (Page((place / f"{name}.html").read_text(encoding="utf-8")) for name in ("odd", "plain"))
    if (odd.tags, odd.handlers) != (even.tags, even.handlers):
        raise Lost(f"a page with {len(odd.tags)} active tags instead of {len(even.tags)}")


def hostile(ground: Path, said: dict, place: Path, rng: Random):
    """Lists, and now and then a page."""
    (pages if rng.random() < 0.05 else lists)(ground, said, place, rng)


KINDS = {"hostile texts": hostile}
