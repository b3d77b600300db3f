"""Commands whose calls to the system fail, one at a time, or that run into a limit."""

import errno
import json
import os
import resource
import shutil
import sys
import time
from pathlib import Path
from random import Random

import pandas as pd
from child import Ended, Lost, command, in_child, need_good_end
from ground import answers_of
from safetensors.torch import load_file

from deca_nb.datasets import world_data

SMALL = ["--epochs", "2", "--embedding-dim", "4", "--threads", "1"]
OWN = ["--data", "clicks.csv", *SMALL]
WORLD = world_data(n_users=60, n_items=40)
TABLE = ["reproduce", "table2", "--data", WORLD, "--models", "GMF"]
# Each command writes into `out`, or to a file that begins so.
COMMANDS = {
    "train": ["train", *OWN, "--method", "DeCA", "--out", "out"],
    "train EASE": ["train", "--data", "clicks.csv", "--method", "EASE", "--out", "out"],
    "train --log": [
        "train",
        *OWN,
        "--out",
        "out",
        "--log",
        "out.log",
        "--write-recipe",
        "out.toml",
        "--quiet",
    ],
    "evaluate": ["evaluate", "trained", "--json", "out.json"],
    "recommend csv": ["recommend", "trained", "--all", "--k", "3", "--out", "out.csv"],
    "recommend parquet": ["recommend", "trained", "--all", "--k", "3", "--out", "out.parquet"],
    "recommend json": ["recommend", "trained", "--users", "u1,u2", "--k", "3", "--json", "out.json"],
    "similar-items": ["similar-items", "trained", "--items", "i1", "--k", "3", "--out", "out.csv"],
    "vectors": ["vectors", "trained", "--out", "out"],
    "ask": ["ask", "trained", "--n", "5", "--out", "out.csv"],
    "audit": ["audit", "--data", "clicks.csv", "--json", "out.json"],
    "denoise": ["denoise", "clicks.csv", *SMALL, "--out", "out.csv"],
    "compare": ["compare", *OWN, "--methods", "Normal,DeCA", "--seeds", "1", "--out", "out"],
    "tune": ["tune", *OWN, "--methods", "MostPopular,DeCA", "--trials", "2", "--seeds", "1", "--out", "out"],
    "explore": ["explore", *OWN, "--users", "u1,u2", "--out", "out.html"],
    "reproduce": [*TABLE, "--methods", "Normal,DeCA", "--seeds", "1", "--epochs", "1", "--out", "out"],
}
SELDOM = {"explore": 0.1, "reproduce": 0.3}  # dear ones; the others count once
CALLS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.scandir", "os.listdir"}
ERRORS = ["ENOSPC", "EIO", "EACCES", "EROFS", "EDQUOT", "EMFILE", "ENOENT", "EPERM", "ENAMETOOLONG", "EBUSY"]


def some_command(rng: Random) -> str:
    """The name of one of the commands."""
    return rng.choices(list(COMMANDS), [SELDOM.get(name, 1.0) for name in COMMANDS])[0]


class Calls:
    """Counts the calls to the system that concern a folder, and lets one of them fail."""

    def __init__(self, place: Path, fails: int | None = None, error: int = errno.EIO):
        self.place, self.fails, self.error, self.n, self.failed = str(place), fails, error, 0, ""

    def concerns(self, argument) -> bool:
        """Whether it is a path in the folder."""
        if not isinstance(argument, str | bytes | os.PathLike):
            return False
        return os.path.abspath(os.fsdecode(argument)).startswith(self.place)

    def count(self, what: str, path: str = ""):
        """One call more. Raises `OSError` where it is the one that fails."""
        self.n += 1
        if self.n - 1 == self.fails:
            self.failed = what
            raise OSError(self.error, os.strerror(self.error), path or None)

    def hear(self, event: str, arguments: tuple):
        """What Python says before it calls the system."""
        paths = arguments[: 2 if event == "os.rename" else 1]
        if event in CALLS and any(map(self.concerns, paths)):
            self.count(event, os.fsdecode(arguments[0]))

    def listen(self):
        """From now on, in this process."""
        fsync = os.fsync

        def counted(number):
            self.count("os.fsync")
            return fsync(number)

        os.fsync = counted
        sys.addaudithook(self.hear)


def room(ground: Path, place: Path) -> Path:
    """A folder with what the commands read."""
    for name in ("clicks.csv", "trained"):
        (shutil.copytree if (ground / name).is_dir() else shutil.copy)(ground / name, place / name)
    return place


def without_seconds(content):
    """Plain data without what differs from run to run."""
    if isinstance(content, dict):
        return {name: without_seconds(one) for name, one in content.items() if "seconds" not in name}
    return [without_seconds(one) for one in content] if isinstance(content, list) else content


