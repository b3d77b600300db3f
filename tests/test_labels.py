"""Labels: what a few answers change, and what they must not."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from test_serving import deca

from deca_nb.ask import quality_for
from deca_nb.baselines import EASE
from deca_nb.evaluation import MostPopular
from deca_nb.interactions import InputError, Interactions
from deca_nb.labels import (
    Labels,
    Reranked,
    exposures,
    fit_quality,
    item_features,
    ridge_logistic,
    spread_over_users,
    strength_of,
    with_quality,
    worth_asking,
)
from deca_nb.recommender import Recommender
from deca_nb.worlds import World


@pytest.fixture(scope="module")
def split():
    """A world whose noise lies on famous items."""
    return World(n_users=150, n_items=80, density=0.25, noise=0.1, popularity_noise=0.9, seed=2).sample()


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A file of clicks with text ids, and a model of it."""
    folder = tmp_path_factory.mktemp("labels")
    rows = (
        World(n_users=150, n_items=80, density=0.25, noise=0.1, popularity_noise=0.9, seed=2)
        .clicks()
        .to_frame()
    )
    rows["stars"] = np.where(rows["noise"], 2, 5)
    rows["user"], rows["item"] = "0" + rows["user"].astype(str), "i," + rows["item"].astype(str)
    rows[["user", "item", "stars"]].to_csv(folder / "log.csv", index=False)
    code, _, err = deca(
        "train", "--data", folder / "log.csv", "--rating", "stars", "--method", "EASE", "--out", folder / "m"
    )
    assert code == 0, err
    return folder


def answered(folder, model, n=200):
    """The file of `deca ask`, filled in by the stars."""
    assert deca("ask", folder / model, "--n", n, "--out", folder / "ask.csv")[0] == 0
    ask = pd.read_csv(folder / "ask.csv", dtype=str).drop(columns="liked")
    stars = pd.read_csv(folder / "log.csv", dtype={"user": str, "item": str})
    told = ask.merge(stars, on=["user", "item"])
    assert len(told) == n, "ids come back as they were written"
    told["liked"] = (told["stars"] == 5).astype(int)
    return told[["user", "item", "liked"]]


def test_the_fit_is_that_of_another_library():
    rng = np.random.default_rng(0)
    columns, liked = rng.standard_normal((400, 5)), rng.random(400) < 0.4
    theirs = LogisticRegression(C=1 / 7, tol=1e-8, max_iter=1000).fit(columns, liked)
    ours = ridge_logistic(sp.csr_matrix(columns), liked, np.full(5, 7.0))
    np.testing.assert_allclose(ours, [*theirs.intercept_, *theirs.coef_[0]], atol=1e-3)


def test_no_answer_of_a_held_out_click_is_used(log):
    """Labels of validation and test clicks are left out when lists are judged, and used in what is served."""
    told = answered(log, "m", 300)
    told.to_csv(log / "answers.csv", index=False)
    model = Recommender.load(log / "m")
    at = model.train.to_frame().astype(str)
    learned = told.merge(at, on=["user", "item"])
    code, out, err = deca("evaluate", log / "m", "--labels", log / "answers.csv")
    assert code == 0, err
    assert f"{300 - len(learned)} answers are left out, since the model did not learn" in err
    assert f"{len(learned)} labels" in err
    assert "With labels, over the" in out
    code, _, err = deca("recommend", log / "m", "--users", "01", "--labels", log / "answers.csv")
    assert code == 0, err
    assert "300 labels" in err, "what is served learned from every click"


