"""Branches on errors that no other test of the package takes: each gives its one sentence."""

import subprocess
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pooch
import pytest
import torch
from test_denoise import deca

from deca_nb import baselines, commands, datasets, files, names, ranking, runs, serving
from deca_nb.agreement import clean_and_noisy
from deca_nb.batches import meant_only
from deca_nb.evaluation import paired_values
from deca_nb.interactions import PAPER, InputError, Interactions, chronological_parts, read_titles
from deca_nb.models import PairModel, build_model
from deca_nb.processes import need_dealt, need_shared
from deca_nb.recipe import Recipe, make_recipe
from deca_nb.recommender import Recommender
from deca_nb.runs import Job, Runs

QUICK = "--method Normal --model MF".split()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder where commands run, with a few clicks."""
    monkeypatch.chdir(tmp_path)
    clicks().to_csv("log.csv", index=False)
    return tmp_path


def clicks(n_users: int = 12, n_items: int = 10) -> pd.DataFrame:
    """Two thirds of all pairs."""
    cells = np.flatnonzero(np.arange(n_users * n_items) % 3)
    return pd.DataFrame({"user": cells // n_items, "item": cells % n_items})


def pairs(**columns) -> Interactions:
    """The clicks as interactions."""
    return replace(Interactions.from_frame(clicks()), **columns)


def test_what_a_file_cannot_be(here, monkeypatch):
    with zipfile.ZipFile("two.zip", "w") as archive:
        archive.writestr("a.csv", "user,item\n")
        archive.writestr("b.csv", "user,item\n")
    with pytest.raises(InputError, match="the archive holds 2 files"):
        files.read_frame("two.zip")
    (here / "no.zip").write_text("no archive")
    with pytest.raises(InputError, match=r"not readable as \.zip"):
        files.read_frame("no.zip")
    (here / "old.csv").write_bytes(b"user,item\n\xe9,\x81\n")
    assert "read as latin-1" in files.notes_of(files.read_frame("old.csv")[0])[0]
    with pytest.raises(InputError, match="it has no rows where it is read as utf-16-le"):
        files.read_frame("log.csv", encoding="utf-16-le")
    monkeypatch.setattr(files, "LONGEST_LINE", 20)
    (here / "long.csv").write_text("user,item," + "x" * 50 + "\n1,2,3\n")
    with pytest.raises(InputError, match="a line has more than"):
        files.read_frame("long.csv")


def test_what_a_list_of_ids_cannot_be(here, monkeypatch):
    monkeypatch.setattr(serving, "LONGEST_LIST", 3)
    (here / "ids.txt").write_text("1\n2\n3\n")
    with pytest.raises(InputError, match="more than 3 bytes; a list of ids is shorter"):
        serving.lines_of("ids.txt")
    with pytest.raises(InputError, match="no item that the model knows may be listed"):
        serving.barred_items(pd.Index([1, 2]), only=[7])
    (here / "titles.csv").write_text("item\n1\n")
    with pytest.raises(InputError, match="there is no column with titles"):
        read_titles("titles.csv", pd.Index([1]))


@pytest.mark.parametrize(
    ("text", "told"),
    [("class A(", "this file cannot be run (SyntaxError"), ("class B: pass", "there is no class A in")],
)
def test_what_a_class_of_ones_own_cannot_be(text, told, here):
    (here / "mine.py").write_text(text)
    with pytest.raises(InputError) as error:
        names.from_file("mine.py:A")
    assert told in str(error.value)


def test_what_is_no_model_or_scorer():
    with pytest.raises(TypeError, match="a model defines forward"):
        PairModel(pairs())(torch.tensor([0]), torch.tensor([0]))
    with pytest.raises(InputError, match=r"dict is not a torch\.nn\.Module"):
        build_model(dict, pairs())
    with pytest.raises(InputError, match=r"the scorer gave scores of shape \(1, 1\) for 2 users"):
        ranking.score_batch(lambda users: np.zeros((1, 1)), np.array([0, 1]), 3)
    with pytest.raises(InputError, match="there is no way 'nonsense' to rank equal scores"):
        list(ranking.truth_batches(None, None, "nonsense"))
    with pytest.raises(InputError, match="learns_from='some' cannot be used"):
        Recipe("MF", "Normal", learns_from="some")


def test_what_interactions_cannot_do():
    with pytest.raises(InputError, match="a chronological split needs times"):
        chronological_parts(pairs())
    with pytest.raises(InputError, match="no training click is known to be meant"):
        meant_only(pairs(noise=np.ones(len(pairs()), bool)), None)
    with pytest.raises(InputError, match="cannot be told apart without ratings"):
        clean_and_noisy(pairs())
    with pytest.raises(InputError, match="there is no metric 'mrr@3' in both tables"):
        paired_values(pd.DataFrame({"recall@3": [1.0]}), pd.DataFrame({"recall@3": [1.0]}), "mrr@3")


def test_what_several_processes_cannot_train():
    for recipe, told in (
        (make_recipe("MF", "Normal", {}, parts=PAPER.training), "by protocol paper"),
        (make_recipe("CDAE", "Normal", {}), "cannot train one CDAE"),
        (make_recipe("MF", "T-CE", {}), "cannot train one model by T-CE"),
    ):
        with pytest.raises(InputError, match=told):
            need_shared(recipe)
    with pytest.raises(InputError, match="99 processes are too many"):
        need_dealt(pairs(), 99)
    full = Interactions.from_frame(pd.DataFrame({"user": [0, 0, 1], "item": [0, 1, 0]}))
    with pytest.raises(InputError, match="a user has clicked every item"):
        need_dealt(full, 2)


def test_what_a_store_of_runs_cannot_show(tmp_path):
    with pytest.raises(InputError, match="1 finished run cannot be seen in"):
        runs.need_rows([Job(make_recipe("MF", "Normal", {}, data="world"))], Runs(tmp_path))


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "file" / name)
    tables = {"ml-100k.inter": pd.DataFrame({"a": [1]}), "ml-100k.item": pd.DataFrame({"a": [1]})}
    with pytest.raises(InputError, match="the cache cannot be written"):
        datasets.movielens_folder({"here": lambda: tables})


def test_ease_of_too_many_items(here):
    many = pd.DataFrame({"user": np.arange(20_001) % 9, "item": np.arange(20_001)})
    with pytest.raises(InputError, match="EASE inverts an items x items matrix"):
        baselines.EASE(Interactions.from_frame(many))
    many.to_csv("many.csv", index=False)
    out, said = deca("compare", "--data", "many.csv", "--methods", "EASE,MostPopular")
    assert "EASE is left out: EASE inverts" in said and "MostPopular" in out


def test_commands_that_need_a_single_process(monkeypatch):
    monkeypatch.setattr(commands, "n_processes", lambda: 2)
    with pytest.raises(InputError, match="deca audit runs in one process"):
        commands.need_alone("audit")


def test_too_few_clicks_to_say_how_long(here):
    pd.DataFrame({"user": [1, 2, 3], "item": [1, 2, 3]}).to_csv("few.csv", index=False)
    _, said = deca("denoise", "few.csv", *QUICK, "--folds", 0, "--out", "scored.csv")
    assert "no validation clicks say how long to train" in said


def test_folders_and_words_that_a_command_cannot_use(here):
    Recommender("MF", "Normal", epochs=1).fit(pairs()).save("own")
    _, said = deca("evaluate", "own", code=2)
    assert "it does not say which data it was trained on" in said
    _, said = deca("train", "--from", "own", "--data", "world", "--out", "m", code=2)
    assert "--from goes on with the clicks of a file" in said
    _, said = deca("recommend", "own", "--k", 3, code=2)
    assert "say whose lists: give one of --users" in said


def test_python_without_a_c_library_of_its_own_gives_memory_back(monkeypatch):
    monkeypatch.setattr(files.ctypes, "CDLL", lambda name: subprocess)
    files.give_back()
