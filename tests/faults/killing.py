"""Processes that are killed or stopped at random moments, and what the same command then comes to."""

import signal
import time
from pathlib import Path
from random import Random

from child import Lost, deca, in_child, need_good_end
from ground import to_train, weights_of
from writing import COMMANDS, need_same, need_same_or_less, room, some_command

from deca_nb.checkpoints import fit_kept

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


def stopped(name: str, place: Path, said: dict, rng: Random, sent: int, codes: tuple[int, ...]):
    """A command that ends early, and the same command again."""
    words, over_old = COMMANDS[name], rng.random() < 0.5
    if over_old:
        need_good_end(deca(words, place), (0,))
    after = rng.uniform(0.0, said["commands"][name]["seconds"])
    ended = deca(words, place, sent, after)
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


def commands(ground: Path, said: dict, place: Path, rng: Random):
    """SIGKILL."""
    stopped(some_command(rng), room(ground, place), said, rng, signal.SIGKILL, (0,))


def interrupts(ground: Path, said: dict, place: Path, rng: Random):
    """Ctrl-C: exit code 130 and one line."""
    stopped(some_command(rng), room(ground, place), said, rng, signal.SIGINT, (0, 130))


def seconds_of_training(place: Path) -> float:
    """How long the training takes that is killed."""
    started = time.perf_counter()
    in_child(lambda: fit_kept(to_train(), place, 0))
    return time.perf_counter() - started


KINDS = {"kills of trainings": trainings, "kills of commands": commands, "Ctrl-C": interrupts}
