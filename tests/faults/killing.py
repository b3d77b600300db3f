"""Processes that are killed or stopped at random moments, and what the same command then comes to."""

import ast
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from child import Ended, Lost, command, deca, in_child, need_good_end
from ground import to_train, weights_of
from writing import COMMANDS, need_same, need_same_or_less, room, some_command

import deca_nb
from deca_nb.checkpoints import fit_kept

OURS = str(Path(deca_nb.__file__).parent)

RESUMED = ("train", "compare", "tune", "reproduce")  # the commands that keep what is unfinished


def trainings(ground: Path, said: dict, place: Path, rng: Random):
    """A training that keeps its state at each step is killed up to three times, and goes on each time."""

    def train():
        found = weights_of(fit_kept(to_train(), place / "state", 0))
        if found != said["weights"]:
            raise Lost("other weights")

    for _ in range(rng.randint(1, 3)):
        ended = in_child(train, signal.SIGKILL, rng.uniform(0.0, said["seconds of a training"]))
        if ended.code not in (0, -signal.SIGKILL):
            raise Lost(ended.err[-300:])
    if in_child(train).code:
        raise Lost("after the kills: " + in_child(train).err[-300:])


def survive_stop(name: str, place: Path, said: dict, over_old: bool, stop, codes: tuple[int, ...]):
    """A command that `stop` ends early, and the same command again."""
    words = COMMANDS[name]
    if over_old:
        need_good_end(deca(words, place), (0,))
    ended = stop(words)
    if ended.code != -signal.SIGKILL:
        need_good_end(ended, codes)
    if over_old:
        need_same_or_less(name, place, said)
    again = deca([*words, "--resume"], place) if name in RESUMED else None
    if name in ("train", "compare") and again.code == 0 and ended.code == 0:
        raise Lost(f"{name}: --resume goes on with what is finished")
    if again is None or again.code == 2:  # nothing is kept yet: it says so, and the command begins anew
        again = deca(words, place)
    need_good_end(again, (0,))
    for draft in place.rglob("*.part"):  # of a process that was killed; the next of that name removes it
        draft.unlink()
    need_same(name, place, said, "after it was stopped")


def stopped(ground: Path, place: Path, said: dict, rng: Random, sent: int, codes: tuple[int, ...]):
    """A command, and a signal at some moment."""
    name, over_old, share = some_command(rng), rng.random() < 0.5, rng.random()
    after = share * said["commands"][name]["seconds"]
    survive_stop(
        name, room(ground, place), said, over_old, lambda words: deca(words, place, sent, after), codes
    )


def commands(ground: Path, said: dict, place: Path, rng: Random):
    """SIGKILL."""
    stopped(ground, place, said, rng, signal.SIGKILL, (0,))


def interrupts(ground: Path, said: dict, place: Path, rng: Random):
    """Ctrl-C: exit code 130 and one line."""
    stopped(ground, place, said, rng, signal.SIGINT, (0, 130))


class Lines:
    """Notes which lines of ours a command runs, and how often; stops it before one of them."""

    def __init__(self, stop: tuple[str, int] | None = None, times: int = 0):
        self.stop, self.times, self.run = stop, times, Counter()

    def __call__(self, frame, event: str, _):
        """As `sys.settrace` calls it. Raises `KeyboardInterrupt` where a line is run for so many times."""
        path, line = frame.f_code.co_filename, frame.f_lineno
        if not path.startswith(OURS):
            return None
        if event == "line":
            self.run[path, line] += 1
            if (path, line) == self.stop and self.run[path, line] == self.times:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self

    def of(self, words: list, place: Path) -> Ended:
        """A command in a child, with its lines noted."""

        def work():
            try:
                command(words, place, lambda: sys.settrace(self))()
            finally:
                sys.settrace(None)
                Path(f"{place}-lines").write_text(repr(dict(self.run)))

        return in_child(work)


def interrupts_at_lines(ground: Path, said: dict, place: Path, rng: Random):
    """Ctrl-C before a line of ours, any as often as any other."""
    name, over_old = some_command(rng), rng.random() < 0.5
    first, second = place / "first", place / "second"
    first.mkdir()
    second.mkdir()
    need_good_end(Lines().of(COMMANDS[name], room(ground, first)), (0,))
    run = ast.literal_eval(Path(f"{first}-lines").read_text())
    stop = rng.choice(sorted(run))
    lines = Lines(stop, rng.randint(1, run[stop]))
    try:
        survive_stop(
            name, room(ground, second), said, over_old, lambda words: lines.of(words, second), (0, 130)
        )
    except Lost as error:
        raise Lost(f"{Path(stop[0]).name}:{stop[1]}: {error}") from error


def seconds_of_training(place: Path) -> float:
    """How long the training takes that is killed."""
    started = time.perf_counter()
    in_child(lambda: fit_kept(to_train(), place, 0))
    return time.perf_counter() - started


KINDS = {
    "kills of trainings": trainings,
    "kills of commands": commands,
    "Ctrl-C": interrupts,
    "Ctrl-C at a line": interrupts_at_lines,
}
