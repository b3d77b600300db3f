"""Numbers that are known from elsewhere: out of the authors' files, or printed.

Chapters 04, 05 and 08 show more of them.
"""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from deca_nb.commands import make_recommender
from deca_nb.compare import ranker_scores
from deca_nb.datasets import authors_split
from deca_nb.denoising import RELEASED
from deca_nb.evaluation import MostPopular, audit, evaluate, metric_columns, summarise
from deca_nb.interactions import CLEAN, PAPER, Protocol, Split
from deca_nb.worlds import World


def means(per_user) -> dict[str, float]:
    """The mean of each metric over users."""
    return per_user[metric_columns(per_user)].mean().to_dict()


def popular_beside(model: str, split: Split, protocol: Protocol = PAPER) -> pd.DataFrame:
    """The most popular items on the task that the model is given."""
    return ranker_scores("MostPopular", split, protocol, model, {}, k=split.k, ties=PAPER.ties)


POPULAR = {
    "modcloth": {"recall@5": 0.1008, "recall@20": 0.2766, "ndcg@5": 0.0682, "ndcg@20": 0.1176},
    "ml-100k": {"recall@3": 0.0192, "recall@20": 0.0912, "ndcg@3": 0.0393, "ndcg@20": 0.0593},
}
UNMASKED = {"recall@3": 0.0277, "recall@20": 0.1084, "ndcg@3": 0.0477, "ndcg@20": 0.0668}


@pytest.mark.data
@pytest.mark.parametrize("name", POPULAR)
def test_most_popular(name, deca_data):
    split = authors_split(name, root=deca_data / "authors-splits", protocol="paper")
    assert means(evaluate(MostPopular(split.train), split, k=split.k, ties="lowest-id")) == pytest.approx(
        POPULAR[name], abs=5e-4
    )
    assert means(popular_beside("GMF", split)) == pytest.approx(POPULAR[name], abs=5e-4)
    report = audit(split, k=split.k)["value"]
    for metric, value in POPULAR[name].items():
        assert report[f"popular {metric} lowest-id"] == pytest.approx(value, abs=5e-4)


@pytest.mark.data
def test_most_popular_beside_cdae(deca_data):
    split = authors_split("ml-100k", root=deca_data / "authors-splits", protocol="paper")
    assert means(popular_beside("CDAE", split)) == pytest.approx(UNMASKED, abs=5e-4)
    masked = popular_beside("CDAE", split, CLEAN)
    assert means(masked) == pytest.approx(POPULAR["ml-100k"], abs=5e-4), (
        "in protocol clean everybody is masked"
    )


@pytest.mark.data
def test_cold_users_of_modcloth_are_ranked_by_the_tie_policy(deca_data):
    split = authors_split("modcloth", root=deca_data / "authors-splits", protocol="paper")
    zeros = lambda users: np.zeros((len(users), split.n_items))  # noqa: E731
    nothing = {ties: summarise(evaluate(zeros, split, k=20, ties=ties)) for ties in ("lowest-id", "expected")}
    assert nothing["expected"]["n"].tolist() == [4303, 2479, 1824]
    assert nothing["lowest-id"].loc["cold", "recall@20"] == pytest.approx(0.2189, abs=5e-4), (
        "the ids are in order of popularity"
    )
    assert nothing["expected"].loc["cold", "recall@20"] == pytest.approx(20 / split.n_items, rel=1e-3)


@pytest.mark.data
def test_lightgcn_with_deca_is_near_the_release(deca_data):
    split = authors_split("ml-100k", root=deca_data / "authors-splits", protocol="paper")
    training = {"model": "LightGCN", "device": "cpu", "threads": 1, "numbers": {}}
    recommender, source = make_recommender(split, PAPER, "DeCA", training, seed=0)
    released = dict(RELEASED["ml-100k", "DeCA", "LightGCN"])
    assert source == "the released row of ml-100k, LightGCN"
    assert released.pop("stopper") == recommender.recipe.parts.stopper
    assert released.items() <= asdict(recommender.settings).items()
    recommender.fit(split.train, split.valid)
    found = means(recommender.evaluate(split))
    assert found["recall@20"] == pytest.approx(0.0986, abs=0.010)
    assert found["ndcg@20"] == pytest.approx(0.0602, abs=0.006)


@pytest.mark.parametrize("seed", range(3))
def test_a_world_can_be_judged_in(seed):
    split = (world := World(n_users=300, n_items=200, cold_users=0.1, seed=seed)).sample()
    lots = np.random.default_rng(seed).random((split.n_users, split.n_items))
    table = summarise(evaluate(lambda users: lots[users], split)).loc["all"]
    for k in (5, 20):
        chance = audit(split)["value"][f"chance recall@{k}"]
        assert abs(table[f"recall@{k}"] - chance) < 3 * table[f"recall@{k}_se"]
    known_best = evaluate(lambda users: world.f(users[:, None].numpy(), np.arange(split.n_items)), split)
    popular = evaluate(MostPopular(split.train), split)
    assert (known_best["recall@20"].mean(), known_best["ndcg@20"].mean()) > (
        popular["recall@20"].mean(),
        popular["ndcg@20"].mean(),
    )
