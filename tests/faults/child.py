"""Work in a process of its own: what it wrote, how it ended, and whether that is how things may end."""

import importlib
import os
import pkgutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tqdm

import deca_nb
from deca_nb.__main__ import stop_at_once
from deca_nb.cli import main

SECONDS, LONGEST = 90, 300  # that a case may take; characters of a line of complaint


HEAVY = (
    "torch._dynamo",
    "matplotlib.pyplot",
    "joblib",
    "optuna",
    "pyarrow.csv",
    "pyarrow.parquet",
    "pydantic",
)


class Lost(Exception):
    """What must not happen: a traceback, a wrong answer, something lost."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, minus the number of the signal that ended it, and what it wrote."""

    code: int
    out: str
    err: str

    def complaints(self) -> list[str]:
        """The lines by which a command gives up."""
        return [line for line in self.err.splitlines() if line.startswith("deca: ")]


def import_all():
    """Import what commands use, once: children are born with it."""
    for name in (*(f"deca_nb.{room.name}" for room in pkgutil.iter_modules(deca_nb.__path__)), *HEAVY):
        if not name.endswith("__main__"):
            importlib.import_module(name)


def code_of(work: Callable) -> int:
    """What a process that does this ends with; a traceback stands where Python would write one."""
    try:
        return int(work() or 0)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()


def live_as_child(work: Callable, out: int, err: int):
    """Do the work, writing into these pipes, and end the process."""
    os.setpgid(0, 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout, sys.stderr = (open(to, "w", closefd=False, encoding="utf-8") for to in (1, 2))
    signal.signal(signal.SIGINT, stop_at_once)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    tqdm.tqdm.monitor_interval = 0
    code = 1
    try:
        code = code_of(work)
    finally:
        os._exit(code)


def collected(pipe: int, into: list[str]) -> threading.Thread:
    """A thread that reads a pipe to its end."""

    def read():
        with open(pipe, "rb") as file:
            into.append(file.read().decode("utf-8", "replace"))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def wait(pid: int, seconds: float) -> int | None:
    """The status of a process that has ended, or None where it runs on after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.002)
    return None


def in_child(work: Callable, sent: int | None = None, after: float = 0.0) -> Ended:
    """Do some work in a child; a signal is `sent` to it after some seconds. Raises `Lost` where it hangs."""
    (out_read, out), (err_read, err) = os.pipe(), os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # the child must not take it for its parent's
    pid = os.fork()
    if pid == 0:
        live_as_child(work, out, err)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    os.close(out)
    os.close(err)
    said, complained = [], []
    threads = collected(out_read, said), collected(err_read, complained)
    status = None
    if sent is not None:
        status = wait(pid, after)
        if status is None:
            os.kill(pid, sent)
    if status is None:
        status = wait(pid, SECONDS)
    hangs = status is None
    try:
        os.killpg(pid, signal.SIGKILL)  # what it started, and itself if it hangs
    except (ProcessLookupError, PermissionError):
        pass
    if hangs:
        os.waitpid(pid, 0)
        raise Lost(f"it ran for more than {SECONDS} s")
    for thread in threads:
        thread.join()
    return Ended(os.waitstatus_to_exitcode(status), said[0], complained[0])


def command(words: list, place: Path, begin: Callable = lambda: None) -> Callable:
    """`deca` with these words, as work to do in that folder; `begin` is called when it begins."""

    def begun():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        begin()

    def work():
        os.chdir(place)
        sys.argv = ["deca", *map(str, words)]
        try:
            main(begun)
        finally:
            signal.signal(signal.SIGINT, stop_at_once)

    return work


def deca(words: list, place: Path, sent: int | None = None, after: float = 0.0) -> Ended:
    """The command in a child, from that folder."""
    return in_child(command(words, place), sent, after)


def need_good_end(ended: Ended, codes: tuple[int, ...] = (0, 2)) -> Ended:
    """The same, if a command may end so. Raises `Lost`."""
    if "Traceback" in ended.err or ended.code not in codes:
        raise Lost(f"exit code {ended.code}: {' | '.join(ended.err.strip().splitlines()[-3:])[-400:]}")
    if ended.code == 0:
        return ended
    lines = ended.err.strip().splitlines()
    if len(ended.complaints()) != 1 or lines[-1] != ended.complaints()[0]:
        raise Lost(f"exit code {ended.code} without one last line that says why: {ended.err[-400:]!r}")
    if len(lines[-1]) > LONGEST:
        raise Lost(f"a line of {len(lines[-1])} characters: {lines[-1][:200]}")
    return ended
