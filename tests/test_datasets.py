"""Data by name.

One registry, one place that reads a name, nothing made or read twice, and an import that costs nothing.
"""

import pickle
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from deca_nb import cli, interactions
from deca_nb.baselines import EASE
from deca_nb.datasets import DATA_HELP, dataset, load_data, load_named, load_rows
from deca_nb.evaluation import MostPopular, evaluate
from deca_nb.export import cut_pairs, cut_table, score_interactions
from deca_nb.interactions import CLEAN, PAPER, InputError, Interactions, concat, read_interactions
from deca_nb.names import KNOWN, find, listed
from deca_nb.recommender import Recommender
from deca_nb.training import validation_ndcg, validation_split
from deca_nb.worlds import World


@pytest.fixture
def clicks(tmp_path):
    """A file of clicks with ratings."""
    path = tmp_path / "clicks.csv"
    frame = World(n_users=40, n_items=25, seed=2).clicks().to_frame().drop(columns="noise")
    frame.assign(user="u" + frame["user"].astype(str), rating=1 + frame["item"] % 5).to_csv(path, index=False)
    return path


@pytest.fixture
def made(monkeypatch) -> Counter:
    """How often a matrix was made of interactions, and an id column was numbered."""
    count = Counter()

    def counted(name, function):
        def call(*args, **how):
            count[name] += 1
            return function(*args, **how)

        return call

    monkeypatch.setattr(
        interactions, "sp", SimpleNamespace(csr_matrix=counted("csr", sp.csr_matrix), issparse=sp.issparse)
    )
    monkeypatch.setattr(pd, "factorize", counted("factorize", pd.factorize))
    monkeypatch.setattr(pd.DataFrame, "groupby", counted("groupby", pd.DataFrame.groupby))
    monkeypatch.setattr(pd.Series, "nunique", counted("nunique", pd.Series.nunique))
    return count


# Names.


@pytest.mark.parametrize("data", ["world", 'world:{"n_users": 60, "n_items": 40}', "world:adressa"])
def test_a_split_is_called_as_the_data(data, monkeypatch):
    split = World(n_users=60, n_items=40).sample()
    if data == "world:adressa":  # which takes a while
        monkeypatch.setattr(World, "sample", lambda self: split)
    found = load_data(data)
    assert (
        found.name == data
        and found.fingerprint() == (World().sample() if data == "world" else split).fingerprint()
    )
    assert found.k == (5, 20)


def test_one_split_for_all_protocols_that_read_the_same_files():
    assert load_data("world", CLEAN) is load_data("world", "clean") is load_data("world")
    assert load_data("world", PAPER).fingerprint() == load_data("world").fingerprint()


def test_every_registered_name_stands_in_the_help():
    names = {"movielens-100k", "authors", "world", "coat", "ml-latest-small", "sgdl-ml100k", "planted"}
    assert set(listed("dataset")) == names
    assert all(name in DATA_HELP for kind in listed("dataset") for name in find("dataset", kind).written)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("netflix", "no data 'netflix'"),
        ("world:mars", "no world 'mars'"),
        ("movielens-100k:1m", "no data"),
        ("authors:netflix", "no data set 'netflix'"),
        ("authors", "no data set ''"),
        ("no.csv", "no such file"),
    ],
)
def test_a_name_that_is_none_is_told(data, words):
    with pytest.raises(InputError, match=words):
        load_data(data)


@pytest.mark.parametrize("data", ["coat", "coat:shown", "ml-latest-small", "sgdl-ml100k"])
def test_where_files_are_to_be_had_is_told(data, monkeypatch, tmp_path):
    monkeypatch.setenv("DECA_DATA", str(tmp_path / "nowhere"))
    load_named.cache_clear()
    name = data.partition(":")[0]
    with pytest.raises(InputError, match=f"of {name}; get it from .* and put it into .*nowhere/{name}.$"):
        load_data(data)