def content_of(path: Path):
    """What a file says, less the seconds in it. Raises where it is not whole."""
    if path.suffix == ".json":
        return without_seconds(json.loads(path.read_text()))
    if path.suffix == ".parquet":
        return pd.read_parquet(path).drop(columns="seconds", errors="ignore").to_csv(index=False)
    if path.suffix == ".safetensors":
        return {name: str(tensor.tolist()) for name, tensor in load_file(path).items()}
    return path.read_bytes().hex() if path.suffix != ".log" else bool(path.read_text())


def contents(place: Path) -> dict:
    """What stands in a folder after a command: of saved models what they answer, of files what they say."""
    models = {path.parent for path in place.rglob("recommender.json")}
    found = {str(folder.relative_to(place)): answers_of(folder) for folder in models}
    for path in sorted(place.rglob("*")):
        if path.is_file() and path.name != ".lock" and not models & set(path.parents):
            found[str(path.relative_to(place))] = content_of(path)
    return found


def leftovers(place: Path) -> list[str]:
    """Drafts that stayed."""
    return [str(path.relative_to(place)) for path in place.rglob("*.part")]


def attempt(name: str, place: Path, calls: Calls | None = None, limit: tuple | None = None) -> Ended:
    """A command in a child, with the calls listened to, or under a limit."""

    def work():
        if calls is not None:
            calls.listen()
        if limit is not None:
            resource.setrlimit(*limit)
        try:
            command(COMMANDS[name], place)()
        finally:
            if calls is not None:
                print(f"\ncalls: {calls.n} {calls.failed}")

    return in_child(work)


def prepare(ground: Path, folder: Path) -> dict:
    """Of each command how many calls it makes, and what stands there afterwards."""
    said = {}
    for name in COMMANDS:
        place = folder / name
        place.mkdir(parents=True)
        started = time.perf_counter()
        ended = attempt(name, room(ground, place), Calls(place))
        if ended.code:
            raise RuntimeError(f"{name}: {ended.err}")
        said[name] = {
            "calls": int(ended.out.split("calls: ")[-1].split()[0]),
            "seconds": time.perf_counter() - started,
            "contents": contents(place),
            "bytes": max(path.stat().st_size for path in place.rglob("*") if path.is_file()),
        }
    return said


def need_same(name: str, place: Path, said: dict, when: str):
    """Raise `Lost` where other things stand there than after an undisturbed command."""
    found, expected = contents(place), said["commands"][name]["contents"]
    if found != expected:
        differ = sorted(key for key in {*found, *expected} if found.get(key) != expected.get(key))
        raise Lost(f"{name} {when}: {', '.join(differ)} differ")


def survive(name: str, place: Path, said: dict, rng: Random, **trouble):
    """A command in trouble: it ends well, spoils nothing, and afterwards comes to its result."""
    over_old = rng.random() < 0.5
    if over_old:
        need_good_end(attempt(name, place), (0,))
    ended = need_good_end(attempt(name, place, **trouble))
    failed = ended.out.split("calls: ")[-1].split()[1:] if "calls: " in ended.out else []
    if failed not in (["os.remove"], ["os.scandir"], ["os.listdir"]) and leftovers(place):
        raise Lost(f"{name}: {', '.join(leftovers(place))} is left behind")
    if over_old or ended.code == 0:
        need_same_or_less(name, place, said)
    need_good_end(attempt(name, place), (0,))
    for path in place.rglob("*.part"):
        path.unlink()
    need_same(name, place, said, "afterwards")


def need_same_or_less(name: str, place: Path, said: dict):
    """Raise `Lost` where something that stands there is not whole."""
    expected = said["commands"][name]["contents"]
    try:
        found = contents(place)
    except (ValueError, OSError) as error:
        raise Lost(f"{name}: not whole: {error}") from error
    differ = [key for key in found if key in expected and found[key] != expected[key]]
    gone = [key for key in expected if key not in found]
    if differ or gone:
        raise Lost(f"{name}: spoilt: {', '.join(differ)}; gone: {', '.join(gone)}")


def failing_calls(ground: Path, said: dict, place: Path, rng: Random):
    """One call to open, rename, fsync, unlink, make or list fails with an error of the system."""
    name = some_command(rng)
    fails, error = rng.randrange(said["commands"][name]["calls"]), getattr(errno, rng.choice(ERRORS))
    survive(name, room(ground, place), said, rng, calls=Calls(place, fails, error))


def open_files() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def limits(ground: Path, said: dict, place: Path, rng: Random):
    """Files may be no larger than this, or no more of them open: a disk that is full to any writer."""
    name = some_command(rng)
    largest = said["commands"][name]["bytes"]
    size, files = int(largest * rng.random() ** 2), open_files() + rng.randrange(4, 16)
    limit = rng.choice([(resource.RLIMIT_FSIZE, size), (resource.RLIMIT_NOFILE, files)])
    what, value = limit
    survive(name, room(ground, place), said, rng, limit=(what, (value, resource.getrlimit(what)[1])))


KINDS = {"calls that fail": failing_calls, "disks and limits": limits}
