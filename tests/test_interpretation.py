"""The score of a click.

Intervals and AUC against enumeration, the cut, files that others read as they are, explanations and mistakes.
"""

import subprocess
import sys
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from deca_nb.export import cut_table, lowest, score_interactions, write_scored
from deca_nb.interactions import InputError, read_interactions
from deca_nb.interpretation import auc_against, calibration_table, explain, mean_by_rating
from deca_nb.recommender import Recommender
from deca_nb.statistics import auc_by_user
from deca_nb.worlds import World

SCORED = pd.DataFrame(
    {
        "user": ["ann", "bob", "bob", "Zoë, jr."],
        "item": [10, 10, 30, 20],
        "rating": [5.0, 1.0, np.nan, 3.0],
        "when": pd.to_datetime(
            ["2024-01-01 06:00", "2024-01-02 06:00", "2024-01-03 06:00", "2024-01-04 18:00"]
        ),
        "real_positive_probability": [0.1 + 0.2, 1e-12, np.nan, 1 / 3],
        "weight": [1.0, 0.5, 1.0, 1.5],
        "doubted": [False, True, False, False],
    }
)
READERS = {".csv": pd.read_csv, ".tsv": lambda path: pd.read_csv(path, sep="\t"), ".parquet": pd.read_parquet}


def atomic(path) -> pd.DataFrame:
    """A RecBole atomic file, read by its header alone.

    The header is name:type, tabs between; floats are numbers and tokens text.
    """
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    fields = [field.split(":") for field in header.split("\t")]
    assert {kind for _, kind in fields} <= {"token", "float"}
    table = pd.DataFrame([line.split("\t") for line in lines], columns=[name for name, _ in fields])
    return table.assign(**{name: pd.to_numeric(table[name]) for name, kind in fields if kind == "float"})


def enumerated_auc(score, liked) -> float:
    """The share of pairs of a liked and a disliked click in the right order, ties one half, one by one."""
    pairs = product(score[liked], score[~liked])
    return float(np.mean([(good > bad) + (good == bad) / 2 for good, bad in pairs]))


BOTH = {"c1": 10, "c2": 10}
COSTS = {"DeCA": BOTH, "DeCA(p)": BOTH, "DP": {"c1": 10}, "DN": {"c2": 10}, "Normal": {}}


@pytest.fixture(scope="module", params=COSTS)
def fitted(request) -> Recommender:
    """A recommender trained on a small world."""
    train = World(n_users=60, n_items=40, seed=1).sample().train
    return Recommender("GMF", request.param, epochs=3, l2=0.01, **COSTS[request.param]).fit(train)


# AUC and means.


@st.composite
def clicks(draw):
    """Scores with ties, flags of both kinds, users."""
    n = draw(st.integers(4, 24))
    score = np.array(draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))) / 4
    liked = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    users = np.array(draw(st.lists(st.sampled_from([3, 7, 8]), min_size=n, max_size=n)))
    liked[:2], users[:3] = [True, False], [3, 3, 7]
    return score, liked, users


@pytest.mark.filterwarnings(
    "ignore"
)  # a resample of two users may lack one kind of click: its interval is null
@settings(max_examples=30, deadline=None)
@given(clicks())
def test_auc_is_what_enumeration_says(drawn):
    score, liked, users = drawn
    scores = pd.DataFrame({"score": score, "reversed": -score, "constant": 1.0})
    table = auc_against(scores, liked, users, "constant", n_resamples=9)
    each = [
        enumerated_auc(score[users == user], liked[users == user])
        for user in np.unique(users)
        if 0 < liked[users == user].mean() < 1
    ]
    assert table.loc["score", ("overall", "value")] == pytest.approx(enumerated_auc(score, liked))
    assert table.loc["score", ("within user", "value")] == pytest.approx(np.mean(each))
    for measure in ("overall", "within user"):
        assert table.loc["reversed", (measure, "value")] == pytest.approx(
            1 - table.loc["score", (measure, "value")]
        )
        assert table.loc["constant", (measure, "value")] == 0.5
        assert table.loc["score", (f"{measure} less constant", "value")] == pytest.approx(
            table.loc["score", (measure, "value")] - 0.5
        )


def test_clicks_of_one_kind_or_one_user_have_no_interval():
    with pytest.raises(InputError, match="all are of one kind"):
        auc_against(pd.DataFrame({"a": [1, 2]}), [True, True], [0, 1], "a")
    with pytest.raises(InputError, match="at least two users"):
        mean_by_rating(pd.DataFrame({"a": [1, 2]}), [1, 5], [7, 7])


