"""Odd values of every option of every command."""

from pathlib import Path
from random import Random

from child import deca, need_good_end
from writing import COMMANDS, room, some_command

from deca_nb import commands  # noqa: F401  the commands have names from here on
from deca_nb.commands import options_of

VALUES = [
    "nan",
    "inf",
    "-inf",
    "-1",
    "0",
    "1e400",
    "1e-400",
    "1e300",
    "",
    " ",
    "x",
    "1.5",
    "-0",
    "1_000",
    "٣",
]
VALUES += [
    "9" * 300,
    "true",
    "None",
    "[]",
    "{}",
    "../..",
    "a,b,,c",
    ",",
    "%s",
    "{user}",
    "\n",
    "é",
    "😀",
    "--",
    "-",
]
VALUES += ["\x1b[31m", "\u202e", "'; x", "$(x)", "x" * 5000, "0x10", "1,2", "user", "clicks.csv", "trained"]
SAFE = {"--help", "--debug", "--version", "--jobs", "--device"}  # ask for text, traceback, or other machines


def odd(ground: Path, said: dict, place: Path, rng: Random):
    """One or two odd values beside good ones: refused in one line, or taken."""
    name = some_command(rng)
    words = COMMANDS[name]
    there = [one for one in options_of(words[0], words) if one.word and one.word not in SAFE]
    for one in rng.sample(there, rng.choice([1, 1, 2])):
        words = [*words, one.word if one.kind is bool else f"{one.word}={rng.choice(VALUES)}"]
    folder = place / "a" / "b" / "c"  # `../..` stays within the case's own place
    folder.mkdir(parents=True)
    need_good_end(deca(words, room(ground, folder)))


KINDS = {"odd settings": odd}
