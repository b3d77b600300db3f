"""Things that are no ordinary files, where a file is read or written."""

import gzip
import os
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from child import Lost, deca, need_good_end
from ground import log
from writing import COMMANDS, room, some_command

ROWS = log().to_csv(index=False)
HEADER = "user,item,rating,timestamp\n"
ONE_ROW = HEADER.encode() + bytes(200_000_000)


def zipped(path: Path, **members: bytes):
    """A zip file of these members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name.replace("__", "/"), data)


def loop(path: Path):
    """A link to itself."""
    path.symlink_to(path.name)


INPUTS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "no such file": ("in.csv", lambda path: None),
    "an empty file": ("in.csv", lambda path: path.write_bytes(b"")),
    "an empty folder": ("in", lambda path: path.mkdir()),
    "a folder of other things": ("in", lambda path: (path.mkdir(), (path / "a.txt").write_text("x"))),
    "a device": ("in.csv", lambda path: path.symlink_to("/dev/null")),
    "a device without an end": ("in.csv", lambda path: path.symlink_to("/dev/zero")),
    "a pipe that nobody writes to": ("in.csv", lambda path: os.mkfifo(path)),
    "a link to itself": ("in.csv", loop),
    "a link to nothing": ("in.csv", lambda path: path.symlink_to("nothing")),
    "a bomb": ("in.csv.gz", lambda path: path.write_bytes(gzip.compress(bytes(200_000_000), 1))),
    "a bomb in rows": (
        "in.csv.gz",
        lambda path: path.write_bytes(gzip.compress(HEADER.encode() * 2_000_000, 1)),
    ),
    "a bomb in one row": ("in.csv.gz", lambda path: path.write_bytes(gzip.compress(ONE_ROW, 1))),
    "two files in one": ("in.zip", lambda path: zipped(path, a=b"x", b=b"y")),
    "a way out of the folder": ("in.zip", lambda path: zipped(path, **{"..__..__a.csv": ROWS.encode()})),
    "a zip of nothing": ("in.zip", lambda path: zipped(path)),
    "a zip that is cut": ("in.zip", lambda path: (zipped(path, a=ROWS.encode()), os.truncate(path, 60))),
    "100,000 columns": ("in.csv", lambda path: path.write_text(",".join(map(str, range(100_000))) + "\n")),
    "a field of 5 MB": ("in.csv", lambda path: path.write_text(HEADER + "u" * 5_000_000 + ",i,1,1\n")),
    "a name of 5 MB": ("in.csv", lambda path: path.write_text("u" * 5_000_000 + ",item\nu,i\n")),
    "a header alone": ("in.csv", lambda path: path.write_text(HEADER)),
    "a header without its end": ("in.csv", lambda path: path.write_text(HEADER.strip())),
    "one row": ("in.csv", lambda path: path.write_text(HEADER + "u,i,5,1\n")),
    "blank lines alone": ("in.csv", lambda path: path.write_text("\n" * 1000)),
    "rows of nothing": ("in.csv", lambda path: path.write_text(HEADER + ",,,\n" * 100)),
    "no letters": ("in.csv", lambda path: path.write_bytes(bytes(range(256)) * 40)),
    "UTF-16 without its mark": ("in.csv", lambda path: path.write_bytes(ROWS.encode("utf-16-le"))),
    "UTF-16": ("in.csv", lambda path: path.write_bytes(ROWS.encode("utf-16"))),
    "another format inside": ("in.parquet", lambda path: path.write_text(ROWS)),
    "text in a table's place": ("in.feather", lambda path: path.write_text(ROWS)),
    "rows of JSON that are no rows": ("in.jsonl", lambda path: path.write_text("[1, 2]\n3\nnull\n")),
    "deep JSON": ("in.jsonl", lambda path: path.write_text("[" * 100_000)),
    "an ending in capitals": ("IN.CSV", lambda path: path.write_text(ROWS)),
    "a name like an option": ("-in.csv", lambda path: path.write_text(ROWS)),
    "a name like a pattern": ("[in].csv", lambda path: path.write_text(ROWS)),
    "a name of many letters": ("日本 é 'x'.csv", lambda path: path.write_text(ROWS)),
    "only quotation marks": ("in.csv", lambda path: path.write_text(HEADER + '"' * 10_001)),
    "a line of 10 MB": ("in.csv", lambda path: path.write_text(HEADER + "u,i,1,1" + "," * 10_000_000)),
    "old line ends": ("in.csv", lambda path: path.write_bytes(ROWS.replace("\n", "\r").encode())),
}
AFTER = {  # the option, or place, where each command reads
    "audit": ["audit", "--data={}"],
    "train": ["train", "--method", "MostPopular", "--out", "out", "--data={}"],
    "denoise": ["denoise", "--epochs", "1", "--out", "out.csv", "{}"],
    "titles": ["audit", "--data", "clicks.csv", "--items={}"],
    "known": ["audit", "--data", "clicks.csv", "--known={}"],
    "history": ["recommend", "trained", "--history={}", "--users", "u1"],
    "users": ["recommend", "trained", "--users-file={}"],
    "only": ["recommend", "trained", "--users", "u1", "--only={}"],
    "evaluate": ["evaluate", "trained", "--data={}"],
    "recipe": ["train", "--out", "out", "--recipe={}"],
    "model": ["recommend", "{}", "--users", "u1"],
}


def inputs(ground: Path, said: dict, place: Path, rng: Random):
    """A hazard where a command reads a file: refused in one line, or read."""
    what, use = rng.choice(list(INPUTS)), rng.choice(list(AFTER))
    room(ground, place)
    name, make = INPUTS[what]
    make(place / name)
    try:
        need_good_end(deca([word.format(name) for word in AFTER[use]], place))
    except Lost as lost:
        raise Lost(f"{what}, {use}: {lost}") from lost


def drained(path: Path, into: list[bytes]) -> threading.Thread:
    """A thread that reads a pipe."""

    def read():
        try:
            with path.open("rb") as file:
                into.append(file.read())
        except OSError:
            pass

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def to_device(path: Path, kind: str):
    path.symlink_to(f"/dev/{kind}")


PLACES: dict[str, Callable[[Path], object]] = {
    "a full device": lambda path: to_device(path, "full"),
    "a device": lambda path: to_device(path, "null"),
    "a folder": lambda path: path.mkdir(),
    "a folder with something in it": lambda path: (path.mkdir(), (path / "mine.txt").write_text("x")),
    "a link to a file": lambda path: (path.with_name("real").write_text("x"), path.symlink_to("real")),
    "a link to nothing": lambda path: path.symlink_to("later"),
    "a link to a place in a folder that is not there": lambda path: path.symlink_to("no/where/x"),
    "a link to itself": loop,
    "a file": lambda path: path.write_text("x"),
    "a file with another name": lambda path: (
        path.with_name("twin").write_text("x"),
        os.link(path.with_name("twin"), path),
    ),
    "a pipe": lambda path: os.mkfifo(path),
}


def places(ground: Path, said: dict, place: Path, rng: Random):
    """A hazard where a command writes."""
    what, name = rng.choice(list(PLACES)), some_command(rng)
    words = COMMANDS[name]
    target = next(place / word for word in words if word.startswith("out"))
    PLACES[what](room(ground, place) / target.name)
    before = os.lstat(target)
    if what == "a pipe":
        drained(target, [])
    try:
        ended = need_good_end(deca(words, place))
        if what == "a link to a file" and ended.code == 0 and not target.is_symlink():
            raise Lost("the link was replaced")
        if what in ("a device", "a full device", "a pipe") and os.lstat(target).st_ino != before.st_ino:
            raise Lost("it was replaced by a file")
        if what == "a folder with something in it" and (target / "mine.txt").read_text() != "x":
            raise Lost("what was in the folder is lost")
    except Lost as lost:
        raise Lost(f"{what}, {name}: {lost}") from lost


KINDS = {"odd inputs": inputs, "odd places to write to": places}