def test_auc_of_a_user_with_one_kind_is_null():
    assert np.isnan(auc_by_user([1, 2, 3], [True, True, False], [0, 0, 1])).all()


def test_intervals_hold_the_value_and_narrow_with_users():
    rng = np.random.default_rng(0)
    users, liked = rng.integers(0, 200, 4000), rng.random(4000) < 0.5
    scores = pd.DataFrame({"score": liked + rng.normal(size=4000), "noise": rng.normal(size=4000)})
    wide, narrow = (
        auc_against(scores[users < n], liked[users < n], users[users < n], "noise", n_resamples=200)[
            "overall"
        ]
        for n in (20, 200)
    )
    assert (wide["high"] - wide["low"] > 2 * (narrow["high"] - narrow["low"])).all()
    assert (narrow["low"] < narrow["value"]).all() and (narrow["value"] < narrow["high"]).all()
    assert narrow.loc["noise", "low"] < 0.5 < narrow.loc["noise", "high"]


def test_means_are_those_of_pandas_whatever_the_order():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": rng.random(90),
            "b": rng.random(90),
            "rating": rng.integers(1, 6, 90),
            "user": rng.integers(0, 9, 90),
        }
    )
    one, other = (
        mean_by_rating(f[["a", "b"]], f["rating"], f["user"], n_resamples=9)
        for f in (frame, frame.sample(frac=1, random_state=0))
    )
    assert one["mean"].unstack(0).to_numpy() == pytest.approx(
        frame.groupby("rating")[["a", "b"]].mean().to_numpy()
    )
    assert one["mean"].to_numpy() == pytest.approx(other["mean"].to_numpy())
    assert one["n"].to_numpy().tolist() == 2 * frame["rating"].value_counts().sort_index().tolist()


def test_brier_and_auc_of_perfect_and_ignorant_scores():
    real = np.array([True, True, True, False])
    table = calibration_table(pd.DataFrame({"perfect": real.astype(float), "half": 0.5}), real)
    assert table.loc["perfect", ["Brier", "AUC"]].tolist() == [0, 1]
    assert table["Brier"].tolist() == pytest.approx([0.75 * 0.25, 0, 0.25])


# Scores, weights and cuts.


def test_columns_follow_the_order_of_the_scores(fitted):
    frame = fitted.train.to_frame()
    scored = score_interactions(fitted, frame, share=0.1)
    scores = fitted.real_positive_probability()
    assert scored[frame.columns.tolist()].equals(frame)
    assert scored["real_positive_probability"].to_numpy() == pytest.approx(scores.to_numpy())
    assert scored["weight"].mean() == pytest.approx(1) and scored["weight"].between(0, 2).all()
    assert scored["weight"].rank().tolist() == scores.rank().tolist()
    assert scored["doubted"].sum() == len(frame) // 10
    assert scores[scored["doubted"]].max() <= scores[~scored["doubted"]].min()


def test_new_ids_have_no_score_weight_one_and_no_doubt(fitted):
    scored = score_interactions(fitted, pd.DataFrame({"user": [0, 999], "item": [0, 999]}), share=0.99)
    assert (
        scored["real_positive_probability"].isna().tolist()[1]
        and scored["weight"][1] == 1
        and not scored["doubted"][1]
    )


@pytest.mark.parametrize("share", [-0.1, 1, 1.5])
def test_share_out_of_range_is_refused(share):
    with pytest.raises(InputError, match="cannot be doubted"):
        lowest(pd.Series([0.1, 0.2]), share)


def test_lowest_takes_exactly_the_share_among_equals():
    scores = pd.Series([0.5] * 7 + [np.nan] * 3)
    assert lowest(scores, 3 / 7).tolist() == [True] * 3 + [False] * 7
    assert not lowest(scores, 0).any()


def test_cut_table_counts_what_is_lost():
    frame = pd.DataFrame(
        {
            "u": list("aabbc"),
            "i": [1, 2, 1, 3, 1],
            "stars": [5, 1, 4, 2, 5],
            "real_positive_probability": [0.9, 0.1, 0.8, 0.2, 0.7],
        }
    )
    table = cut_table(frame, (0.2, 0.4, 0.6), user="u", item="i", rating="stars")
    assert table["clicks"].tolist() == [1, 2, 3]
    assert table["is emptied"].tolist() == [1, 2, 2] and table["us emptied"].tolist() == [0, 0, 1]
    assert table["up to score"].tolist() == [0.1, 0.2, 0.7]
    assert table["rated below 3"].tolist() == pytest.approx([1, 1, 2 / 3])
    assert "rated below 3" not in cut_table(frame, (0.2,), user="u", item="i")


# Files.


