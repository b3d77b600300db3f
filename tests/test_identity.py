"""What makes one training another: two that differ share no key, and none takes another's place unseen."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from deca_nb.baselines import Oracle
from deca_nb.datasets import load_data
from deca_nb.files import InputError
from deca_nb.interactions import Interactions
from deca_nb.models import MF
from deca_nb.names import KNOWN, find, method
from deca_nb.recipe import Recipe, Settings, make_recipe
from deca_nb.recommender import Recommender
from deca_nb.training import Run
from deca_nb.worlds import World

WORLD = World(n_users=60, n_items=40, seed=3).sample()
BRIEF = Settings(epochs=2, learning_rate=0.01, l2=0.001)


@pytest.fixture(autouse=True)
def names_kept(monkeypatch):
    """Names that a test gives are forgotten after it."""
    for kind in list(KNOWN):
        monkeypatch.setitem(KNOWN, kind, dict(KNOWN[kind]))


def changed(pairs: Interactions, column: str) -> Interactions:
    """The same pairs with another value in one row of a column."""
    values = np.ones(len(pairs)) if column != "noise" else pairs.noise.copy()
    values[0] = not values[0]
    return replace(pairs, **{column: values})


@pytest.mark.parametrize("column", ["ratings", "timestamps", "noise"])
def test_a_column_belongs_to_the_data(column):
    base = WORLD.train if column == "noise" else replace(WORLD.train, **{column: np.ones(len(WORLD.train))})
    keys = {Run(Recipe(settings=BRIEF), train).recipe.key() for train in (base, changed(base, column))}
    assert len(keys) == 2


def test_users_without_a_pair_belong_to_the_data():
    more = replace(WORLD.train, user_ids=WORLD.train.user_ids.append(WORLD.train.user_ids[:1] + 1000))
    assert more.digest != WORLD.train.digest


def test_one_run_trains_alike_twice():
    run = Run(Recipe(settings=BRIEF), WORLD.train, WORLD.valid)
    first, second = (run.fit().method.f.user_factors.weight for _ in range(2))
    assert first.tolist() == second.tolist()


def test_equal_numbers_make_one_recipe():
    recipes = [
        make_recipe("CDAE", "DeCA", {"corruption": zero, "c1": ten}, liked=liked)
        for zero, ten, liked in ((0, 10, 4), (0.0, 10.0, 4.0))
    ]
    assert len({recipe.key() for recipe in recipes}) == 1


OWN = """
from deca_nb.models import MF

class Own(MF):
    sign = {sign}
"""


def test_another_file_is_another_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = {}
    for sign in (1, -1, 1):
        (tmp_path / "own.py").write_text(OWN.format(sign=sign))
        run = Run(make_recipe("own.py:Own", "Normal", {"epochs": 1}), WORLD.train)
        assert run.build().sign == sign, "the file as it is now"
        found.setdefault(sign, set()).add(run.recipe.key())
    assert len(found[1]) == len(found[-1]) == 1 and found[1] != found[-1]


def test_a_file_elsewhere_is_another_one(tmp_path, monkeypatch):
    signs = []
    for sign in (1, -1):
        folder = tmp_path / str(sign)
        folder.mkdir()
        (folder / "own.py").write_text(OWN.format(sign=sign))
        monkeypatch.chdir(folder)
        signs.append(find("model", "own.py:Own").sign)
    assert signs == [1, -1]


def another(name: str, base: type) -> type:
    """A class of that name, another one at every call."""
    return type(name, (base,), {"__qualname__": f"another.<locals>.{name}"})


def test_a_name_has_one_bearer():
    first = another("Mine", MF)
    assert Recommender(first, "Normal").model_name == Recommender(first, "Normal").model_name == "Mine"
    with pytest.raises(InputError, match="there is a model 'Mine' already"):
        Recommender(another("Mine", MF), "Normal")
    for taken in ("GMF", "LightGCN"):
        with pytest.raises(InputError, match=f"there is a model '{taken}' already \\(this package\\)"):
            Recommender(another(taken, MF), "Normal")
    with pytest.raises(InputError, match="there is a method 'Normal' already"):
        method("Normal")(another("Other", Oracle))


def with_a_user_who_likes_nothing() -> tuple[Interactions, object]:
    """Training clicks with ratings, in which one user likes nothing; and that user's id."""
    train = replace(WORLD.train, noise=None)
    ratings = np.where(WORLD.train.noise, 1.0, 5.0)
    user = np.flatnonzero(train.user_counts() > 1)[0]
    ratings[train.users == user] = 1.0
    return replace(train, ratings=ratings), train.user_ids[user]


@pytest.mark.parametrize("how", [{"method": "Oracle"}, {"method": "Normal", "learns_from": "liked"}])
def test_a_row_that_was_never_trained_is_not_served(how, tmp_path):
    train, user = with_a_user_who_likes_nothing()
    fitted = Recommender("GMF", **how, epochs=2).fit(train)
    fitted.save(tmp_path / "kept")
    for recommender in (fitted, Recommender.load(tmp_path / "kept")):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = recommender.recommend([user], k=3)
        assert told and found["source"].str.startswith("most popular, since nothing was learned").all()
        doubts = recommender.real_positive_probability()
        assert doubts[train.users == train.user_ids.get_loc(user)].isna().all() and doubts.notna().any()


def test_both_parts_say_what_was_meant():
    bare = replace(WORLD.valid, noise=None, ratings=np.full(len(WORLD.valid), 5.0))
    with pytest.raises(InputError, match="only one of train and valid has noise"):
        Recommender("GMF", "Oracle", epochs=1).fit(WORLD.train, bare)


def test_what_is_meant_for_files_is_refused_elsewhere():
    with pytest.raises(InputError, match="liked, valid cannot be given for world"):
        load_data("world", liked=5, valid="valid.csv", user=None)
