"""Files that are read, with some of their bytes changed."""

import json
from pathlib import Path
from random import Random

from child import LONGEST, Lost
from ground import FORMATS, MODELS, answers, copy_of, from_child, rows_of, to_train, weights_of

from deca_nb.checkpoints import fit_kept
from deca_nb.files import InputError
from deca_nb.interactions import read_interactions, read_titles
from deca_nb.options import read_options
from deca_nb.runs import Runs
from deca_nb.saved import sealed

TOKENS = [b'"', b"'", b",", b"\t", b";", b"\r", b"\n", b"\n\n", b"\r\n", b"\x00", b"\xff", b"\xef\xbb\xbf"]
TOKENS += [
    b"nan",
    b"inf",
    b"1e400",
    b"-1",
    b"99999999999999999999",
    b"user,item\n",
    b"\xe2\x80\xae",
    b"{",
    b"]",
]
ODD_VALUES = [None, True, -1, 0, 10**30, 1.5, float("nan"), "", "x", "../x", [], [None], {}, {"a": 1}]


def changed(data: bytes, rng: Random) -> bytes:
    """The bytes after one change."""
    at, other = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)
    length = rng.choice([1, 1, 2, 8, 64, 1024])
    before, after = data[:at], data[at:]
    return rng.choice(
        [
            before + bytes([rng.randrange(256)]) + after[1:],
            flipped(data, at, rng.randrange(8)),
            before + after[length:],
            before + data[other : other + length] + after,
            before + rng.choice(TOKENS) + after,
            before + rng.randbytes(length) + after,
            before,
        ]
    )


def spoilt(data: bytes, rng: Random) -> bytes:
    """The bytes after one to three changes."""
    for _ in range(rng.randint(1, 3)):
        data = changed(data, rng)
    return data


def flipped(data: bytes, at: int, bit: int) -> bytes:
    """The bytes with one bit turned; none where there is no such byte."""
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :] if at < len(data) else data


def spoil(path: Path, rng: Random):
    """Change some bytes of a file."""
    path.write_bytes(spoilt(path.read_bytes(), rng))


def tried(work, path: Path):
    """What some work in a child gives, or None where it refuses in one line that names the path."""

    def careful():
        try:
            return {"found": work()}
        except InputError as error:
            return {"refused": str(error)}

    found = from_child(careful)
    if "found" in found:
        return found["found"]
    told = found["refused"]
    if path.name not in told or "\n" in told or len(told.replace(str(path.parent), "")) > LONGEST:
        raise Lost(f"a message of {len(told)} characters: {told[:300]!r}")
    return None


def pairs_in(path: Path) -> list:
    """The pairs that are read from a file."""
    return sorted(
        map(list, read_interactions(path).to_frame()[["user", "item"]].astype(str).to_numpy().tolist())
    )


def plain_pairs(data: bytes, separator: str) -> list | None:
    """The pairs that stand in a plain text; None for one in which more than lines and separators counts."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if any(sign in text for sign in '"\r\x00\ufeff') or text.split("\n")[0].split(separator)[:2] != [
        "user",
        "item",
    ]:
        return None
    rows = [line.split(separator) for line in text.split("\n")[1:] if line]
    return sorted(map(list, {tuple(row[:2]) for row in rows}))


def text(ground: Path, said: dict, place: Path, rng: Random):
    """Clicks in any format: refused, or read as a plain reader would."""
    path = copy_of(ground / f"clicks.{rng.choice(FORMATS)}", place)
    spoil(path, rng)
    found = tried(lambda: pairs_in(path), path)
    separator = {".csv": ",", ".tsv": "\t"}.get(path.suffix)
    expected = plain_pairs(path.read_bytes(), separator) if separator and found is not None else None
    if expected is not None and found != expected:
        raise Lost(f"{len(found)} pairs are read, {len(expected)} are there")


def titles_in(path: Path, clicks: Path) -> list[str]:
    """The titles that the items of some clicks get from a file."""
    return list(read_titles(path, read_interactions(clicks))[0].titles)


def bare(text: str) -> str:
    """A text without quotation marks and white space."""
    return "".join(text.replace('"', "").split())


def titles(ground: Path, said: dict, place: Path, rng: Random):
    """A file of titles: refused, or each title stands in it, or is the item's id."""
    clicks, path = copy_of(ground / "clicks.csv", place), copy_of(ground / "titles.csv", place)
    spoil(path, rng)
    found, known = tried(lambda: titles_in(path, clicks), path), path.read_bytes() + clicks.read_bytes()
    there = bare(known.decode("utf-8", "replace"))
    others = [title for title in found or () if title.isascii() and bare(title) not in there]
    if others:
        raise Lost(f"titles that nobody wrote: {others[:3]}")


def model(ground: Path, said: dict, place: Path, rng: Random):
    """A saved folder: refused, or it says what it said."""
    name = rng.choice(list(MODELS))
    folder = copy_of(ground / "models" / name, place)
    spoil(rng.choice(sorted(folder.iterdir())), rng)
    if tried(lambda: answers(folder), folder) not in (None, said["models"][name]):
        raise Lost("a damaged model says something else")


def change_somewhere(about, rng: Random):
    """Put an odd value into some place of nested plain data, or leave an entry out."""
    places = list(about) if isinstance(about, dict) else range(len(about))
    at = rng.choice(list(places))
    if isinstance(about[at], dict | list) and about[at] and rng.random() < 0.8:
        change_somewhere(about[at], rng)
    elif rng.random() < 0.2:
        del about[at]
    else:
        about[at] = rng.choice(ODD_VALUES)


def forged(ground: Path, said: dict, place: Path, rng: Random):
    """A description by somebody who knows how to make its hash: refused, or loaded."""
    folder = copy_of(ground / "models" / rng.choice(list(MODELS)), place)
    path = folder / "recommender.json"
    about = json.loads(path.read_text())
    change_somewhere(about, rng)
    path.write_text(json.dumps(sealed(about)))
    tried(lambda: answers(folder), folder)


def options(ground: Path, said: dict, place: Path, rng: Random):
    """A file of options."""
    path = copy_of(ground / "options.toml", place)
    spoil(path, rng)
    tried(lambda: list(read_options(str(path))), path)


def runs(ground: Path, said: dict, place: Path, rng: Random):
    """A file of kept runs, or of weights: set aside where it is damaged, and made again."""
    folder = copy_of(ground / "runs" / rng.choice(["alone", "packed"]), place)
    path = rng.choice(sorted([*folder.glob("*.parquet"), *folder.glob("weights/*.safetensors")]))
    spoil(path, rng)
    if path.suffix == ".safetensors":
        for one in folder.glob("*.parquet"):
            one.unlink()
    if from_child(lambda: rows_of(Runs(folder))) != said["runs"]:
        raise Lost(f"{path.name}: other rows")


def state(ground: Path, said: dict, place: Path, rng: Random):
    """The state of a training: left alone where it is damaged; the training comes to the same bytes."""
    folder = copy_of(ground / "state", place)
    for path in sorted(folder.iterdir()):
        if rng.random() < 0.7:
            spoil(path, rng)
    if from_child(lambda: weights_of(fit_kept(to_train(), folder, 0))) != said["weights"]:
        raise Lost("other weights")


KINDS = {
    "changed bytes of clicks": text,
    "changed bytes of titles": titles,
    "changed bytes of options": options,
    "changed bytes of saved models": model,
    "forged descriptions of models": forged,
    "changed bytes of kept runs": runs,
    "changed bytes of a training's state": state,
}
