"""Each click judged by models that did not train on it; a cut compared and fitted again; other data."""

import io
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from deca_nb import cli
from deca_nb.cuts import ClickScores, fit_without, folds_of, out_of_fold, overlaps, score_clicks
from deca_nb.evaluation import evaluate
from deca_nb.export import lowest, write_scored
from deca_nb.interactions import Interactions, read_interactions, read_split
from deca_nb.recommender import Recommender
from deca_nb.serving import as_long_as, best_epochs
from deca_nb.worlds import World


def deca(*words, code: int = 0) -> tuple[str, str]:
    """What the command prints on its two streams."""
    out, err = io.StringIO(), io.StringIO()
    ended = 0
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        patched.setattr(sys, "argv", ["deca", *map(str, words)])
        try:
            cli.main()
        except SystemExit as stop:
            ended = stop.code or 0
    assert ended == code, out.getvalue() + err.getvalue()
    return out.getvalue(), err.getvalue()


def log(n_users=80, n_items=50, seed=4) -> pd.DataFrame:
    """Clicks of a world with ratings and times; some users have one click only."""
    world = World(n_users=n_users, n_items=n_items, density=0.2, seed=seed).sample()
    frame = world.known.to_frame()
    rng = np.random.default_rng(seed)
    frame["rating"] = np.where(frame.pop("noise"), 2, 5)
    frame["timestamp"] = rng.permutation(len(frame))
    once = pd.DataFrame({"user": 1000 + np.arange(5), "item": np.arange(5), "rating": 5, "timestamp": 1})
    return pd.concat([frame, once], ignore_index=True)


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    """The log as a file in the folder where commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    log().to_csv("own.csv", index=False)
    return tmp_path / "own.csv"


QUICK = "--method Normal --model MF --epochs 8 --learning-rate 0.02 --l2 0.001".split()


def pairs_of(frame: pd.DataFrame) -> Interactions:
    """The pairs of a log."""
    return Interactions.from_frame(frame)


# Folds.


@pytest.mark.parametrize("n_folds", [2, 5])
def test_every_user_with_two_clicks_is_in_every_training(n_folds):
    pairs = pairs_of(log())
    folds = folds_of(pairs, n_folds, 3)
    counts = pd.crosstab(pairs.users, folds)
    assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1
    assert np.ptp(np.bincount(folds, minlength=n_folds)) <= 1


@pytest.mark.parametrize("model", ["MF", "CDAE", "LightGCN"])
def test_a_held_out_click_is_judged_by_a_training_on_the_others(model):
    pairs = pairs_of(log(30, 25))
    recommender = Recommender(model, "Normal", epochs=3, batch_size=64, seed=2)
    found, folds = out_of_fold(recommender, pairs, 3), folds_of(pairs, 3, 2)
    for fold in range(3):
        rest, held = pairs.select(folds != fold), pairs.select(folds == fold)
        one = Recommender(model, "Normal", epochs=3, batch_size=64, seed=2)
        one.fit(rest, by=lambda run, held=held: replace(run, withheld=held).fit())
        users, items = torch.tensor(held.users), torch.tensor(held.items)
        with torch.no_grad():
            expected = one.trained.f(users, items).sigmoid().numpy().astype(float)
        known = (rest.user_counts()[held.users] > 0) & (rest.item_counts()[held.items] > 0)
        assert np.array_equal(found[folds == fold], np.where(known, expected, np.nan), equal_nan=True)
        assert (rest.to_csr()[held.users, held.items] == 0).all()


def test_the_order_of_rows_does_not_matter():
    frame = log()
    pairs = pairs_of(frame)
    order = np.random.default_rng(0).permutation(len(frame))
    assert np.array_equal(folds_of(pairs_of(frame.iloc[order]), 5, 0), folds_of(pairs, 5, 0)[order])


def test_overlaps_are_shared_parts_of_the_doubted():
    scores = np.random.default_rng(0).random((3, 40))
    sets = [set(np.argsort(one)[:8]) for one in scores]
    expected = [len(sets[a] & sets[b]) / 8 for a, b in ((0, 1), (0, 2), (1, 2))]
    assert np.allclose(overlaps(scores, 0.2), expected)


def test_seeds_are_those_that_follow():
    pairs = pairs_of(log(30, 25))
    found = score_clicks(Recommender("MF", "Normal", epochs=2, seed=5), pairs, n_folds=0, n_seeds=2)
    assert isinstance(found, ClickScores) and found.out_of_fold is None
    for seed, scores in zip((5, 6), found.in_sample, strict=True):
        alone = Recommender("MF", "Normal", epochs=2, seed=seed).fit(pairs)
        assert np.array_equal(alone.real_positive_probability(), scores)


# The command.


def test_denoise_writes_both_scores_and_says_how_far_seeds_agree(own_file):
    said, _ = deca("denoise", "own.csv", *QUICK, "--folds", 3, "--seeds", 2, "--out", "scored.csv")
    scored = pd.read_csv("scored.csv")
    pairs = pairs_of(log())
    found = score_clicks(
        Recommender("MF", "Normal", epochs=8, learning_rate=0.02, l2=0.001), pairs, n_folds=3, n_seeds=2
    )
    keys = pd.MultiIndex.from_arrays([scored["user"], scored["item"]])
    ours = pd.MultiIndex.from_frame(pairs.to_frame()[["user", "item"]])
    for column, scores in (
        ("real_positive_probability", found.in_sample),
        ("out_of_fold", found.out_of_fold),
    ):
        expected = pd.Series(pd.DataFrame(scores).mean().to_numpy(), ours)[keys]
        assert np.allclose(scored[column], expected, atol=1e-9, equal_nan=True)
    alone = scored["user"] >= 1000
    assert scored.loc[alone, "out_of_fold"].isna().all() and (scored.loc[alone, "weight"] == 1).all()
    assert not scored.loc[alone, "doubted"].any()
    assert (scored["doubted"] == lowest(scored["out_of_fold"], 0.05)).all()
    for name, scores in (("out of fold", found.out_of_fold), ("in sample", found.in_sample)):
        assert f"Two seeds share {overlaps(scores, 0.05).mean():.0%} of what they doubt {name}" in said
    assert f"{scored['out_of_fold'].isna().sum()} rows have no score" in said


@pytest.mark.parametrize("folds", [0, 1])
def test_no_folds_is_in_sample_only(folds, own_file):
    deca("denoise", "own.csv", *QUICK, "--folds", folds, "--out", "scored.csv")
    scored = pd.read_csv("scored.csv")
    assert "out_of_fold" not in scored
    alone = Recommender("MF", "Normal", epochs=8, learning_rate=0.02, l2=0.001).fit(pairs_of(log()))
    assert np.allclose(scored["real_positive_probability"], alone.real_positive_probability())


def test_users_with_few_clicks_are_neither_scored_nor_trained_on(own_file):
    """`denoise --min-user` scored every row and trained again without some of them."""
    frame = pd.read_csv("own.csv")
    often = frame.groupby("user")["item"].transform("size") >= 8
    stays = frame[often]
    words = "--min-user", 8, "--folds", 2, "--drop", 0.1, "--out", "kept.csv"
    said, told = deca("denoise", "own.csv", *QUICK, *words)
    assert f"of {len(stays):,} interactions" in said
    assert told.count(f"{len(stays):,} of {len(frame):,} clicks stay") == 1
    kept = pd.read_csv("kept.csv")
    doubted = int(re.search(r"doubts (\d+) of", said)[1])
    assert 0 < doubted <= 0.1 * len(stays) and len(kept) == len(stays) - doubted
    assert set(kept["user"]) <= set(stays["user"])
    said, told = deca("denoise", "own.csv", *QUICK, *words, "--save", "m")
    assert told.count("clicks stay") == 1
    assert f"lists are of weights fitted again on all {len(kept):,}" in said


def test_repeats_of_a_pair_are_held_out_together(own_file):
    pd.concat([log(), log().iloc[:40]]).to_csv("again.csv", index=False)
    deca("denoise", "again.csv", *QUICK, "--out", "scored.csv")
    scored = pd.read_csv("scored.csv")
    assert len(scored) == len(log()) + 40
    assert (scored.groupby(["user", "item"])["out_of_fold"].nunique(dropna=False) == 1).all()


def test_a_cut_with_repeats_is_what_the_saved_model_learned(own_file):
    """Of 5 % of the rows and 5 % of the pairs, the file had the one and the model the other."""
    rows = pd.concat([log(), *[log().iloc[:300]] * 3], ignore_index=True)
    rows["timestamp"] = np.arange(len(rows))
    rows.to_csv("again.csv", index=False)
    said, _ = deca(
        "denoise", "again.csv", *QUICK, "--folds", 2, "--drop", 0.1, "--out", "kept.csv", "--save", "m"
    )
    deca("denoise", "again.csv", *QUICK, "--folds", 2, "--drop", 0.1, "--out", "only.csv")
    kept, model, n_pairs = pd.read_csv("kept.csv"), Recommender.load("m"), len(log())
    assert pd.read_csv("only.csv").equals(kept)
    pairs = set(kept[["user", "item"]].itertuples(index=False))
    assert pairs == set(model.serving.train.to_frame()[["user", "item"]].itertuples(index=False))
    gone = rows.merge(kept[["user", "item"]].drop_duplicates(), how="left", indicator=True)
    gone = gone[gone["_merge"] == "left_only"]
    n_gone = n_pairs - len(pairs)
    assert len(gone) + len(kept) == len(rows), "a pair goes with all of its rows"
    assert 0.09 * n_pairs < n_gone <= 0.1 * n_pairs
    assert f"doubts {n_gone} of {n_pairs} interactions: the 10 %" in said and f"{len(rows):,} rows." in said
    assert f"fitted again on all {len(pairs)}" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--drop 0.1 --reweight", "give one of the two"),
        ("--save m", "say what goes with --drop SHARE, or give"),
        ("--folds -1", "--folds -1 cannot be used"),
        ("--split random", "--split is for the split"),
        ("--known own.csv --drop 0.1", "--known is for the split"),
        ("--drop 0.1 --save own.csv", "is a file"),
    ],
)
def test_what_cannot_be_asked_is_said_before_training(words, told, own_file, monkeypatch):
    monkeypatch.setattr(Recommender, "fit", None)
    _, said = deca("denoise", "own.csv", *words.split(), "--out", "scored.csv", code=2)
    assert told in said


@pytest.fixture
def cut_again(own_file):
    """A cut that was fitted again and saved, and what was said."""
    return deca(
        "denoise", "own.csv", *QUICK, "--folds", 2, "--drop", 0.1, "--out", "kept.csv", "--save", "m"
    )[0]


def test_a_cut_is_compared_on_the_whole_history(cut_again):
    split = read_split("own.csv")
    numbers = dict(epochs=8, learning_rate=0.02, l2=0.001)
    found = score_clicks(Recommender("MF", "Normal", **numbers), split.train, n_folds=2)
    scores = pd.Series(found.out_of_fold[0])
    stays = split.train.select(~lowest(scores, 0.1).to_numpy())
    k = max(split.k)
    rows = {line.split("  ")[0]: line.split() for line in cut_again.splitlines() if "  0." in line}
    for name, train in (("all clicks", split.train), ("by score", stays)):
        values = []
        for seed in range(3):
            one = Recommender("MF", "Normal", seed=seed, **numbers).fit(train, split.valid)
            assert evaluate(one.trained.f, split, k)["user"].tolist()  # the whole history is masked
            values.append(one.evaluate_served(split, k=k)[f"ndcg@{k}"].mean())
        assert float(rows[name][3]) == pytest.approx(np.mean(values), abs=6e-5), name
    assert len(split.known) == len(split.train) + len(split.valid)


def test_nothing_that_is_tested_was_trained_or_scored(own_file, monkeypatch):
    fitted, fit = [], Recommender.fit

    def noted(self, train, *others, **how):
        fitted.append(train)
        return fit(self, train, *others, **how)

    monkeypatch.setattr(Recommender, "fit", noted)
    deca("denoise", "own.csv", *QUICK, "--folds", 2, "--drop", 0.1, "--out", "kept.csv", "--save", "m")
    split, n_rows = read_split("own.csv"), len(log())
    of_file, compared, for_lists = fitted[:3], fitted[3:-1], fitted[-1]
    assert len(for_lists) > len(split.train), "fitted again on what stays of all rows"
    assert len(of_file[0]) == n_rows and len(compared) == 3 + 4 * 3
    for train in compared:
        assert np.isin(train.keys(), split.train.keys()).all()


def test_what_was_cut_is_served_by_weights_without_it_and_not_listed(cut_again):
    model, kept = Recommender.load("m"), pd.read_csv("kept.csv")
    served = model.serving.train.to_frame()[["user", "item"]]
    assert set(served.itertuples(index=False)) == set(kept[["user", "item"]].itertuples(index=False))
    lists = model.recommend(k=50)
    have = log()[["user", "item"]]
    assert len(lists.merge(have, on=["user", "item"])) == 0
    assert "The doubted 10 % were left out." in cut_again


def test_the_saved_scores_are_those_that_were_compared(cut_again):
    again, _ = deca("evaluate", "m", "--k", 20)
    model, split = Recommender.load("m"), read_split("own.csv")
    value = model.evaluate_served(split, k=20)["ndcg@20"].mean()
    line = next(line.split() for line in again.splitlines() if line.startswith("all"))
    assert float(line[3]) == pytest.approx(value, abs=6e-5) and "were left out" in again
    assert len(model.train) < len(split.train)


def test_reweighted_clicks_are_trained_on_and_written(own_file):
    said, _ = deca("denoise", "own.csv", *QUICK, "--folds", 2, "--reweight", "--out", "w.csv", "--save", "m")
    scored, model = pd.read_csv("w.csv"), Recommender.load("m")
    ruling = scored["out_of_fold"]
    expected = (ruling / ruling.mean()).fillna(1)
    assert np.allclose(scored["weight"], expected, rtol=1e-5) and not scored["doubted"].all()
    served = model.serving.train.to_frame().merge(scored, on=["user", "item"], suffixes=("", "_file"))
    assert len(served) == len(scored) and np.allclose(served["weight"], served["weight_file"], rtol=1e-4)
    split = read_split("own.csv")
    popular = model.evaluate_popular(split, k=20)["ndcg@20"].mean()
    line = next(line.split() for line in said.splitlines() if line.startswith("most popular"))
    assert float(line[3]) == pytest.approx(popular, abs=6e-5)
    found = "Whether this model finds more than the most popular items is undecided (-0."
    assert found in said  # after so few epochs, and the interval holds 0


def test_trainings_are_as_long_as_validation_says(own_file):
    _, told = deca(
        "denoise", "own.csv", "--model", "MF", "--method", "Normal", "--folds", 2, "--out", "s.csv"
    )
    split = read_split("own.csv")
    alone = Recommender("MF", "Normal", epochs=100).fit(split.train, split.valid)
    took = int(alone.history["validation ndcg@20"].idxmax()) + 1
    assert f"MF + Normal: each training takes {took} epochs, as validation clicks say" in told
    again = Recommender("MF", "Normal", epochs=took).fit(read_interactions("own.csv"))
    scores = pd.read_csv("s.csv")["real_positive_probability"]
    assert np.allclose(scores, again.real_positive_probability(), atol=1e-6)


def test_a_prior_takes_epochs_of_its_own(own_file):
    """It trained as long as what it is for; `deca train` fits it again for as long as it took itself."""
    line = "--model MF --method DeCA(p) --learning-rate 0.02 --l2 0.001 --c1 1 --c2 1 --patience 2"
    _, told = deca("denoise", "own.csv", *line.split(), "--folds", 2, "--out", "s.csv")
    split = read_split("own.csv")
    numbers = {"learning_rate": 0.02, "l2": 0.001, "c1": 1, "c2": 1, "patience": 2, "epochs": 100}
    alone = Recommender("MF", "DeCA(p)", **numbers).fit(split.train, split.valid)
    took = best_epochs(alone.history)
    assert took["prior"] != took["DeCA(p)"], "else the test shows nothing"
    assert f"each training takes {took['DeCA(p)']} epochs (prior {took['prior']})" in told
    served = alone.refit(read_interactions("own.csv")).serving
    scores = pd.read_csv("s.csv")
    assert np.allclose(
        scores["real_positive_probability"], served.real_positive_probability(served.train), atol=1e-6
    )
    pairs, half = served.train, folds_of(served.train, 2, 0) == 1
    without = Recommender("MF", "DeCA(p)", **numbers)
    without.fit(pairs.select(half), by=as_long_as(took, fit_without(pairs.select(~half))))
    expected = without.real_positive_probability(pairs.select(~half))
    assert np.allclose(scores["out_of_fold"][~half], expected, atol=1e-6, equal_nan=True)


# Other data.


@pytest.fixture
def trained(own_file):
    """A model of the log, and clicks that came later: strangers, new items and old clicks among them."""
    deca("train", "--data", "own.csv", *QUICK, "--out", "m")
    rng, old = np.random.default_rng(1), log()
    new = pd.DataFrame({"user": rng.integers(0, 80, 300), "item": rng.integers(0, 50, 300)})
    strangers = pd.DataFrame({"user": np.repeat(np.arange(5000, 5004), 3), "item": rng.integers(0, 50, 12)})
    unknown = pd.DataFrame({"user": [1, 2, 5000], "item": [999, 998, 999]})
    had = old[["user", "item"]].head(20)
    later = pd.concat([new, strangers, unknown, had]).drop_duplicates()
    later["rating"] = rng.integers(3, 6, len(later))
    later.to_csv("new.csv", index=False)
    return later


def test_other_data_are_scored_as_they_are_served(trained):
    said, notes = deca("evaluate", "m", "--data", "new.csv", "--k", 10, "--json", "scores.json")
    model, old = Recommender.load("m"), log()
    had = set(old[["user", "item"]].itertuples(index=False, name=None))
    truth = trained[(trained["rating"] >= 4) & (trained["item"] < 50)]
    truth = truth[[pair not in had for pair in truth[["user", "item"]].itertuples(index=False, name=None)]]
    with pytest.warns(UserWarning, match="no click"):
        lists = model.recommend(truth["user"].unique(), 10)
    hits = lists.merge(truth, on=["user", "item"]).groupby("user").size()
    recall = hits.reindex(truth["user"].unique(), fill_value=0) / truth.groupby("user").size()
    rows = pd.read_json("scores.json").set_index("users")
    assert rows.loc["all", "recall"] == pytest.approx(recall.mean(), abs=1e-6)
    strangers = recall.index[recall.index >= 5000]
    assert rows.loc["cold", "n"] == len(strangers) and rows.loc["cold", "recall"] == pytest.approx(
        recall[strangers].mean(),
        abs=1e-2,  # popularity has ties
    )
    assert f"3 of {len(trained)} pairs have an item that the model does not know" in notes
    again = sum(pair in had for pair in trained[["user", "item"]].itertuples(index=False, name=None))
    assert f"{again} of {len(trained)} pairs are in the history" in notes
    assert f"{len(strangers)} of {truth['user'].nunique()} users are strangers" in notes
    assert said.count("cold") == 2 and "most popular, for comparison" in said


def test_what_is_known_besides_is_masked_in_other_data(trained):
    model = Recommender.load("m")
    users = trained["user"][trained["user"] < 80].unique()
    more = model.recommend(users, 10)[["user", "item"]]
    truth = trained.loc[trained["rating"] >= 4, ["user", "item"]]
    more = more.merge(truth, how="left", indicator=True).query("_merge == 'left_only'")[["user", "item"]]
    more.to_csv("more.csv", index=False)
    deca("evaluate", "m", "--data", "new.csv", "--k", 10, "--json", "plain.json")
    _, notes = deca(
        "evaluate", "m", "--data", "new.csv", "--known", "more.csv", "--k", 10, "--json", "masked.json"
    )
    plain, masked = (pd.read_json(f"{name}.json").set_index("users") for name in ("plain", "masked"))
    assert masked.loc["warm", "recall"] > plain.loc["warm", "recall"] + 0.05
    assert "masked" in notes


def test_other_data_are_refused_with_a_reason(trained):
    _, said = deca("evaluate", "m", "--known", "new.csv", code=2)
    assert "give --data too" in said
    pd.DataFrame({"user": [1, 2], "item": [998, 999], "rating": 5}).to_csv("none.csv", index=False)
    _, said = deca("evaluate", "m", "--data", "none.csv", code=2)
    assert "no pair is left to be found" in said and "2 of 2 pairs have an item" in said


def test_a_column_of_texts_and_numbers_is_written_to_parquet(tmp_path: Path):
    frame = pd.DataFrame({"user": ["a", 5, None], "item": ["x", "y", "z"], "weight": [1.0, 2.0, 3.0]})
    write_scored(frame, tmp_path / "scored.parquet")
    assert pd.read_parquet(tmp_path / "scored.parquet")["user"].fillna("").tolist() == ["a", "5", ""]
    days = frame.assign(day=[date(2024, 1, 1)] * 3)
    write_scored(days, tmp_path / "days.parquet")
    assert pd.read_parquet(tmp_path / "days.parquet")["day"].iloc[0] == date(2024, 1, 1)
