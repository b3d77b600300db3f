"""What a click's weight changes: the losses, the rows and the graph; and what it leaves alone."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import model_for

from deca_nb import cli
from deca_nb.batches import Batch, PairBatches, RowBatches, TrueNegatives, balanced_mean
from deca_nb.evaluation import MostPopular, evaluate
from deca_nb.files import InputError
from deca_nb.interactions import Interactions, concat, read_interactions, read_split
from deca_nb.models import CDAE, normalised_graph
from deca_nb.names import find, listed
from deca_nb.processes import SharedRun
from deca_nb.recipe import make_recipe
from deca_nb.recommender import Recommender
from deca_nb.together import Together
from deca_nb.training import Run
from deca_nb.worlds import World

SPLIT = World(n_users=60, n_items=40, density=0.15, seed=2).sample()


def weighed(pairs: Interactions, seed: int = 0) -> Interactions:
    """The pairs with weights between 1 and 9."""
    weights = np.random.default_rng(seed).integers(1, 10, len(pairs))
    return replace(pairs, weights=weights.astype(np.float32))


def run_of(method: str, train: Interactions, model: str = "MF", **numbers) -> Run:
    """A short run without validation."""
    numbers = {"epochs": 2, "batch_size": 64} | numbers
    return Run(make_recipe(model_for(method, model), method, numbers), train)


def tensors(run: Run) -> list[torch.Tensor]:
    """The trained weights."""
    return list(run.fit().method.state_dict().values())


TRAINED = [
    name
    for name in listed("method")
    if find("method", name).has_steps and name not in listed("ranker") and name != "Oracle"
]


@pytest.mark.parametrize("method", TRAINED)
def test_every_loss_takes_the_weights(method):
    run = run_of(method, weighed(SPLIT.train), **({"contrast": 0.0} if method == "SimGCL" else {}))
    batch = next(iter(run.batches().epoch(torch.Generator().manual_seed(0))))
    trained, _ = run.method()
    trained.train()
    plain = replace(batch, weights=None)
    alike = replace(batch, weights=torch.ones_like(batch.observed))
    double = replace(batch, weights=torch.full_like(batch.observed, 2))

    def loss_of(one):
        if hasattr(trained, "generator"):  # what it draws is the same each time
            trained.generator.manual_seed(0)
        return trained.loss(one, 1).item()

    losses = [loss_of(one) for one in (plain, alike, double, batch)]
    assert losses[0] == losses[1] and losses[2] == pytest.approx(2 * losses[0], rel=1e-5)
    assert losses[3] != losses[0]


def test_a_weight_of_two_is_the_row_twice():
    losses, observed = torch.tensor([0.3, 0.7, 1.1, 0.5]), torch.tensor([1.0, 1.0, 1.0, 0.0])
    weights = torch.tensor([2.0, 1.0, 1.0, 1.0])
    scaled = torch.cat([weights[:3] / weights[:3].mean(), weights[3:]])
    twice = torch.tensor([0, 0, 1, 2, 3])
    expected = balanced_mean(losses[twice], observed[twice])
    assert balanced_mean(losses, observed, scaled).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("batches", ["pairs", "rows"])
def test_a_batch_carries_the_weight_of_each_pair(batches):
    train = weighed(SPLIT.train)
    made = RowBatches(train, 20) if batches == "rows" else PairBatches(train, TrueNegatives(train), 100)
    of_pair = dict(zip(train.keys().tolist(), train.weights.tolist(), strict=True))
    for batch in made.epoch(torch.Generator().manual_seed(1)):
        keys = (batch.users * train.n_items + batch.items).tolist()
        assert batch.weights.tolist() == [of_pair.get(key, 1) for key in keys]


def test_weights_of_one_change_nothing():
    ones = replace(SPLIT.train, weights=np.full(len(SPLIT.train), 3, np.float32))
    for model in ("GMF", "CDAE", "LightGCN"):
        for a, b in zip(
            tensors(run_of("DeCA", SPLIT.train, model)), tensors(run_of("DeCA", ones, model)), strict=True
        ):
            assert torch.equal(a, b)


def test_only_the_ratio_of_weights_counts():
    train = weighed(SPLIT.train)
    sevenfold = replace(train, weights=train.weights * 7)
    for a, b in zip(tensors(run_of("Normal", train)), tensors(run_of("Normal", sevenfold)), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_the_graph_is_normalised_with_weights():
    train = weighed(SPLIT.train)
    w = np.zeros((train.n_users, train.n_items))
    w[train.users, train.items] = train.weights / train.weights.mean()
    d_user, d_item = w.sum(1, keepdims=True), w.sum(0, keepdims=True)
    expected = w / np.sqrt(np.where(d_user > 0, d_user, 1) * np.where(d_item > 0, d_item, 1))
    from_items, _ = normalised_graph(train)
    heard = from_items.times(torch.eye(train.n_items)).numpy()
    assert np.allclose(heard, expected, atol=1e-6)


def test_the_autoencoder_reads_weighted_rows():
    train = weighed(SPLIT.train)
    model = CDAE(train, generator=torch.Generator().manual_seed(0)).eval()
    user = int(train.users[0])
    mine = train.users == user
    d_user, d_item = mine.sum(), train.item_counts()[train.items[mine]]
    x = train.scaled().weights[mine] * (d_user * d_item) ** -0.25
    table = model.item_encoder.weight.detach().numpy()[train.items[mine]]
    hidden = np.tanh(
        x @ table + model.user_vectors.weight[user].detach().numpy() + model.bias.detach().numpy()
    )
    found = model.encode(model.rows, torch.tensor([user]), model.user_vectors(torch.tensor([user])))
    assert np.allclose(found.detach().numpy()[0], hidden, atol=1e-6)


def test_metrics_and_popularity_do_not_look_at_weights():
    with_weights = replace(SPLIT, train=weighed(SPLIT.train), known=weighed(SPLIT.known))
    plain, other = (evaluate(MostPopular(split.train), split) for split in (SPLIT, with_weights))
    assert plain.equals(other)


def test_a_saved_graph_has_its_weights(tmp_path):
    model = Recommender("LightGCN", "Normal", epochs=2).fit(weighed(SPLIT.train), SPLIT.valid)
    model.save(tmp_path / "m")
    again = Recommender.load(tmp_path / "m")
    assert np.array_equal(again.train.weights, model.train.weights)
    assert again.recommend([0, 1], 5).equals(model.recommend([0, 1], 5))


def test_other_weights_are_another_training():
    train = weighed(SPLIT.train)
    assert run_of("Normal", train).recipe.key() != run_of("Normal", SPLIT.train).recipe.key()
    assert run_of("Normal", train).recipe.key() == replace(run_of("Normal", train)).recipe.key()


def test_runs_trained_together_take_the_weights():
    train = weighed(SPLIT.train)
    runs = [
        Run(make_recipe("MF", "Normal", {"epochs": 2, "l2": l2}, seed=seed), train)
        for l2, seed in ((0.1, 0), (1.0, 1))
    ]
    for run, member in zip(runs, Together(runs).fit().done, strict=True):
        for a, b in zip(tensors(run), member.method.state_dict().values(), strict=True):
            assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("model", ["MF", "CDAE"])
@pytest.mark.parametrize("method", ["Normal", "WBPR"])
def test_what_is_withheld_is_neither_learned_nor_drawn(model, method):
    n_items, rng = 12, np.random.default_rng(0)
    users, items = np.divmod(np.flatnonzero(rng.random(20 * n_items) < 0.6), n_items)
    pairs = replace(SPLIT.train, users=users, items=items, ratings=None, timestamps=None, noise=None)
    pairs = replace(pairs, user_ids=SPLIT.train.user_ids[:20], item_ids=SPLIT.train.item_ids[:n_items])
    out = rng.random(len(pairs)) < 0.3
    run = Run(make_recipe(model, method, {"epochs": 1}), pairs.select(~out), withheld=pairs.select(out))
    batches, generator = run.batches(), torch.Generator().manual_seed(0)
    keys = {
        key
        for _ in range(30)
        for batch in batches.epoch(generator)
        for key in (batch.users * n_items + batch.items).tolist()
    }
    assert keys & set(pairs.select(out).keys().tolist()) == set()
    assert set(pairs.select(~out).keys().tolist()) <= keys


def test_parts_with_and_without_weights_are_joined():
    some = weighed(SPLIT.valid)
    both = concat(some, SPLIT.train)
    assert both.weights.tolist() == [*some.weights, *np.ones(len(SPLIT.train))]
    assert isinstance(Batch(*[torch.zeros(1)] * 3).weights, type(None))


@pytest.mark.parametrize("name", ["EASE", "ItemKNN"])
def test_the_matrices_of_the_rankers_hold_the_weights(name):
    train = weighed(SPLIT.train)
    x = np.zeros((train.n_users, train.n_items))
    x[train.users, train.items] = train.weights / train.weights.mean()
    if name == "EASE":
        gram = x.T @ x + 200 * np.eye(train.n_items)
        inverse = np.linalg.inv(gram)
        b = -inverse / np.diag(inverse)
    else:
        norms = np.sqrt((x * x).sum(0))
        b = x.T @ x / np.where(norms > 0, norms, 1) / np.where(norms > 0, norms, 1)[:, None]
    np.fill_diagonal(b, 0)
    found = find("ranker", name)(train).score_all(torch.arange(train.n_users)).numpy()
    assert np.allclose(found, x @ b, atol=1e-4)


@pytest.mark.parametrize("name", ["EASE", "ItemKNN"])
def test_a_saved_ranker_has_its_weights(name, tmp_path):
    """The lists and scores of the loaded one are those of the one that was saved."""
    made = Recommender(method=name).fit(weighed(SPLIT.train))
    made.save(tmp_path / "m")
    again = Recommender.load(tmp_path / "m")
    users = torch.arange(SPLIT.train.n_users)
    assert torch.allclose(again.trained.f.score_all(users), made.trained.f.score_all(users), atol=1e-6)
    plain = Recommender(method=name).fit(SPLIT.train)
    assert not torch.allclose(plain.trained.f.score_all(users), made.trained.f.score_all(users), atol=1e-2)


def test_weights_add_up_where_training_goes_on():
    """Tomorrow's plays come on top of those of today; a log without weights is refused beside one with."""
    today = weighed(SPLIT.train)
    model = Recommender("MF", "Normal", epochs=1).fit(today)
    after = model.go_on(today, epochs=1)
    assert after.train.weights.sum() == 2 * today.weights.sum()
    with pytest.raises(InputError, match="must both have weights, or neither"):
        model.go_on(SPLIT.train, epochs=1)


