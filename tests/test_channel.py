"""What chapter 16 says of ClickChannel stands in its results, and a chosen noise can be given by hand."""

import re

import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from deca_nb.recommender import Recommender
from deca_nb.worlds import World

WORLDS = pd.read_csv(ROOT / "results" / "channel" / "world-clean-runs.csv")
ON = {"every cell": "ClickChannel", "drawn negatives": "ClickChannel(sampled)"}
COLUMNS = ("noise auc", "normal auc", "told auc", "brier", "h / true")


def test_the_table_of_the_chapter_is_what_was_measured():
    cells = nbformat.read(ROOT / "nbs" / "16_channel.ipynb", as_version=4).cells
    [text] = [cell.source for cell in cells if cell.id == "worlds-md"]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"]
    told = {tuple(row[:2]): row[2:] for row in rows[2:]}
    for (noise, on), method in [((noise, on), ON[on]) for noise in ("by fame", "even") for on in ON]:
        runs = WORLDS[(WORLDS["noise"] == noise) & (WORLDS["method"] == method)]
        *numbers, believed = told[noise, on]
        for number, column in zip(numbers, COLUMNS, strict=True):
            digits = len(number.partition(".")[2])
            assert float(number) == pytest.approx(runs[column].mean(), abs=0.51 * 10**-digits), (noise, on)
        assert believed == f"{(runs['base'] > 0).sum()} of {len(runs)}"
    clean = WORLDS[WORLDS["noise"] == "none"]
    assert told["none", "both"][-1] == f"{(clean['base'] > 0).sum()} of {len(clean)}"
    even = WORLDS[WORLDS["noise"] == "even"]["h / true"]
    assert even.between(0.24, 0.92).all() and re.search(r"a quarter\s+to nine tenths", text)


@pytest.mark.parametrize("method", list(ON.values()))
def test_a_chosen_noise_given_by_hand_is_the_same_training(method):
    split = World(n_users=80, n_items=50, density=0.2, noise=0.05, popularity_noise=1.0, seed=1).sample()
    about = {"model": "MF", "embedding_dim": 4, "epochs": 5, "device": "cpu"}
    chosen = Recommender(method=method, **about).fit(split.train, split.valid)
    own = ("noise", "base", "spread", "varies_by", "h_prime", "l2")
    numbers = {name: getattr(chosen.settings, name) for name in own}
    given = Recommender(method=method, **about | numbers).fit(split.train, split.valid)
    assert numbers["noise"] == "given" and given.recipe == chosen.recipe
    np.testing.assert_array_equal(given.real_positive_probability(), chosen.real_positive_probability())
    alone = Recommender(method=method, **about).fit(split.train)  # holds out a tenth to choose by
    assert alone.settings.noise == "given" and alone.settings.epochs <= 5
