"""What makes one training another: two that differ share no key, and none takes another's place unseen."""

import importlib
import subprocess
import sys
import warnings
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import pytest

from deca_nb import cli
from deca_nb.baselines import Oracle
from deca_nb.datasets import load_data
from deca_nb.files import InputError
from deca_nb.interactions import Interactions
from deca_nb.models import MF
from deca_nb.names import KNOWN, find, method, name_of, table
from deca_nb.recipe import Number, Recipe, Settings, make_recipe
from deca_nb.recommender import Recommender
from deca_nb.training import Callback, Normal, Run
from deca_nb.tuning import draw_numbers
from deca_nb.worlds import World

WORLD = World(n_users=60, n_items=40, seed=3).sample()
BRIEF = Settings(epochs=2, learning_rate=0.01, l2=0.001)


@pytest.fixture(autouse=True)
def names_kept():
    """Names that a test gives are forgotten after it; those of a module that it imports first stay."""
    before = {kind: set(names) for kind, names in KNOWN.items()}
    yield
    for kind, names in KNOWN.items():
        for name in set(names) - before.get(kind, set()) - set(table().get(kind, {})):
            del names[name]


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


def who_likes_nothing() -> tuple[Interactions, object]:
    """Training clicks with ratings, in which one user likes nothing; and that user's id."""
    train = replace(WORLD.train, noise=None)
    ratings = np.where(WORLD.train.noise, 1.0, 5.0)
    user = np.flatnonzero(train.user_counts() > 1)[0]
    ratings[train.users == user] = 1.0
    return replace(train, ratings=ratings), train.user_ids[user]


@pytest.mark.parametrize("how", [{"method": "Oracle"}, {"method": "Normal", "learns_from": "liked"}])
def test_a_row_that_was_never_trained_is_not_served(how, tmp_path):
    train, user = who_likes_nothing()
    fitted = Recommender("GMF", **how, epochs=2).fit(train)
    fitted.save(tmp_path / "kept")
    for recommender in (fitted, Recommender.load(tmp_path / "kept")):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = recommender.recommend([user], k=3)
        assert told and found["source"].str.startswith("most popular: nothing was learned").all()
        doubts = recommender.real_positive_probability()
        assert doubts[train.users == train.user_ids.get_loc(user)].isna().all() and doubts.notna().any()


def test_both_parts_say_what_was_meant():
    bare = replace(WORLD.valid, noise=None, ratings=np.full(len(WORLD.valid), 5.0))
    with pytest.raises(InputError, match="only one of train and valid has noise"):
        Recommender("GMF", "Oracle", epochs=1).fit(WORLD.train, bare)


def test_what_is_meant_for_files_is_refused_elsewhere():
    with pytest.raises(InputError, match="--liked, --valid cannot be given for world"):
        load_data("world", liked=5, valid="valid.csv", user=None)


def test_other_code_in_a_module_is_another_training(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    text = "from deca_nb.names import method\nfrom deca_nb.training import Normal\n"
    keys = []
    for number in (1, 2):
        (tmp_path / "registered.py").write_text(
            f'{text}@method("Registered")\nclass Registered(Normal): number = {number}\n'
        )
        sys.modules.pop("registered", None)
        importlib.invalidate_caches()
        importlib.import_module("registered")
        keys.append(make_recipe("MF", "Registered", {"epochs": number // number}).key())
    assert keys[0] != keys[1]


def test_a_script_cannot_stand_in_for_a_method(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from deca_nb.names import method\nfrom deca_nb.training import Method\n"
        '@method("Normal")\nclass Normal(Method): "Not the one of this package."\n'
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode and "there is a method 'Normal' already (this package)" in done.stderr


def test_columns_cannot_change_unseen():
    with pytest.raises(ValueError, match="read-only"):
        WORLD.train.items[0] = 1


@dataclass(frozen=True)
class FarSettings(Settings):
    """Numbers that are called as DeCA's are, and mean something else."""

    alpha: Annotated[float, Number(2, 9, search=(2.0, 5.0, 9.0), help="how far")] = 2.0


class Far(Normal):
    """A method with these."""

    Settings = FarSettings


class Warm(MF):
    """A model with a size that is called as DeCA's number is."""

    def __init__(self, train, alpha: Annotated[float, Number(0)] = 7.0, generator=None):
        super().__init__(train, generator=generator)


def test_a_number_is_drawn_from_its_own_range():
    draws = draw_numbers(name_of("method", Far), 6)
    assert {draw["alpha"] for draw in draws} <= {2.0, 5.0, 9.0}
    assert [draw["l2"] for draw in draws] == [draw["l2"] for draw in draw_numbers("Normal", 6)]


def test_a_size_is_no_number_of_the_method():
    assert Recommender(Warm, "Normal", alpha=3).recipe.sizes == {"alpha": 3.0}
    with pytest.raises(InputError, match="alpha of Warm is also a number of DeCA"):
        Recommender(Warm, "DeCA", alpha=0.5)


def test_a_training_is_gone_on_with_where_it_stopped():
    class Halt(Callback):
        kept = None

        def after_step(self, trainer):
            if trainer.n_steps == 3:
                self.kept = trainer.state_dict()
            return trainer.n_steps == 3 and not trainer.history

    recipe = Recipe(settings=replace(BRIEF, batch_size=64))
    whole = Run(recipe, WORLD.train).fit()
    halt = Halt()
    Run(recipe, WORLD.train, callbacks=[halt]).fit()
    again = Run(recipe, WORLD.train, callbacks=[Callback()]).trainer()
    again.load_state_dict(halt.kept)
    again.fit()
    assert [r["loss"] for r in again.history] == [r["loss"] for r in whole.history]
    assert again.method.f.user_factors.weight.tolist() == whole.method.f.user_factors.weight.tolist()


def test_a_late_state_has_the_whole_history():
    class Last(Callback):
        kept = None

        def after_step(self, trainer):
            trainer.stopped = trainer.n_steps == 3
            if trainer.stopped:
                self.kept = trainer.state_dict()

    last = Last()
    recipe = Recipe(settings=replace(BRIEF, batch_size=64))
    whole = Run(recipe, WORLD.train, callbacks=[last]).fit()
    again = Run(recipe, WORLD.train, callbacks=[Callback()]).trainer()
    again.load_state_dict(last.kept)
    again.fit()
    assert [r["loss"] for r in again.history] == [r["loss"] for r in whole.history]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("figure3 --models CDAE", "--models changes nothing in figure3"),
        ("table1 --scores logit", "--scores changes nothing in table1"),
        ("map --data movielens-100k", "--data changes nothing in map"),
        ("ladder --data world --protocol clean", "the ladder leads from paper to clean"),
    ],
)
def test_an_option_that_does_nothing_is_refused(line, told, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["deca", "reproduce", *line.split(), "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2 and told in capsys.readouterr().err


def test_a_split_has_no_use_for_another_one(tmp_path):
    for name in ("train", "valid", "test"):
        WORLD.train.to_frame().drop(columns="noise").to_csv(tmp_path / f"{name}.csv", index=False)
    train, valid, test = (str(tmp_path / f"{name}.csv") for name in ("train", "valid", "test"))
    with pytest.raises(InputError, match="leave out --split"):
        load_data(train, valid=valid, test=test, split="random")
    with pytest.raises(InputError, match="no ratings to compare with 5"):
        load_data(train, liked=5)