# Weights out of a file.


def plays() -> pd.DataFrame:
    """A log in which some pairs stand in several rows, with what each row counts."""
    rng = np.random.default_rng(0)
    frame = SPLIT.train.to_frame()[["user", "item"]]
    frame = pd.concat([frame, frame.sample(200, random_state=1, replace=True)], ignore_index=True)
    return frame.assign(
        plays=rng.integers(1, 9, len(frame)),
        rating=5,
        timestamp=pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.permutation(len(frame)), "h"),
    )


@pytest.fixture
def log(tmp_path, monkeypatch):
    """The log as a file."""
    monkeypatch.chdir(tmp_path)
    plays().to_csv("log.csv", index=False)
    return "log.csv"


def expected_weights(repeats: str) -> dict:
    """By pair, from pandas alone."""
    by_pair = plays().sort_values("timestamp").groupby(["user", "item"])["plays"]
    return (
        {"count": by_pair.size, "sum": by_pair.sum, "last": by_pair.last}[repeats]().astype(float).to_dict()
    )


@pytest.mark.parametrize("repeats", ["count", "sum", "last"])
def test_weights_of_a_file(repeats, log):
    how = {"repeats": repeats} | ({} if repeats == "count" else {"weight": "plays"})
    split = read_split(log, **how)
    for pairs in (
        read_interactions(log, **how),
        split.everything(),
        Interactions.from_frame(plays(), timestamp="timestamp", **how),
    ):
        frame = pairs.to_frame()
        keys = frame[["user", "item"]].itertuples(index=False, name=None)
        assert dict(zip(keys, frame["weight"].tolist(), strict=True)) == expected_weights(repeats)
    for part in (split.train, split.valid, split.truth, split.known):
        assert part.weights.dtype == np.float32 and len(part.weights) == len(part)
    assert read_split(log).train.weights is None


