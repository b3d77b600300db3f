"""Chapter 17's methods: where their assumption holds, what they remember, which models they train."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from deca_nb.baselines import EASE
from deca_nb.cli import main as run_command
from deca_nb.datasets import load_data
from deca_nb.evaluation import evaluate
from deca_nb.files import InputError
from deca_nb.interactions import Split, concat
from deca_nb.names import find
from deca_nb.recipe import make_recipe
from deca_nb.recommender import Recommender
from deca_nb.runs import only_liked
from deca_nb.statistics import auc
from deca_nb.training import Run
from deca_nb.worlds import World

NUMBERS = {"learning_rate": 0.01, "batch_size": 512, "l2": 0.01, "epochs": 60}
READERS = {"UDT": {}, "EARD": {}, "PLD": {}, "DCF": {"rise_share": 0.5}}


def even(seed: int) -> Split:
    """A world whose noise is spread evenly: odd clicks, which is what all of them assume."""
    return World(noise=0.035, popularity_noise=0.0, seed=seed).sample()


def noise_auc(split: Split, method: str, valid=None, **numbers) -> float:
    """How well what was trained ranks the noise of its training clicks."""
    run = Run(make_recipe("MF", method, NUMBERS | numbers), split.train, valid)
    model = run.fit().method.f.eval()
    with torch.no_grad():
        logits = model(torch.tensor(split.train.users), torch.tensor(split.train.items))
    return auc(-logits.numpy(), split.train.noise)


@pytest.fixture(scope="module")
def worlds() -> list[tuple[Split, float]]:
    """Worlds, and what normal training to the last epoch knows of their noise."""
    return [(split, noise_auc(split, "Normal")) for split in map(even, range(2))]


@pytest.mark.parametrize("method", READERS)
def test_where_the_assumption_holds_noise_is_found_better_than_by_normal_training(method, worlds):
    for split, normal in worlds:
        assert noise_auc(split, method, **READERS[method]) > normal + 0.02


def test_stopping_by_the_trimmed_loss_finds_it_better_than_not_stopping(worlds):
    for split, normal in worlds:
        assert noise_auc(split, "Normal(RE)", split.valid) > normal + 0.02


def test_every_cell_stopped_finds_it_better_than_drawn_negatives(worlds):
    for split, normal in worlds:
        run = Run(make_recipe("MF", "FullMatrix", {"epochs": 40}), split.train, split.valid)
        model = run.fit().method.f.eval()
        with torch.no_grad():
            logits = model(torch.tensor(split.train.users), torch.tensor(split.train.items))
        assert auc(-logits.numpy(), split.train.noise) > normal + 0.05


@pytest.mark.parametrize("method", ["UDT", "EARD", "DCF", "PLD"])
def test_a_saved_model_holds_nothing_of_the_memory(method, tmp_path):
    split = even(0)
    made = Recommender("MF", method, epochs=1, device="cpu").fit(split.train)
    names = set(made.trained.state_dict())
    assert names == {f"f.{name}" for name in made.trained.f.state_dict()}
    assert set(find("method", method).memory) <= set(dict(made.trained.named_buffers()))
    made.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(made.real_positive_probability(), again.real_positive_probability())


@pytest.mark.parametrize("method", ["UDT", "EARD", "DCF", "PLD", "FullMatrix"])
def test_it_goes_on_with_tomorrows_clicks(method, recwarn):
    split = even(0)
    made = Recommender("MF", method, epochs=3, device="cpu").fit(split.train)
    after = made.go_on(split.valid, epochs=1)
    assert len(after.known) == len(split.train) + len(split.valid)
    assert not [one for one in recwarn if "could not be kept" in str(one.message)]


def test_a_pair_that_stands_twice_is_remembered_row_by_row():
    train = World(seed=1).sample().train
    twice = concat(train, train.select(slice(5)))
    for model in ("MF", "CDAE"):  # rows of users hold each pair once
        for method in READERS:
            run = Run(make_recipe(model, method, {"epochs": 7}), twice)
            assert all(weight.isfinite().all() for weight in run.fit().method.state_dict().values())


@pytest.mark.parametrize("model", ["MF", "CDAE"])
def test_a_method_for_graphs_refuses_other_models(model):
    with pytest.raises(InputError, match="SimGCL trains LightGCN and no other model"):
        Recommender(model, "SimGCL")


def test_a_user_with_every_item_is_never_drawn_by_pld():
    split = World(n_users=20, n_items=8, density=0.3, seed=2).sample()
    everything = np.arange(8)
    full = replace(
        split.train, users=np.full(8, 3), items=everything, noise=np.zeros(8, bool), timestamps=None
    )
    train = concat(replace(split.train, timestamps=None), full).distinct()
    batches = Run(make_recipe("MF", "PLD", {"batch_size": 16}), train).batches()
    for batch in batches.epoch(torch.Generator().manual_seed(0)):
        assert 3 not in batch.users and (batch.observed == 0).sum() * 5 == batch.observed.sum()


def test_ease_on_sgdls_split_is_above_what_its_authors_logged_and_gains_nothing_from_its_flags(deca_data):
    split = load_data("sgdl-ml100k")
    meant = only_liked(split).train
    for ridge in (250, 500, 1000):
        every, clean = (evaluate(EASE(train, ridge), split, k=(5, 20)) for train in (split.train, meant))
        for metric in ("recall@5", "recall@20", "ndcg@20"):
            gain = clean[metric] - every[metric]
            assert gain.mean() < 2 * gain.std() / len(gain) ** 0.5
        if ridge == 500:
            found = [every[metric].mean() for metric in ("recall@5", "recall@20", "ndcg@20")]
            np.testing.assert_allclose(found, [0.150, 0.342, 0.375], atol=0.0006)
            assert np.all(np.array(found) > [0.139, 0.341, 0.364])  # the best that SGDL's log holds


def test_every_cell_reaches_on_movielens_what_perfect_labels_would_add(deca_data):
    split = load_data("movielens-100k")
    about = {"embedding_dim": 24, "epochs": 60, "device": "cpu"}
    made = Recommender("MF", "FullMatrix", **about).fit(split.train, split.valid)
    assert 0.24 < made.evaluate(split)["recall@20"].mean() < 0.27


@pytest.mark.parametrize("by", ["uniform", "popularity"])
def test_noise_is_planted_by_name_and_by_option_alike(by, capsys, monkeypatch):
    split = load_data("world", inject=0.2, inject_by=by)
    assert split is load_data(f"planted:0.2:{by}:world")
    assert split.train.noise.mean() > 0.2  # what was planted, beside the world's own
    monkeypatch.setattr("sys.argv", f"deca audit --data world --inject 0.2 --inject-by {by}".split())
    with pytest.raises(SystemExit) as ended:
        run_command()
    assert ended.value.code == 0
    assert f"planted:0.2:{by}:world" in capsys.readouterr().err


def test_noise_planted_in_a_file_is_told(tmp_path):
    rows = World(n_users=60, n_items=40, density=0.2, noise=0.0, seed=1).sample().train.to_frame()
    rows.to_csv(tmp_path / "clicks.csv", index=False)
    split = load_data(str(tmp_path / "clicks.csv"), inject=0.25)
    assert split.train.noise.mean() == pytest.approx(0.25, abs=0.01)
    assert any("planted as noise, by uniform" in note for note in split.notes)
    assert len(split.everything()) == len(split.train) + len(split.valid) + len(split.test)