def test_lists_with_labels_are_the_product(log, split):
    """EASE's score times P(like) of the item, by hand; what a user has is in no list."""
    told = answered(log, "m")
    told.to_csv(log / "answers.csv", index=False)
    where = log / "lists.json"
    code, _, err = deca(
        "recommend", log / "m", "--users", "03", "--k", 80, "--labels", log / "answers.csv", "--json", where
    )
    assert code == 0, err
    lists = pd.DataFrame(json.loads(where.read_text()))
    model = Recommender.load(log / "m").serving
    users, items = (
        model.train.user_ids.get_indexer(told["user"]),
        model.train.item_ids.get_indexer(told["item"]),
    )
    order = np.lexsort((items, users))
    quality = fit_quality(
        model.train, Labels(users[order], items[order], told["liked"].to_numpy()[order] == 1)
    )
    user = int(model.train.user_ids.get_indexer(["03"])[0])
    scores = model.trained.f.score_all(torch.tensor([user]))[0].double().numpy()
    like = quality.like_items()
    expected = np.where(scores > 0, scores * like, scores / like)
    place = model.train.item_ids.get_indexer(lists["item"])
    np.testing.assert_allclose(lists["score"], expected[place], atol=1e-3)
    assert not set(place) & set(model.train.items[model.train.users == user])
    assert (np.diff(expected[place]) <= 1e-9).all()


def test_shuffled_labels_buy_nothing(split):
    """Over twenty shuffles the mean gain on labels that were not seen is not above 0."""
    train, gains, strengths = split.train, [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows = rng.choice(len(train), 200, replace=False)
        quality = fit_quality(
            train, Labels(train.users[rows], train.items[rows], rng.permutation(~train.noise[rows]))
        )
        gains.append(quality.gain[0])
        strengths.append(quality.strength)
    assert np.mean(gains) < 0.002
    assert np.mean(strengths) < 0.4


def test_order_and_names_of_labels_change_nothing(split):
    train = split.train
    rows = np.random.default_rng(0).choice(len(train), 150, replace=False)
    told = Labels(train.users[rows], train.items[rows], ~train.noise[rows])
    one, two = (
        fit_quality(train, Labels(*(column[order] for column in told)), seed=3)
        for order in (slice(None), np.arange(150))
    )
    np.testing.assert_array_equal(one.like_items(), two.like_items())
    mixed = Labels(*(column[np.random.default_rng(1).permutation(150)] for column in told))
    assert np.corrcoef(one.like_items(), fit_quality(train, mixed, seed=3).like_items())[0, 1] > 0.99


@pytest.mark.parametrize("liked", [True, False])
def test_answers_that_are_all_alike_change_no_list(split, liked):
    train = split.train
    quality = fit_quality(train, Labels(train.users[:60], train.items[:60], np.full(60, liked)))
    assert quality.strength == 0
    assert "nothing is changed" in quality.told()
    ease, users = EASE(train), torch.arange(20)
    before, after = ease.score_all(users), Reranked(ease, quality.like_items(), False).score_all(users)
    assert torch.equal(before.argsort(dim=1, stable=True), after.argsort(dim=1, stable=True))


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=12), st.booleans())
@settings(deadline=None)
def test_more_quality_is_never_worse(scores, are_logits):
    """Of two items with one score the better liked one comes first, on either side of 0."""
    values = torch.tensor([scores], dtype=torch.float32)
    low, high = (
        with_quality(values, torch.full((len(scores),), like, dtype=torch.float64), are_logits)
        for like in (0.3, 0.6)
    )
    assert (high >= low).all()
    assert torch.isfinite(high).all()
    order = torch.diff(high[0][values[0].argsort()])
    assert (order >= -1e-9).all(), "one quality for all changes no order"


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(1, 40))
def test_users_are_asked_in_turn(users, n):
    chosen = spread_over_users(np.array(users), n)
    assert len(set(chosen.tolist())) == min(n, len(users))
    counts = np.bincount(np.array(users)[chosen], minlength=7)
    left = np.bincount(users, minlength=7) - counts
    assert all(counts[user] >= counts.max() - 1 for user in range(7) if left[user] > 0)


def test_asking_follows_what_is_shown(split):
    """What stands in no list is hardly asked about; a click is asked about once."""
    train = split.train
    shown = exposures(MostPopular(train), train, k=5)
    assert shown.sum() == 5 * len(np.unique(train.users))
    rows = worth_asking(train, shown, 120)
    assert len(set(rows.tolist())) == 120
    asked = np.bincount(train.items[rows], minlength=train.n_items)
    assert asked[shown == 0].sum() < 60 < asked[shown > 0].sum()
    assert len(worth_asking(train, shown, 10 * len(train))) == len(train)


