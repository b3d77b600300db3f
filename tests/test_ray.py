"""A sweep on a Ray cluster: the rows of local processes, workers that die, and mistakes told as elsewhere."""

import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deca_nb.datasets import load_named, world_data
from deca_nb.interactions import InputError
from deca_nb.recipe import make_recipe
from deca_nb.runs import RAY, Job, Runs, start_ray, sweep

ray = pytest.importorskip("ray", reason="pip install 'deca-nb[ray]'")
SMALL = world_data(n_users=60, n_items=40, noise=0.05, seed=3)
METHODS = ("Normal", "DeCA", "DeCA(p)")


def jobs(seeds: int = 1) -> list[Job]:
    """Short runs of each method; those of several seeds are trained together."""
    recipes = [make_recipe("GMF", method, {"epochs": 2}, data=SMALL) for method in METHODS]
    return [Job(replace(recipe, seed=seed)) for recipe in recipes for seed in range(seeds)]


@pytest.fixture(scope="module")
def cluster():
    """A cluster on this machine, one worker for each core; it is sent what this module defines."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield start_ray()
    ray.shutdown()


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> pd.DataFrame:
    """The rows as this process makes them."""
    return sweep(jobs(), Runs(tmp_path_factory.mktemp("here")))


def assert_same(rows: pd.DataFrame, others: pd.DataFrame):
    """Equal in every column but the seconds."""
    assert list(rows) == list(others)
    for column in rows.columns.difference(["seconds"]):
        for one, other in zip(rows[column], others[column], strict=True):
            np.testing.assert_array_equal(one, other, column)


def test_a_cluster_makes_the_same_rows(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the folder of runs is named from here, and found by workers elsewhere
    assert_same(sweep(jobs(2), Runs("runs"), RAY), sweep(jobs(2), Runs("here")))
    written = {path.parent.name for path in tmp_path.rglob("run-*.parquet")}
    assert written == {"runs", "here"}


def one_broken(data: str, files: str):
    """Loads the data, unless they are a world's of another name."""
    if data != SMALL:
        raise InputError("these data cannot be read; give others.")
    return load_named(data, files)


def test_a_mistake_is_told_as_it_is_here_and_the_rest_is_kept(cluster, here, tmp_path):
    good, runs = jobs(), Runs(tmp_path)
    bad = replace(good[0], recipe=replace(good[0].recipe, data="nowhere"))
    sweep(good[:1], runs, RAY)
    with pytest.raises(InputError, match=r"^these data cannot be read; give others\.$"):
        sweep([*good[:1], bad], runs, RAY, load=one_broken)
    assert_same(sweep(good, runs, RAY), here)


def once_killed(folder: Path, here: int, data: str, files: str):
    """Loads the data; the first other process to ask dies of it."""
    if os.getpid() == here:
        return load_named(data, files)
    try:
        (folder / "killed").touch(exist_ok=False)
    except FileExistsError:
        return load_named(data, files)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_costs_nothing_but_time(cluster, here, tmp_path):
    rows = sweep(jobs(), Runs(tmp_path), RAY, load=partial(once_killed, tmp_path, os.getpid()))
    assert (tmp_path / "killed").exists()
    assert_same(rows, here)


def test_a_job_that_is_given_up_ends_in_one_sentence(cluster, here, tmp_path, monkeypatch):
    runs, remote = Runs(tmp_path), ray.remote
    monkeypatch.setattr(ray, "remote", lambda **how: remote(**how, max_retries=0))
    with pytest.raises(InputError, match="give the same command again"):
        sweep(jobs()[:1], runs, RAY, load=partial(once_killed, tmp_path, os.getpid()))
    assert_same(sweep(jobs(), runs), here)  # and goes on where it was, here as well as there