@pytest.mark.parametrize("kind", READERS)
def test_pandas_reads_what_was_written(tmp_path, kind):
    write_scored(SCORED, tmp_path / f"scored{kind}")
    back = READERS[kind](tmp_path / f"scored{kind}")
    assert list(back) == list(SCORED)
    assert (pd.to_datetime(back["when"]) == SCORED["when"]).all()
    pd.testing.assert_frame_equal(
        back.drop(columns="when"), SCORED.drop(columns="when"), check_dtype=False, rtol=1e-14
    )
    assert back["doubted"].dtype == bool
    assert list(tmp_path.iterdir()) == [tmp_path / f"scored{kind}"]


def test_inter_is_a_recbole_atomic_file(tmp_path):
    write_scored(SCORED, tmp_path / "scored.inter")
    header = (tmp_path / "scored.inter").read_text(encoding="utf-8").splitlines()[0]
    assert header == (
        "user_id:token\titem_id:token\trating:float\twhen:float"
        "\treal_positive_probability:float\tweight:float\tdoubted:float"
    )
    back = atomic(tmp_path / "scored.inter")
    assert (
        back["user_id"].tolist() == SCORED["user"].tolist()
        and back["item_id"].tolist() == SCORED["item"].astype(str).tolist()
    )
    for name in ("rating", "real_positive_probability", "weight"):
        assert back[name].to_numpy() == pytest.approx(SCORED[name].to_numpy(), rel=1e-14, nan_ok=True)
    assert (
        back["doubted"].tolist() == [0, 1, 0, 0]
        and back["when"].tolist()[0] == pd.Timestamp("2024-01-01 06:00").timestamp()
    )
    assert back["when"].tolist()[3] - back["when"].tolist()[2] == 1.5 * 86400


@pytest.mark.parametrize("kind", [*READERS, ".inter"])
def test_this_library_reads_what_was_written(tmp_path, kind):
    frame = (
        World(n_users=30, n_items=20)
        .sample()
        .train.to_frame()
        .drop(columns="noise")
        .rename(columns={"user": "who", "item": "what"})
    )
    scored = frame.assign(real_positive_probability=0.5, weight=1.0, doubted=False)
    write_scored(scored, tmp_path / f"scored{kind}", user="who", item="what")
    columns = {} if kind == ".inter" else {"user": "who", "item": "what"}
    back = read_interactions(tmp_path / f"scored{kind}", **columns).to_frame()
    assert back[["user", "item"]].to_numpy().tolist() == frame.to_numpy().tolist()


def test_implicit_learns_from_what_denoise_writes(tmp_path):
    World(n_users=60, n_items=40, seed=1).sample().train.to_frame().drop(columns="noise").to_csv(
        tmp_path / "clicks.csv", index=False
    )
    command = [
        sys.executable,
        "-c",
        "from deca_nb.cli import main; main()",
        "denoise",
        "clicks.csv",
        "--epochs",
        "3",
        "--out",
        "scored.parquet",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    scored = pd.read_parquet(tmp_path / "scored.parquet")
    users, items = (pd.factorize(scored[column], sort=True)[0] for column in ("user", "item"))
    weights = csr_matrix((scored["weight"].astype(np.float32), (users, items)))
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(factors=4, iterations=3, random_state=0)
        model.fit(weights, show_progress=False)
    recommended, _ = model.recommend(np.arange(weights.shape[0]), weights, N=3)
    assert recommended.shape == (weights.shape[0], 3) and all(
        weights[user, item] == 0 for user, row in enumerate(recommended) for item in row
    )


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (SCORED.assign(note="a\tb"), "tab, quote or line break in column 'note'"),
        (SCORED.assign(user=["a\nb", "c", "d", "e"]), "column 'user'"),
        (SCORED.rename(columns={"rating": "my rating"}), "cannot hold a column 'my rating'"),
        (SCORED.rename(columns={"rating": "rating:float"}), "cannot hold a column 'rating:float'"),
        (SCORED.assign(user_id=1), "cannot hold a column 'user_id'"),
    ],
)
def test_inter_refuses_what_it_cannot_hold(tmp_path, frame, message):
    with pytest.raises(InputError, match=message):
        write_scored(frame, tmp_path / "scored.inter")
    assert list(tmp_path.iterdir()) == []


def test_unknown_format_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"write to a \.csv, \.tsv, \.parquet, \.inter file"):
        write_scored(SCORED, tmp_path / "scored.xlsx")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    (tmp_path / "scored.inter").write_text("old", encoding="utf-8")
    with pytest.raises(InputError):
        write_scored(SCORED.assign(note="a\tb"), tmp_path / "scored.inter")
    assert (tmp_path / "scored.inter").read_text(encoding="utf-8") == "old"