def test_what_a_labels_file_must_be(log):
    """Each fault is one sentence with the file, and exit code 2."""
    told = answered(log, "m", 40)
    faults = {
        "nothing.csv": (None, "nothing.csv"),
        "no-column.csv": (told.drop(columns="liked"), "there is no column liked"),
        "odd.csv": (told.assign(liked=["7", *told["liked"].astype(str)[1:]]), "row 1 below the header: '7'"),
        "few.csv": (told.head(5), "give at least 20"),
        "empty.csv": (told.assign(liked=""), "give at least 20"),
        "strangers.csv": (told.assign(user="nobody"), "give at least 20"),
    }
    for name, (table, said) in faults.items():
        if table is not None:
            table.to_csv(log / name, index=False)
        code, _, err = deca("recommend", log / "m", "--users", "01", "--labels", log / name)
        assert code == 2, name
        assert said in err, (name, err)
        assert "Traceback" not in err
    code, _, err = deca("evaluate", log / "m", "--labels", log / "odd.csv", "--data", log / "log.csv")
    assert code == 2
    assert "leave out --data" in err


def test_ratings_as_labels(log):
    """--labels rating takes those of the saved clicks; data without ratings are refused."""
    code, _, err = deca("evaluate", log / "m", "--labels", "rating")
    assert code == 0, err
    n = len(Recommender.load(log / "m").train)
    assert f"{n:,} labels" in err
    pd.read_csv(log / "log.csv", dtype=str)[["user", "item"]].to_csv(log / "plain.csv", index=False)
    assert deca("train", "--data", log / "plain.csv", "--method", "ItemKNN", "--out", log / "plain")[0] == 0
    code, _, err = deca("recommend", log / "plain", "--users", "01", "--labels", "rating")
    assert (code, "have no ratings" in err) == (2, True)


def test_asking_is_refused_where_it_cannot_be(log):
    for words, said in (
        (("--n", 0, "--out", log / "a.csv"), "--n 0 cannot be used"),
        (("--n", 10**7, "--out", log / "a.csv"), "cannot be used"),
        (("--out", log / "a.parquet"), "filled in by hand"),
        (("--out", log / "log.csv"), "log.csv"),
    ):
        code, _, err = deca("ask", log / "m", *words)
        assert code == 2, words
        assert said in err
    assert len(pd.read_csv(log / "log.csv")) > 1000, "the data are as they were"


def test_features_of_odd_data():
    """Two users, an item without a click, items that all are alike: finite, and no error."""
    for users, items, shape in (
        ([0, 1], [0, 1], (2, 3)),
        ([0, 0, 1, 1], [0, 1, 0, 1], (2, 2)),
        ([0], [0], (4, 4)),
    ):
        clicks = Interactions(np.array(users), np.array(items), *map(pd.RangeIndex, shape))
        features = item_features(clicks)
        assert np.isfinite(features).all()
        assert len(features) == shape[1]


def test_strength_is_kept_in_bounds():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(500)
    liked = rng.random(500) < 1 / (1 + np.exp(-truth))
    assert strength_of(0.01 * truth, liked) == 1, "shy predictions are not made bolder"
    assert strength_of(np.zeros(500), liked) == 0
    with pytest.raises(InputError, match="give at least 20"):
        fit_quality(
            World(n_users=30, n_items=20, density=0.3).sample().train,
            Labels(*(np.zeros(3, int),) * 2, np.ones(3, bool)),
        )


def test_a_saved_quality_is_not_needed(log):
    """The same command twice gives the same lists, and the folder is left as it was."""
    before = {path.name: path.read_bytes() for path in (log / "m").iterdir()}
    answered(log, "m").to_csv(log / "answers.csv", index=False)
    found = []
    for name in ("one.csv", "two.csv"):
        assert (
            deca("recommend", log / "m", "--all", "--labels", log / "answers.csv", "--out", log / name)[0]
            == 0
        )
        found.append((log / name).read_bytes())
    assert found[0] == found[1]
    assert before == {path.name: path.read_bytes() for path in (log / "m").iterdir()}
    idle = replace(
        fit_quality(
            World(n_users=60, n_items=40, density=0.3, seed=1).sample().train,
            Labels(np.arange(40), np.arange(40), np.arange(40) % 2 == 0),
        ),
        strength=0.0,
    )
    assert np.ptp(idle.like_items()) == 0