@pytest.mark.data
def test_coat_is_what_its_tables_hold(deca_data):
    """Counted anew, out of the two tables."""
    chose, drawn = (np.loadtxt(deca_data / "coat" / f"{part}.ascii", dtype=int) for part in ("train", "test"))
    split = load_data("coat")
    assert (chose > 0).sum() == len(split.known) == 6960 and (split.train.user_counts() > 0).all()
    assert (concat(split.train, split.valid).to_csr().toarray() == (chose > 0)).all()
    assert (split.truth.to_csr().toarray() == ((drawn >= 4) & (chose == 0))).all()


@pytest.mark.data
def test_among_the_shown_coats_popularity_is_ranked_as_by_hand(deca_data):
    chose, drawn = (np.loadtxt(deca_data / "coat" / f"{part}.ascii", dtype=int) for part in ("train", "test"))
    split = load_data("coat:shown")
    popularity = split.train.item_counts()
    hits = []
    for user in np.flatnonzero(((drawn >= 4) & (chose == 0)).any(1)):
        shown = np.flatnonzero((drawn[user] > 0) & (chose[user] == 0))
        best = popularity[shown].max()
        top = shown[popularity[shown] == best]
        liked = (drawn[user] >= 4) & (chose[user] == 0)
        hits.append(liked[top].mean() / liked.sum())  # of the coats that tie, each is as likely to be first
    found = evaluate(MostPopular(split.train), split, k=1)
    assert len(found) == len(hits) == 225 and abs(found["recall@1"].mean() - np.mean(hits)) < 1e-6


@pytest.mark.data
def test_a_model_of_coat_learns_no_pair_that_was_not_clicked():
    _, _, pairs = load_rows("coat:shown")
    assert (pairs.keys() == load_data("coat").known.keys()).all()


@pytest.mark.data
def test_two_small_movielens_are_cut_alike(deca_data):
    ratings = pd.read_csv(deca_data / "ml-latest-small" / "ratings.csv")
    split = load_data("ml-latest-small")
    n = ratings.groupby("userId").size()
    assert [len(split.train), len(split.valid)] == [(8 * n // 10).sum(), (9 * n // 10 - 8 * n // 10).sum()]
    assert split.truth_means == load_data("movielens-100k").truth_means and set(split.truth.ratings) == {5}
    one = split.train.select(split.train.users == 0)
    assert one.timestamps.max() <= split.valid.timestamps[split.valid.users == 0].min()


@pytest.mark.data
def test_the_noise_that_sgdl_flags_is_known():
    split = load_data("sgdl-ml100k")
    assert [int(part.noise.sum()) for part in (split.train, split.valid, split.truth)] == [11899, 1532, 0]
    assert split.known.noise.mean() == (11899 + 1532) / (66899 + 8652)
    found = evaluate(EASE(split.train, 500), split)[["recall@5", "ndcg@20"]].mean()
    assert found.round(3).tolist() == [0.150, 0.375]  # as known of these files


def test_a_name_of_ones_own(monkeypatch):
    monkeypatch.setitem(KNOWN, "dataset", dict(KNOWN["dataset"]))  # so that it goes again
    dataset("mine")(lambda rest, files: World(n_users=30, n_items=20, seed=int(rest or 0)).sample())
    assert (
        load_data("mine:4").name == "mine:4"
        and load_data("mine").fingerprint() != load_data("mine:4").fingerprint()
    )


def test_pinned_names_are_found_where_they_always_were():
    from deca_nb.datasets import authors_split, movielens_100k

    assert interactions.movielens_100k is movielens_100k and interactions.authors_split is authors_split
    with pytest.raises(ImportError):
        from deca_nb.interactions import netflix  # noqa: F401


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("files", "numpy pandas pyarrow pooch torch fastcore"),
        ("interactions", "deca_nb.datasets deca_nb.worlds pooch torch"),
        ("datasets", "pooch torch matplotlib"),
    ],
)
def test_an_import_brings_in_no_more_than_it_needs(module, absent):
    code = f"import sys, deca_nb.{module}; print(*set({absent!r}.split()) & set(sys.modules))"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == ""
    )


# What is made once.


