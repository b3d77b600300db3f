"""Processes on one store share the work, and what one of them leaves is done by another.

All processes are forked from a server that has imported the package once.
"""

import errno
import json
import multiprocessing
import os
import resource
import socket
import sys
import time
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import exit_codes

from deca_nb import claims
from deca_nb import runs as rooms
from deca_nb.checkpoints import unfinished
from deca_nb.claims import Claims
from deca_nb.datasets import load_named, world_data
from deca_nb.interactions import InputError
from deca_nb.recipe import make_recipe
from deca_nb.runs import Job, Runs, Weights, needed_by, run_job, sweep
from deca_nb.tune import in_turn

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["deca_nb.tune", "sklearn.metrics", "torch._dynamo"])  # once, not per process
SMALL = world_data(n_users=60, n_items=40, noise=0.05, seed=3)


def jobs() -> list[Job]:
    """Four groups of jobs; the third needs priors."""
    recipes = [
        make_recipe(model, method, {"epochs": 2}, data=SMALL)
        for model, method in (("GMF", "DeCA"), ("GMF", "Normal"), ("GMF", "DeCA(p)"), ("MF", "Normal"))
    ]
    return [Job(replace(recipe, seed=seed)) for recipe in recipes for seed in (0, 1)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The rows as one process makes them."""
    return by_sweep(tmp_path_factory.mktemp("alone") / "runs")


def by_sweep(folder: Path):
    """The rows of all jobs."""
    return sweep(jobs(), Runs(folder))


def by_tune(folder: Path):
    """The same, as `deca tune` makes them."""
    return in_turn(jobs(), Runs(folder), load_named(SMALL, "honest"), 1)


def start(function, *given) -> multiprocessing.Process:
    """A process that calls the function."""
    process = SERVER.Process(target=function, args=given)
    process.start()
    return process


def wait_until(holds):
    """Waits, for a minute at most."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def same(rows, others):
    """Equal in all but the seconds."""
    assert list(rows) == list(others) and len(rows) == len(others)
    for column in rows.columns.difference(["seconds"]):
        for one, other in zip(rows[column], others[column], strict=True):
            np.testing.assert_array_equal(one, other, column)


def counted(by, folder: Path, meet):
    """The rows, with a line in a file for each training that is kept. Both begin before either ends."""
    keep, execute = Weights.__setitem__, rooms.execute

    def noted(weights, key, kept):
        with (folder / f"trained-{os.getpid()}").open("a") as file:
            file.write(f"{key}\n")
        keep(weights, key, kept)

    def together(*given):
        if not list(folder.glob(f"met-{os.getpid()}")):
            (folder / f"met-{os.getpid()}").touch()
            meet.wait(60)
        return execute(*given)

    Weights.__setitem__, rooms.execute = noted, together
    rows = by(folder / "runs")
    Runs(folder / "runs").pack()
    rows.to_pickle(folder / f"rows-{os.getpid()}")


@pytest.mark.parametrize("by", [by_sweep, by_tune])
def test_two_processes_do_each_job_once(by, alone, tmp_path):
    nothing = Runs(tmp_path / "nothing")
    meet = SERVER.Barrier(2)
    both = [start(counted, by, tmp_path, meet) for _ in range(2)]
    assert exit_codes(both) == [0, 0]
    trained = [path.read_text().split() for path in tmp_path.glob("trained-*")]
    assert len(trained) == 2 and all(trained)
    keys = list(chain.from_iterable(trained))
    assert sorted(keys) == sorted({key for job in jobs() for key in needed_by(job, nothing, load_named)})
    for path in tmp_path.glob("rows-*"):
        same(pd.read_pickle(path), alone)
    assert not Runs(tmp_path / "runs").claims.exists()


def aside(function, said: Path, *given):
    """Calls the function; its standard error goes to a file."""
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    function(*given)


def test_what_others_have_claimed_is_waited_for(alone, tmp_path):
    runs, job, said = Runs(tmp_path / "runs"), jobs()[0], tmp_path / "said"
    with Claims(runs.claims, runs.lock) as ours:
        assert ours.take(needed_by(job, runs, load_named))
        other = start(aside, by_sweep, said, runs.folder)
        wait_until(lambda: said.exists() and "waiting for them" in said.read_text())
        assert set(alone["name"]) - set(runs.fingerprints()) == {job.name()}
        run_job(job, runs)
        written = runs.path(job.name()).stat().st_mtime_ns
    assert exit_codes([other]) == [0]
    assert runs.path(job.name()).stat().st_mtime_ns == written
    [line] = said.read_text().splitlines()
    assert line.startswith(f"1 missing run is made by others (process {os.getpid()} on ")


def stuck(folder: Path):
    """Never ends its first job."""
    rooms.execute = lambda *_: time.sleep(1000)
    by_sweep(folder)


def test_the_work_of_a_killed_process_is_taken_over_by_one_that_waits(alone, tmp_path):
    folder, said = tmp_path / "runs", tmp_path / "said"
    first = start(stuck, folder)
    wait_until(lambda: len(list((folder / "claims").glob("*"))) == 2)  # of a group of two jobs
    second = start(aside, by_sweep, said, folder)
    wait_until(lambda: said.exists() and "waiting for them" in said.read_text())
    first.kill()
    assert exit_codes([first, second]) == [-9, 0]
    same(Runs(folder).read(alone["name"].tolist()), alone)
    assert not (folder / "claims").exists()


def left_by(path: Path, **other) -> Path:
    """A claim of this process, or one with other words."""
    path.parent.mkdir(exist_ok=True)
    me = {"host": "here", "process": os.getpid(), "began": claims.began(os.getpid()), "since": "12:00"}
    path.write_text(json.dumps(me | {"machine": claims.machine()} | other))
    return path


@pytest.mark.parametrize("clock", [0, -(10**7), 10**7])
def test_a_claim_of_another_machine_expires_whatever_its_clock_says(clock, tmp_path, monkeypatch):
    runs, job = Runs(tmp_path), jobs()[0]
    [name] = needed_by(job, runs, load_named)
    os.utime(left_by(runs.claims / name, machine="elsewhere"), (time.time() + clock,) * 2)
    missing = partial(rooms.without_rows, runs=runs, load=load_named)
    assert rooms.run_unclaimed([job], runs, load_named, missing) == []
    monkeypatch.setattr(claims, "EXPIRES", 0.3)
    started = time.monotonic()
    rows = sweep([job], runs)
    assert time.monotonic() - started >= 0.3 and rows["name"].tolist() == [job.name()]
    assert not runs.claims.exists()


OF_A_FILE = {"cut": b"", "odd": b"\xff", "list": b"[]", "null": b"null", "huge": b'{"process": 1e99}'}
LEFT = {
    "itself": ({}, True),
    "ended": ({"process": 2**22}, False),  # more than Linux gives
    "later process of this number": ({"began": "1"}, False),
    "container of this host name": ({"process": 2**22, "machine": f"{socket.gethostname()} x"}, True),
    "no number": ({"process": "1; x"}, True),
    "too large": ({"process": 10**30}, True),
}


@pytest.mark.parametrize(("other", "held"), LEFT.values(), ids=LEFT)
def test_who_has_a_claim(other, held, tmp_path):
    assert bool(claims.holder(left_by(tmp_path / "claim", **other))) == held


@pytest.mark.parametrize("left", OF_A_FILE.values(), ids=OF_A_FILE)
def test_a_claim_that_cannot_be_read_holds(left, tmp_path):
    (tmp_path / "claim").write_bytes(left)
    assert claims.holder(tmp_path / "claim") == claims.UNKNOWN
    assert claims.holder(tmp_path) == claims.UNKNOWN  # neither can a folder


def test_a_store_that_cannot_be_written_is_read(tmp_path, monkeypatch):
    job, other = jobs()[:2]
    rows = sweep([job], Runs(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    monkeypatch.setattr("filelock.FileLock", None)
    same(sweep([job], Runs(tmp_path)), rows)

    def refuse(*_, **how):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    runs = object.__new__(Runs)
    runs.folder, runs.packed = tmp_path, tmp_path / "runs.parquet"
    with pytest.raises(InputError, match="claims: cannot be written, since the disk is read-only"):
        sweep([other], runs)


def test_nothing_stays_of_a_claim_that_could_not_be_written(tmp_path):
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Claims(tmp_path / "claims", Runs(tmp_path).lock) as ours:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, usual[1]))
        try:
            with pytest.raises(InputError, match="claims: cannot be written, since the file is too large"):
                ours.take(["one"])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        assert not claims.holder(tmp_path / "claims" / "one")
        assert ours.take(["one"])


def test_a_finished_run_leaves_no_state_behind(tmp_path):
    job, runs = next(job for job in jobs() if job.recipe.method == "DeCA(p)"), Runs(tmp_path)
    kept = Weights(tmp_path / "weights")
    rows = sweep([job], runs)
    left = [unfinished(kept.unfinished, key) for key in kept]
    assert len(left) == 2  # of the prior, too
    assert not list(kept.unfinished.iterdir())
    for path in left:  # as where removing it failed, and the row was not kept either
        path.write_text("left")
    runs.path(job.name()).unlink()
    same(sweep([job], runs), rows)
    assert not list(kept.unfinished.iterdir())


def take_all(folder: Path, meet):
    """Claims what it can of many; holds them until both have tried all. What it got goes into a file."""
    names = [str(n) for n in range(60)]
    with Claims(folder / "claims", Runs(folder).lock) as ours:
        meet.wait(60)
        got = [name for name in names if ours.take([name])]
        meet.wait(60)
    (folder / f"got-{os.getpid()}").write_text("\n".join(got))


def test_of_two_that_take_over_one_wins(tmp_path):
    for n in range(60):
        left_by(tmp_path / "claims" / str(n), process=2**22)
    meet = SERVER.Barrier(2)
    assert exit_codes([start(take_all, tmp_path, meet) for _ in range(2)]) == [0, 0]
    got = [path.read_text().split() for path in tmp_path.glob("got-*")]
    assert sorted(map(int, chain.from_iterable(got))) == list(range(60))
    assert not (tmp_path / "claims").exists()


@pytest.mark.parametrize("error", [InputError, KeyboardInterrupt])
def test_claims_are_given_back_on_errors(error, tmp_path, monkeypatch):
    def fails(*_):
        assert len(list((tmp_path / "claims").iterdir())) == 2
        raise error

    monkeypatch.setattr(rooms, "execute", fails)
    with pytest.raises(error):
        by_sweep(tmp_path)
    assert not (tmp_path / "claims").exists()