def test_what_is_said_of_the_price_is_in_the_tables():
    """README and guide give the shares of the committed tables, and how many are clear of 0."""
    tables = [pd.read_csv(path) for path in sorted((ROOT / "results" / "labels").glob("*-price.csv"))]
    assert len(tables) == 4
    said = []
    for n, clear in ((300, "two"), (1000, "three")):
        at = [
            table.query(f"labels == {n} and metric == 'ndcg@20' and asked == 'by exposure'")
            for table in tables
        ]
        rows = pd.concat(at)
        assert {"two": 2, "three": 3}[clear] == (rows["recovered low"] > 0).sum()
        said.append(f"{100 * rows['recovered'].min():.0f} to {100 * rows['recovered'].max():.0f} %")
    assert all(pd.concat(tables)["high"] >= 0), "no loss beyond its interval, whatever the number of labels"
    cuts = pd.concat(
        [pd.read_csv(path) for path in sorted((ROOT / "results" / "labels-splits").glob("*-gains.csv"))]
    )
    asked = cuts.query("metric == 'ndcg@20' and lists == 'by exposure'")
    for n, clear in ((300, 3), (1000, 4)):
        rows = asked[asked["labels"] == n]
        assert (len(rows), (rows["recovered low"] > 0).sum()) == (4, clear)
        said_of = [f"{100 * value:.0f}" for value in (rows["recovered"].min(), rows["recovered"].max())]
        assert " to ".join(said_of) + " %" in " ".join((ROOT / "README.md").read_text("utf-8").split())
    for path in (ROOT / "README.md", ROOT / "docs" / "pages" / "guides" / "labels.md"):
        text = " ".join(path.read_text(encoding="utf-8").split())
        assert all(share in text for share in said), path


def test_the_order_of_rows_changes_nothing(log):
    """At a hundred labels the parts that are held out hung on the rows: from .69 to nothing is changed."""
    told, found = answered(log, "m", 120), []
    model = Recommender.load(log / "m")
    for seed in range(3):
        told.sample(frac=1, random_state=seed).to_csv(log / "mixed.csv", index=False)
        found.append(quality_for(model, str(log / "mixed.csv")).like_items())
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_the_threshold_is_that_of_the_data(log):
    """--liked of the saved data says which ratings are likings, and the note says it."""
    words = "--rating", "stars", "--liked", 2, "--method", "ItemKNN", "--out", log / "low"
    assert deca("train", "--data", log / "log.csv", *words)[0] == 0
    code, _, err = deca("evaluate", log / "low", "--labels", "rating")
    assert code == 0, err
    assert "a rating of 2 or more counts as liked" in err
    assert "nothing is changed" in err, "all of them are liked"


def test_columns_of_labels_are_found_as_saved(log):
    """A log's own names hold for its labels, too; without them the sentence names what is missing."""
    names = {"user": "x", "item": "y"}
    pd.read_csv(log / "log.csv", dtype=str).rename(columns=names).to_csv(log / "xy.csv", index=False)
    words = "--user", "x", "--item", "y", "--rating", "stars", "--method", "ItemKNN", "--out", log / "xy"
    assert deca("train", "--data", log / "xy.csv", *words)[0] == 0
    told = answered(log, "m")
    told.rename(columns=names).to_csv(log / "a-xy.csv", index=False)
    told.to_csv(log / "a.csv", index=False)
    told.rename(columns={"user": "p", "item": "q"}).to_csv(log / "a-pq.csv", index=False)
    found = {}
    for name in ("a-xy.csv", "a.csv"):
        code, out, err = deca("evaluate", log / "xy", "--labels", log / name)
        assert code == 0, err
        found[name] = out
    assert found["a-xy.csv"] == found["a.csv"]
    for words in (("evaluate", log / "xy"), ("recommend", log / "xy", "--users", "01")):
        code, _, err = deca(*words, "--labels", log / "a-pq.csv")
        assert (code, "there are no columns 'x' and 'y'" in err) == (2, True), err
    code, out, err = deca(
        "recommend", log / "xy", "--users", "01", "--labels", log / "a-pq.csv", "--user", "p", "--item", "q"
    )
    assert code == 0, err
    assert "ItemKNN, reranked" in out