def test_a_table_keeps_what_was_made_of_it(made):
    pairs = World(n_users=40, n_items=25).clicks()
    for name in ("keys", "user_counts", "item_counts", "to_csr"):
        assert getattr(pairs, name)() is getattr(pairs, name)()
    assert made["csr"] == 1
    assert pairs.to_csr().has_canonical_format and pairs.select(slice(None)).to_csr() is not pairs.to_csr()


@pytest.mark.parametrize(
    "change",
    [
        lambda pairs: pairs.keys().sort(),
        lambda pairs: pairs.item_counts().put(0, 7),
        lambda pairs: pairs.user_counts().fill(0),
        lambda pairs: pairs.to_csr().data.fill(0),
        lambda pairs: pairs.to_csr().indices.fill(0),
    ],
)
def test_what_is_kept_cannot_be_changed(change):
    with pytest.raises(ValueError, match="read-only"):
        change(World(n_users=40, n_items=25).clicks())


def test_a_copy_carries_nothing_that_was_kept():
    pairs = World(n_users=40, n_items=25).clicks()
    before = pickle.dumps(pairs)
    pairs.to_csr(), pairs.keys()
    assert pickle.dumps(pairs) == before
    assert (pickle.loads(before).keys() == pairs.keys()).all()


def test_what_is_known_is_made_once_for_all_evaluations(made):
    split = World(n_users=40, n_items=25).sample()
    popular = MostPopular(split.train)
    first, second = evaluate(popular, split), evaluate(popular, split)
    assert first.equals(second) and made["csr"] == 1


def test_what_is_known_is_made_once_for_all_epochs(made):
    split = World(n_users=40, n_items=25).sample()
    recommender = Recommender("MF", "Normal", epochs=4, patience=4).fit(split.train, split.valid)
    assert len(recommender.history) == 4 and made["csr"] == 1
    for _ in range(2):
        validation_ndcg(recommender.trained.f, validation_split(split.train, split.valid), "expected")
    assert made["csr"] == 1


# No frame is numbered twice.


def test_denoising_a_file_numbers_its_ids_once(clicks, made, tmp_path, monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["deca", "denoise", str(clicks), "--epochs", "1", "--out", str(tmp_path / "scored.csv")]
    )
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    assert {name: made[name] for name in ("factorize", "groupby", "nunique")} == {
        "factorize": 2,  # users and items
        "groupby": 0,
        "nunique": 0,
    }


def test_a_split_of_a_file_numbers_its_ids_once(clicks, made):
    load_data(str(clicks))
    assert made["factorize"] == 2


def test_titles_are_read_once_for_all_three_files(clicks, tmp_path, monkeypatch):
    frame = read_interactions(clicks).to_frame()
    for name, part in (("train", frame[::2]), ("valid", frame[1::4]), ("test", frame[3::4])):
        part.to_csv(tmp_path / f"{name}.csv", index=False)
    item = frame["item"].iloc[0]
    pd.DataFrame({"item": [item], "title": ["Found"]}).to_csv(tmp_path / "titles.csv", index=False)
    read, read_frame = [], interactions.read_frame
    monkeypatch.setattr(
        interactions,
        "read_frame",
        lambda path, *args, **how: (read.append(str(path)), read_frame(path, *args, **how))[1],
    )
    split = load_data(
        str(tmp_path / "train.csv"),
        valid=tmp_path / "valid.csv",
        test=tmp_path / "test.csv",
        items=tmp_path / "titles.csv",
    )
    assert read.count(str(tmp_path / "titles.csv")) == 1
    assert all(
        part.titles[list(part.item_ids).index(item)] == "Found"
        for part in (split.train, split.valid, split.truth, split.known)
    )


def test_scores_and_cuts_are_the_same_with_pairs_and_with_a_frame(clicks):
    frame, roles, pairs = load_rows(str(clicks))
    recommender = Recommender("MF", "Normal", epochs=1).fit(pairs)
    scored = score_interactions(recommender, frame, pairs=pairs)
    assert scored.equals(score_interactions(recommender, frame))
    numbers = scored.assign(rating=scored["rating"].astype(float))
    assert cut_table(numbers, rating="rating").equals(cut_pairs(pairs, scored["real_positive_probability"]))
    assert isinstance(pairs, Interactions) and roles["rating"] == "rating"