# Explanations.

ALL = {"f", "g", "h", "h_prime"}
MODELS = {"DeCA": ALL, "DeCA(p)": ALL, "DP": {"f", "g", "h"}, "DN": {"f", "g", "h_prime"}, "Normal": {"f"}}


def test_explanation_says_what_the_recommender_says(fitted):
    train = fitted.train
    row = len(train) // 2
    user, item = int(train.users[row]), int(train.items[row])
    told = explain(fitted, user, item, k=3)
    values, scores = told.table["value"], fitted.real_positive_probability()
    assert {"f", "g", "h", "h_prime"} & set(values.index) == MODELS[fitted.method_name]
    assert values["real_positive_probability"] == pytest.approx(scores[row], abs=1e-6)
    assert (
        values["popularity"] == (train.items == item).sum()
        and values["n_clicks"] == (train.users == user).sum()
    )
    assert values["popularity_rank"] == 1 + (train.item_counts() > train.item_counts()[item]).sum()
    assert len(told.history) <= 3 and set(told.history["item"]) <= set(train.items[train.users == user]) - {
        item
    }
    assert len(told.neighbours) == 3 and user not in set(told.neighbours["user"])
    clicked = {(u, i) for u, i in zip(train.users, train.items, strict=True)}
    assert told.neighbours["clicked"].tolist() == [(u, item) in clicked for u in told.neighbours["user"]]
    assert str(told).startswith(f"User {user} clicked {item}, ") and str(told).endswith(".")


def test_similarity_is_the_cosine_of_the_histories(fitted):
    seen = fitted.train.to_csr().toarray()
    user, item = int(fitted.train.users[0]), int(fitted.train.items[0])
    told = explain(fitted, user, item)
    for other, similarity in told.neighbours[["user", "similarity"]].to_numpy():
        a, b = seen[user], seen[int(other)]
        assert similarity == pytest.approx(a @ b / np.sqrt(a.sum() * b.sum()), rel=1e-5)
    for other, similarity in told.history[["item", "similarity"]].to_numpy():
        a, b = seen[:, item], seen[:, int(other)]
        assert similarity == pytest.approx(a @ b / np.sqrt(a.sum() * b.sum()), rel=1e-5)


def test_a_pair_without_a_click_is_explained_as_such(fitted):
    seen = fitted.train.to_csr().toarray()
    user, item = (
        int(index[0])
        for index in np.nonzero((seen == 0) & (seen.sum(1, keepdims=True) > 0) & (seen.sum(0) > 0))
    )
    assert str(explain(fitted, user, item)).startswith(f"User {user} did not click {item}; ")


def test_explanation_survives_saving(fitted, tmp_path):
    fitted.save(tmp_path / "kept")
    user, item = int(fitted.train.users[0]), int(fitted.train.items[0])
    one, other = (explain(which, user, item) for which in (fitted, Recommender.load(tmp_path / "kept")))
    assert one.table["value"].to_numpy() == pytest.approx(other.table["value"].to_numpy()) and str(
        one
    ) == str(other)


@pytest.mark.parametrize(
    ("user", "item", "message"),
    [("nobody", 0, "no user 'nobody'"), (0, 10**6, "no item 1000000"), (None, 0, "no user None")],
)
def test_unknown_ids_are_refused(fitted, user, item, message):
    with pytest.raises(InputError, match=message):
        explain(fitted, user, item)


def test_an_unfitted_recommender_is_refused():
    with pytest.raises(InputError, match="has not been fitted"):
        explain(Recommender(), 0, 0)


def test_the_score_finds_noise_in_a_world():
    split = World(n_users=200, n_items=100, seed=0).sample()
    recommender = Recommender(
        "GMF", "DeCA(p)", epochs=20, c1=10, c2=10, l2=0.02, learning_rate=0.01, batch_size=512
    ).fit(split.train)
    scored = score_interactions(recommender, split.train.to_frame(), share=0.1)
    assert roc_auc_score(~scored["noise"], scored["real_positive_probability"]) > 0.55
    assert scored.loc[scored["doubted"], "noise"].mean() > 1.2 * scored["noise"].mean()


# What an import brings in.


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("interpretation", ["optuna", "statsmodels", "sklearn", "deca_nb.experiments"]),
        ("export", ["optuna", "statsmodels", "sklearn", "matplotlib", "deca_nb.recommender"]),
        ("agreement", ["optuna", "statsmodels", "sklearn", "matplotlib"]),
    ],
)
def test_a_module_brings_in_nothing_heavy(module, heavy):
    code = f"import sys, deca_nb.{module}; print([name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
