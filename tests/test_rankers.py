"""Rankers are recommenders: the same object, the same commands, the same folder."""

import dataclasses
import io
import json
import re
import shlex
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from deca_nb import cli
from deca_nb.evaluation import evaluate
from deca_nb.interactions import InputError, concat
from deca_nb.names import find, listed
from deca_nb.recommender import Recommender
from deca_nb.worlds import World

NUMBERS = {
    "MostPopular": {},
    "EASE": {"ridge": 50.0},
    "ItemKNN": {"neighbours": 9, "shrinkage": 3.0},
    "ALS": {"factors": 5, "click_weight": 4.0},
}
each_ranker = pytest.mark.parametrize("name", NUMBERS)


def deca(line: str, folder: Path) -> tuple[int, str, str]:
    """Exit code, output and complaints of a command that is given in a folder."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    before, sys.argv = sys.argv, ["deca", *shlex.split(line)]
    try:
        with redirect_stdout(out), redirect_stderr(err), chdir(folder):
            cli.main()
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        sys.argv = before
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def split():
    return World(n_users=120, n_items=60, seed=3).sample()


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A folder with own.csv: 150 users, in order of time."""
    folder = tmp_path_factory.mktemp("log")
    _, clicked = World(n_users=150, n_items=50, seed=5).draw(np.arange(150)[:, None], np.arange(50))
    who, what = np.nonzero(clicked)
    rows = pd.DataFrame({"user": [f"c{u}" for u in who], "item": [f"p{i}" for i in what]})
    rows = rows.sample(frac=1, random_state=0).assign(timestamp=np.arange(len(rows)))
    rows.to_csv(folder / "own.csv", index=False)
    return folder


def test_these_are_all_the_rankers():
    assert set(NUMBERS) == set(listed("ranker")) <= set(listed("method"))


@each_ranker
def test_the_same_object_fits_evaluates_saves_and_loads(name, split, tmp_path):
    made = Recommender(method=name, **NUMBERS[name]).fit(split.train, split.valid)
    scorer = find("ranker", name)(split.train, **NUMBERS[name])
    expected = evaluate(scorer, split, k=(5, 20))
    pd.testing.assert_frame_equal(made.evaluate(split, k=(5, 20)), expected)
    made.save(tmp_path / "m")
    again = Recommender.load(tmp_path / "m")
    assert again.name == name and again.recipe == made.recipe
    pd.testing.assert_frame_equal(again.recommend(k=7), made.recommend(k=7))
    pd.testing.assert_frame_equal(again.evaluate(split, k=(5, 20)), expected)


def test_the_list_is_the_ranking_of_the_unknown_items(split):
    made = Recommender(method="EASE", ridge=50.0).fit(split.train, split.valid)
    shown = made.recommend([0, 1], k=60)
    X = split.train.to_csr().toarray()
    gram = np.linalg.inv(X.T @ X + 50 * np.eye(X.shape[1]))
    B = np.where(np.eye(X.shape[1]), 0, -gram / np.diag(gram))
    for user in (0, 1):
        scores = (X @ B)[user]
        scores[split.known.to_csr()[user].indices] = -np.inf
        best = [int(item) for item in np.argsort(-scores, kind="stable") if scores[item] > -np.inf]
        assert shown[shown["user"] == user]["item"].tolist() == [split.train.item_ids[i] for i in best]


@each_ranker
def test_refit_learns_from_all_rows(name, split):
    made = Recommender(method=name, **NUMBERS[name]).fit(split.train, split.valid)
    rows = concat(dataclasses.replace(split.train, timestamps=None), split.valid)
    made.refit(rows)
    anew = find("ranker", name)(rows, **NUMBERS[name])
    some = torch.arange(20)
    np.testing.assert_allclose(made.serving.trained.f.score_all(some), anew.score_all(some), atol=1e-5)
    assert not set(made.recommend([0], k=60)["item"]) & set(rows.item_ids[rows.items[rows.users == 0]])


@each_ranker
def test_a_new_user_is_folded_in(name, split):
    made = Recommender(method=name, **NUMBERS[name]).fit(split.train)
    own = split.train.items[split.train.users == 2]
    shown = made.recommend_for(split.train.item_ids[own], k=5)
    known = made.recommend([2], k=5)
    assert shown["item"].tolist() == known["item"].tolist()
    np.testing.assert_allclose(shown["score"], known["score"], rtol=0.02, atol=0.02)


def test_a_ranker_does_not_say_which_clicks_were_meant(split):
    made = Recommender(method="EASE").fit(split.train)
    with pytest.raises(InputError, match="EASE is a ranker: it orders items and does not say"):
        made.real_positive_probability()


def test_a_number_of_another_method_is_refused():
    with pytest.raises(InputError, match="EASE has no c1; it belongs to"):
        Recommender(method="EASE", c1=3.0)
    with pytest.raises(InputError, match="ridge=0 cannot be used; it must be above 0"):
        Recommender(method="EASE", ridge=0)
    with pytest.raises(InputError, match="Normal has no ridge; it belongs to EASE"):
        Recommender(method="Normal", ridge=3.0)


def test_als_says_what_is_missing(monkeypatch, split):
    monkeypatch.setitem(sys.modules, "implicit", None)
    with pytest.raises(InputError, match=r"pip install 'deca-nb\[als\]', or take EASE or ItemKNN"):
        Recommender(method="ALS").fit(split.train)


def test_rankers_are_compared_beside_a_method(log):
    code, out, err = deca("compare --data own.csv --methods MostPopular,EASE,Normal --epochs 2", log)
    assert code == 0, err
    assert re.findall(r"^(\w+) +0\.\d{4}", out, re.MULTILINE) == ["MostPopular", "EASE", "Normal"]


@each_ranker
def test_the_commands_take_a_ranker(name, log, tmp_path):
    numbers = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in NUMBERS[name].items())
    code, out, err = deca(f"train --data own.csv --method {name} {numbers} --out {tmp_path / 'm'}", log)
    assert code == 0, err
    assert out.startswith(f"{name}\n") and "probability" not in out
    code, _, err = deca(f"evaluate {tmp_path / 'm'} --json {tmp_path / 'scores.json'}", log)
    assert code == 0, err
    rows = json.loads((tmp_path / "scores.json").read_text())
    assert {(row["model"], row["method"]) for row in rows} == {(name, name)}
    code, _, err = deca(
        f"compare --data own.csv --methods {name} {numbers} --json {tmp_path / 'c.json'}", log
    )
    assert code == 0, err
    assert json.loads((tmp_path / "c.json").read_text()) == rows
    code, lists, err = deca(f"recommend {tmp_path / 'm'} --users c0,c1 --k 3", log)
    assert code == 0 and lists.count(name) == 6, err
