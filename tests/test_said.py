"""Errors that no chapter and no other test meets: each is one sentence with its remedy."""

import shlex
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from deca_nb import cli, datasets, explorer
from deca_nb.agreement import clean_and_noisy
from deca_nb.datasets import movielens_from_recbole, world_data
from deca_nb.evaluation import paired_values
from deca_nb.experiments import figure2
from deca_nb.interactions import InputError, Interactions
from deca_nb.models import GMF
from deca_nb.processes import need_shared
from deca_nb.recipe import check_sizes, make_recipe
from deca_nb.recommend import whose_lists
from deca_nb.recommender import Recommender
from deca_nb.training import Method
from deca_nb.worlds import World

SMALL = World(n_users=40, n_items=30, density=0.2, seed=1)


def frame(**columns) -> pd.DataFrame:
    """Three interactions, with other columns."""
    return pd.DataFrame({"user": ["a", "b", "c"], "item": ["x", "y", "x"]} | columns)


def test_clicks_of_one_kind_of_rating():
    pairs = Interactions.from_frame(frame(rating=[4.0, 5.0, 3.0]), rating="rating")
    with pytest.raises(InputError, match="ratings below 3 and above 3"):
        clean_and_noisy(pairs)


def test_an_id_that_is_missing():
    with pytest.raises(InputError, match=r"column 'user' has no user in row 2 \(1 such rows\); fill"):
        Interactions.from_frame(frame(user=["a", None, "c"]))


def test_users_of_two_tables_that_differ():
    one = pd.DataFrame({"user": [1, 2], "recall@5": [0.1, 0.2]})
    for other in (one.assign(user=[1, 3]), one[:1]):
        with pytest.raises(InputError, match="same users on both sides, two at least; there are 2 and"):
            paired_values(one, other, "recall@5")


def test_a_surface_without_a_column_and_without_the_choice():
    table = pd.DataFrame([dict.fromkeys(explorer.COLUMNS, 1)])
    with pytest.raises(InputError, match="the table has no column mean; a surface has data, model"):
        explorer.check_surface(table.drop(columns="mean"))
    choice = dict.fromkeys(explorer.CHOICES, "1") | {"model": "MF"}
    with pytest.raises(InputError, match="there is nothing for 1, MF, 1, 1 in this table"):
        explorer.surface(explorer.check_surface(table), **choice)


def test_figure_2_of_one_seed():
    with pytest.raises(InputError, match="give --seeds 2 or more"):
        figure2(SimpleNamespace(seeds=1))


def test_a_ranker_on_several_processes():
    recipe = make_recipe("MF", "MostPopular", {}, data=world_data())
    with pytest.raises(InputError, match="MostPopular is learned at once, by one process"):
        need_shared(recipe)


def test_a_size_that_a_model_does_not_take():
    with pytest.raises(InputError, match="GMF takes no depth; it takes embedding_dim"):
        check_sizes(GMF, {"depth": 2})


def test_a_method_without_a_loss():
    with pytest.raises(TypeError, match=r"a method defines loss\(batch, step\)"):
        Method.loss(None, None, 0)


def test_a_world_in_which_nothing_is_left_for_the_truth():
    with pytest.raises(InputError, match=r"leave 0 for training and .* raise n_users, n_items or density"):
        replace(SMALL, cold_users=0.99).sample()


def test_a_line_break_between_users():
    with pytest.raises(InputError, match="separate the ids by commas"):
        whose_lists("a\nb", None, False)


def test_pip_that_says_nothing(monkeypatch):
    ended = subprocess.CompletedProcess([], 1, "", "")
    monkeypatch.setattr(datasets.subprocess, "run", lambda *_, **how: ended)
    with pytest.raises(OSError, match="pip failed"):
        movielens_from_recbole()


def test_a_class_given_for_one_of_ours(tmp_path):
    split = SMALL.sample()
    Recommender("MF", "Normal", epochs=1).fit(split.train, split.valid).save(tmp_path / "saved")
    with pytest.raises(InputError, match="its model is this package's MF; leave model out"):
        Recommender.load(tmp_path / "saved", model=GMF)


def refused(line: str, capsys, monkeypatch) -> str:
    """What the command says, in one line."""
    monkeypatch.setattr(sys, "argv", ["deca", *shlex.split(line)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    [told] = [one for one in capsys.readouterr().err.splitlines() if one.startswith("deca: ")]
    assert len(told) < 300
    return told


def test_an_option_without_the_one_that_it_goes_with(capsys, monkeypatch):
    assert "go with --full; give it too" in refused("audit --data world --seeds 2", capsys, monkeypatch)


def test_a_file_that_would_be_written_over(capsys, monkeypatch, tmp_path):
    frame().to_csv(tmp_path / "x.csv", index=False)
    told = refused(f"denoise {tmp_path}/x.csv --out {tmp_path}/./x.csv", capsys, monkeypatch)
    assert "x.csv: this is the file that is read; choose another name for --out." in told


def test_data_that_changed_since_the_training(capsys, monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.choice(20 * 12, 120, replace=False), 12)
    clicks = pd.DataFrame({"user": users, "item": items, "rating": 5, "timestamp": np.arange(120)})
    clicks.to_csv(tmp_path / "x.csv", index=False)
    words = (
        f"deca train --data {tmp_path}/x.csv --model MF --method Normal --epochs 1 --out {tmp_path}/m --quiet"
    )
    monkeypatch.setattr(sys, "argv", shlex.split(words))
    with pytest.raises(SystemExit):
        cli.main()
    clicks[:-5].to_csv(tmp_path / "x.csv", index=False)
    told = refused(f"evaluate {tmp_path}/m", capsys, monkeypatch)
    assert "the data have changed since" in told and told.endswith("train again.")