def test_counted_repeats_are_said(log):
    assert (
        read_split(log, repeats="count").notes[0]
        == "200 rows repeat a pair; its weight is how many (--repeats)"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--repeats sum", "name it with weight=... or --weight"),
        ("--repeats count --weight plays", "choose --repeats sum, or leave out --weight"),
        ("--weight clicks", "no column 'clicks' for the weight"),
        ("--weight minus", "holds -1 in row 2"),
        ("--repeats often", "choose last, first, count, sum, refuse"),
    ],
)
def test_weights_that_cannot_be_used(words, told, log, capsys, monkeypatch):
    plays().assign(minus=[1, -1] + [1] * (len(plays()) - 2)).to_csv(log, index=False)
    monkeypatch.setattr("sys.argv", ["deca", "train", "--data", log, "--out", "m", *words.split()])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    said = capsys.readouterr().err
    assert stop.value.code == 2 and told in said


def test_the_command_trains_with_weights(log, capsys, monkeypatch):
    words = "--method Normal --model LightGCN --epochs 2 --weight plays --repeats sum".split()
    monkeypatch.setattr("sys.argv", ["deca", "train", "--data", log, "--out", "m", *words])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    split, model = read_split(log, weight="plays", repeats="sum"), Recommender.load("m")
    alone = Recommender("LightGCN", "Normal", epochs=2).fit(split.train, split.valid)
    for a, b in zip(model.trained.state_dict().values(), alone.trained.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    served = model.serving.train.to_frame()
    keys = served[["user", "item"]].itertuples(index=False, name=None)
    assert dict(zip(keys, served["weight"].tolist(), strict=True)) == expected_weights("sum")


def test_denoise_learns_from_weighted_clicks(log, capsys, monkeypatch):
    words = "--method Normal --epochs 2 --folds 0 --weight plays --repeats sum --out scored.csv".split()
    monkeypatch.setattr("sys.argv", ["deca", "denoise", log, *words])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    pairs = replace(read_interactions(log, weight="plays", repeats="sum"), timestamps=None)
    alone = Recommender("GMF", "Normal", epochs=2).fit(pairs).real_positive_probability()
    expected = pairs.to_frame()[["user", "item"]].assign(expected=alone)
    scored = pd.read_csv("scored.csv").merge(expected, on=["user", "item"])
    assert len(scored) == len(plays()) and np.allclose(
        scored["real_positive_probability"], scored["expected"]
    )


def test_a_core_keeps_the_weights(log):
    whole, core = (
        read_split(log, repeats="count", min_user=least).everything().to_frame() for least in (1, 4)
    )
    kept = core.merge(whole, on=["user", "item"], suffixes=("", "_whole"))
    assert 0 < len(core) < len(whole) and (kept["weight"] == kept["weight_whole"]).all()


def test_processes_scale_weights_by_the_mean_of_all():
    train = weighed(SPLIT.train)
    run = SharedRun(make_recipe("MF", "Normal", {}), train, group=SimpleNamespace(rank=1, n=2))
    mine = train.users % 2 == 1
    for shared in (run, replace(run)):
        assert np.array_equal(shared.train.weights, train.scaled().weights[mine])
