"""ClickChannel: a chosen noise can be given by hand, and what its recipe and files keep."""

import numpy as np
import pytest
import torch

from deca_nb import channel
from deca_nb.checkpoints import is_kept
from deca_nb.cuts import score_clicks
from deca_nb.files import InputError
from deca_nb.models import as_product
from deca_nb.recipe import make_recipe
from deca_nb.recommender import Recommender
from deca_nb.training import Run
from deca_nb.tuning import draw_numbers
from deca_nb.worlds import World

WAYS = ("ClickChannel", "ClickChannel(sampled)")


@pytest.mark.parametrize("method", WAYS)
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


@pytest.fixture(scope="module")
def made():
    """A world whose noise follows fame, and a model that was told so."""
    split = World(n_users=80, n_items=50, density=0.2, noise=0.05, popularity_noise=1.0, seed=1).sample()
    noise = {"noise": "given", "base": 0.02, "spread": 1.0}
    model = Recommender("MF", "ClickChannel", embedding_dim=4, epochs=5, device="cpu", **noise)
    return split, model.fit(split.train, split.valid)


def test_its_vectors_give_its_scores(made):
    split, model = made
    found = as_product(model.trained.f)
    with torch.no_grad():
        scores = model.trained.f.score_all(torch.arange(split.n_users))
    torch.testing.assert_close(found.users @ found.items.T + found.bias, scores, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("number", [{"noise": "chosen"}, {"varies_by": "user"}, {"base": 0.1}])
def test_what_was_settled_does_not_change_where_it_goes_on(made, number):
    split, model = made
    with pytest.raises(InputError, match="settled in its training"):
        model.go_on(split.train, split.valid, **number)


def test_all_folds_have_the_noise_that_all_clicks_chose(made, monkeypatch):
    split, _ = made
    searched = []
    monkeypatch.setattr(channel, "search_noise", lambda run: searched.append(run) or Few(run))
    asked = Recommender("MF", "ClickChannel", embedding_dim=4, epochs=2, device="cpu")
    scores = score_clicks(asked, split.train, n_folds=3)
    assert len(searched) == 1 and np.isfinite(scores.out_of_fold).any()


class Few(channel.Search):
    """A search that has looked at two trainings."""

    def __init__(self, run):
        super().__init__(run)
        for base in (0.0, 0.02):
            self.look({"base": base})


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"varies_by": "user"}, "noise given"),
        ({"noise": "given", "base": 0.9, "h_prime": 0.1}, "a base below h_prime"),
    ],
)
def test_noise_that_contradicts_itself_is_refused(numbers, said):
    with pytest.raises(InputError, match=said):
        channel.ChannelSettings(**numbers)


def test_a_kept_run_knows_a_noise_that_differs_by_user(made):
    split, _ = made
    noise = {"noise": "given", "base": 0.02, "spread": 1.0, "varies_by": "user", "epochs": 2}
    run = Run(make_recipe("MF", "ClickChannel", noise), split.train, split.valid)
    method, _ = run.trained()
    assert "users differ" in method.remarks()[0]


def test_a_state_is_found_where_the_noise_is_yet_to_be_chosen(made, tmp_path):
    split, _ = made
    run = Run(make_recipe("MF", "ClickChannel", {"epochs": 2}), split.train, split.valid)
    assert not is_kept(run, tmp_path)
    (tmp_path / "unfinished-of-what-was-chosen.safetensors").write_bytes(b"")
    assert is_kept(run, tmp_path)


def test_tuning_leaves_its_numbers_to_itself():
    assert draw_numbers("ClickChannel", 3) == [{}, {}, {}] and draw_numbers("Normal", 1) != [{}]