def test_too_few_labels_are_told_before_a_training(log):
    told = answered(log, "m", 40).head(5)
    told.to_csv(log / "five.csv", index=False)
    words = "--rating", "stars", "--method", "Normal", "--epochs", 1, "--out", log / "scored.csv"
    code, out, err = deca("denoise", log / "log.csv", *words, "--labels", log / "five.csv")
    assert (code, out) == (2, "")
    assert "give at least 20" in err


def test_clicks_that_count_nothing_are_not_asked_about(log):
    rows = pd.read_csv(log / "log.csv", dtype=str).assign(
        plays=lambda frame: (np.arange(len(frame)) % 3 > 0).astype(int)
    )
    rows.to_csv(log / "plays.csv", index=False)
    words = "--weight", "plays", "--method", "ItemKNN", "--out", log / "w"
    assert deca("train", "--data", log / "plays.csv", *words)[0] == 0
    assert deca("ask", log / "w", "--n", 300, "--out", log / "w.csv")[0] == 0
    ask = pd.read_csv(log / "w.csv", dtype=str).merge(rows, on=["user", "item"])
    assert (len(ask), ask["plays"].min()) == (300, 1)


def test_paper_is_refused_before_anything_is_printed(log):
    words = "--protocol", "paper", "--method", "Normal", "--epochs", 1, "--out", log / "paper"
    assert deca("train", "--data", log / "log.csv", *words)[0] == 0
    code, out, err = deca("evaluate", log / "paper", "--labels", "rating")
    assert (code, out) == (2, "")
    assert "judged under protocol clean" in err


# A training by labels.


def true_answers(log, n: int, shuffled: bool = False) -> str:
    """A file with the true answers to some clicks of the log."""
    rows = pd.read_csv(log / "log.csv", dtype={"user": str}).sample(n, random_state=1)
    liked = (rows["stars"] >= 4).astype(int).to_numpy()
    if shuffled:
        liked = np.random.default_rng(0).permutation(liked)
    path = log / f"answers-{n}-{shuffled}.csv"
    rows.assign(liked=liked)[["user", "item", "liked"]].to_csv(path, index=False)
    return str(path)


TRAIN = ("train", "--rating", "stars", "--method", "Normal", "--model", "MF", "--epochs", "12", "--l2", "0.1")


def trained(log, out: str, *more) -> tuple[str, str, dict[str, torch.Tensor]]:
    """What a training prints and says, and its weights."""
    words = (*TRAIN, "--learning-rate", "0.02", "--data", log / "log.csv", "--out", log / out, *more)
    code, out_text, err = deca(*words)
    assert code == 0, err
    return out_text, err, Recommender.load(log / out, device="cpu").trained.state_dict()


def test_train_by_labels_says_what_they_buy_and_changes_nothing_else(log):
    plain, _, weights = trained(log, "plain")
    out, err, labelled = trained(log, "labelled", "--labels", true_answers(log, 500))
    assert "AUC on labels that were not used" in out and "labels, " in err
    weighs = "Clicks weigh P(like)" in out
    assert weighs != ("the training is unchanged" in out.lower())
    same = all(torch.equal(weights[name], labelled[name]) for name in weights)
    assert same != weighs and (not same or out.endswith(plain))


@pytest.mark.parametrize(("n", "shuffled"), [(30, False), (500, True)])
def test_labels_that_say_nothing_leave_the_training_as_it_is(log, n, shuffled):
    _, _, weights = trained(log, "plain")
    out, err, labelled = trained(log, "odd", "--labels", true_answers(log, n, shuffled))
    assert "unchanged" in (out + err).lower()
    assert all(torch.equal(weights[name], labelled[name]) for name in weights)


def test_a_training_weighed_by_labels_can_go_on_and_be_judged(log, monkeypatch):
    monkeypatch.setattr("deca_nb.weigh.best_way", lambda table: "weighed by P(like)")
    _, _, weights = trained(log, "plain")
    out, _, labelled = trained(log, "weighed", "--labels", true_answers(log, 500))
    assert "Clicks weigh P(like)" in out
    assert not all(torch.equal(weights[name], labelled[name]) for name in weights)
    assert deca("evaluate", log / "weighed")[0] == 0
    more = pd.read_csv(log / "log.csv", dtype=str).head(40).assign(item="i,new")
    more.drop_duplicates("user").to_csv(log / "later.csv", index=False)
    later = ("train", "--from", log / "weighed", "--data", log / "later.csv", "--out", log / "later")
    code, _, err = deca(*later)
    assert code == 0 and "each new one weighs 1" in err, err


@pytest.mark.parametrize("more", [("--from", "m"), ("--resume",)])
def test_labels_do_not_go_with_a_training_that_goes_on(log, more):
    words = (*TRAIN, "--data", log / "log.csv", "--out", log / "never", "--labels", true_answers(log, 500))
    code, _, err = deca(*words, *more)
    assert code == 2 and f"does not go with {more[0]}" in err


def test_tune_by_labels_compares_the_best_trials(log):
    words = ("tune", "--data", log / "log.csv", "--rating", "stars", "--methods", "Normal,DeCA,EASE")
    words += ("--trials", "1", "--seeds", "1", "--epochs", "2", "--model", "MF", "--out", log / "tuned")
    words += ("--json", log / "t.json")
    code, out, err = deca(*words, "--labels", true_answers(log, 500))
    assert code == 0, err
    for name in ("Normal", "DeCA", "EASE", "reranked by P(like)"):
        assert name in out.partition("AUC on labels")[2]
    assert "has the highest AUC of those that beat" in out or "None tells liked clicks better" in out
    text = (log / "tuned" / "tune.txt").read_text()
    assert "AUC on labels" in text and [
        row["scores"] for row in json.loads((log / "t.json").read_text())["labels"]
    ]
    code, out, err = deca(*words, "--labels", true_answers(log, 30))
    assert code == 0 and "too few to judge by" in err and "AUC on labels" not in out


def test_a_title_with_a_tab_is_written_on_one_line(log):
    titles = pd.read_csv(log / "log.csv", dtype=str)[["item"]].drop_duplicates()
    titles.assign(title="A\tB\nC").to_csv(log / "titles.csv", index=False)
    words = (
        "--data",
        log / "log.csv",
        "--rating",
        "stars",
        "--items",
        log / "titles.csv",
        "--method",
        "EASE",
    )
    assert deca("train", *words, "--out", log / "titled")[0] == 0
    code, _, err = deca("ask", log / "titled", "--n", "5", "--out", log / "q.tsv")
    assert code == 0, err
    assert pd.read_csv(log / "q.tsv", sep="\t", dtype=str)["title"].eq("A B C").all()


def test_what_labels_buy_stands_in_the_json(log):
    words = ("evaluate", log / "m", "--labels", true_answers(log, 500), "--k", "5", "--json", log / "e.json")
    code, out, err = deca(*words)
    assert code == 0, err
    rows = [row for row in json.loads((log / "e.json").read_text()) if "labels" in row]
    assert [row["metric"] for row in rows] == ["recall@5", "ndcg@5"]
    for row in rows:
        assert row["with"] - row["without"] == pytest.approx(row["difference"])
        assert f"{row['difference']:.4f}" in out


def test_a_faulty_labels_file_stops_tune_before_any_trial(log):
    words = ("tune", "--data", log / "log.csv", "--rating", "stars", "--methods", "Normal", "--trials", "1")
    (log / "faulty.csv").write_text("user,item\n01,i\n")
    code, _, err = deca(*words, "--out", log / "never-tuned", "--labels", log / "faulty.csv")
    assert code == 2 and "no column liked" in err and not (log / "never-tuned").exists()
