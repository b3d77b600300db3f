"""Lists for serving, through the command and through the object, beside numpy's own numbers."""

import io
import sys
import tomllib
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from deca_nb import cli
from deca_nb.files import InputError
from deca_nb.interactions import Interactions
from deca_nb.models import SparseRows
from deca_nb.recommender import Recommender
from deca_nb.serving import as_list, best_epochs, fold_in, read_id_file

ROOT = Path(__file__).parents[1]
FACTORS = [
    ("MF", "Normal", {}),
    ("GMF", "Normal", {}),
    ("GMF", "DeCA", {"c1": 1, "c2": 1}),
    ("GMF", "DeCA(p)", {"c1": 1, "c2": 1}),
    ("GMF", "Ensemble", {}),
    ("GMF", "WBPR", {}),
    ("NeuMF", "Normal", {}),
]


def deca(*words: str | Path) -> tuple[int, str, str]:
    """Exit code, output and notes of a command, run in this process."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    typed = patch.object(sys, "argv", ["deca", *map(str, words)])
    with redirect_stdout(out), redirect_stderr(err), typed:
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
    return code, out.getvalue(), err.getvalue()


def groups_of_taste(n_users: int = 120, n_items: int = 60, seed: int = 0) -> pd.DataFrame:
    """Clicks of two groups of users: each mostly clicks its own half of the items."""
    rng = np.random.default_rng(seed)
    own = np.arange(n_users)[:, None] % 2 == np.arange(n_items) % 2
    users, items = np.nonzero(rng.random(own.shape) < np.where(own, 0.35, 0.02))
    return pd.DataFrame({"user": [f"u{u:03d}" for u in users], "item": [f"p{i:02d}" for i in items]})


@pytest.fixture(scope="module")
def clicks() -> pd.DataFrame:
    """A small log with two groups of taste."""
    return groups_of_taste()


@pytest.fixture(scope="module")
def fitted(clicks) -> Recommender:
    """GMF, trained on all of the log."""
    return trained("GMF", "Normal", clicks)


def trained(model: str, method: str, clicks: pd.DataFrame, **numbers) -> Recommender:
    """A recommender of the log."""
    numbers = {"epochs": 12, "learning_rate": 0.02, "l2": 0.001, "batch_size": 256, "device": "cpu"} | numbers
    return Recommender(model, method, **numbers).fit(Interactions.from_frame(clicks))


@pytest.fixture(scope="module")
def folder(clicks, tmp_path_factory) -> Path:
    """What `deca train` saves of the log, a file."""
    place = tmp_path_factory.mktemp("serving")
    clicks.assign(timestamp=np.arange(len(clicks)) % 97).to_csv(place / "log.csv", index=False)
    options = "--model GMF --method Normal --epochs 8 --learning-rate 0.02 --l2 0.001 --batch-size 256"
    code, _, err = deca("train", "--data", place / "log.csv", "--out", place / "model", *options.split())
    assert code == 0, err
    return place


@pytest.mark.parametrize(("model", "method", "numbers"), FACTORS)
def test_a_newcomer_gets_the_list_of_their_taste(clicks, model, method, numbers):
    """What is folded in is the same user under another name: the list is of the same group of items."""
    recommender = trained(model, method, clicks, **numbers)
    before = {name: value.clone() for name, value in recommender.trained.state_dict().items()}
    twins = clicks[clicks["user"].isin(["u010", "u011"])].replace({"u010": "even", "u011": "odd"})
    lists = recommender.recommend(["even", "odd"], k=8, history=twins)
    even = lists["item"].str.removeprefix("p").astype(int) % 2 == 0
    assert even[lists["user"] == "even"].mean() > 0.8
    assert even[lists["user"] == "odd"].mean() < 0.2
    assert not pd.MultiIndex.from_frame(lists[["user", "item"]]).isin(pd.MultiIndex.from_frame(twins)).any()
    assert all(torch.equal(value, before[name]) for name, value in recommender.trained.state_dict().items())
    again = recommender.recommend(["even", "odd"], k=8, history=twins)
    pd.testing.assert_frame_equal(lists, again)


def test_solved_rows_lose_no_more_than_trained_ones(clicks, fitted):
    """The loss of normal training, with every other item as a negative, by numpy."""
    train = fitted.train
    scorer = fold_in(fitted.run(), fitted.trained, best_epochs(fitted.history), train)
    table, weight = fitted.trained.f.item_factors.weight.detach().numpy(), fitted.trained.f.output
    clicked = train.to_csr().toarray() > 0

    def loss(rows: torch.Tensor) -> np.ndarray:
        logits = (rows.detach().numpy() * weight.weight.detach().numpy()) @ table.T + weight.bias.item()
        each = np.logaddexp(0, np.where(clicked, -logits, logits))
        return np.mean(each, 1, where=clicked) + np.mean(each, 1, where=~clicked)

    solved, learned = loss(scorer.user_factors.weight), loss(fitted.trained.f.user_factors.weight)
    assert solved.mean() <= learned.mean()
    assert (solved <= learned + 0.05).mean() > 0.9


def test_many_newcomers_are_solved_for_in_parts(clicks, fitted, monkeypatch):
    """Parts of users give nearly the scores of all together."""
    once = fold_in(fitted.run(), fitted.trained, best_epochs(fitted.history), fitted.train)
    monkeypatch.setattr("deca_nb.serving.CLICKS_AT_ONCE", 300)
    parts = fold_in(fitted.run(), fitted.trained, best_epochs(fitted.history), fitted.train)
    both = [one.score_all(torch.arange(120)).detach().numpy() for one in (once, parts)]
    rows = [np.corrcoef(one, other)[0, 1] for one, other in zip(*both, strict=True)]
    assert np.mean(rows) > 0.97


def test_an_ensemble_of_readers_folds_in(clicks):
    """The mean of its members' answers; it was refused with the advice to train what it is made of."""
    both = trained("LightGCN", "Ensemble", clicks, epochs=3)
    clicked = Interactions(np.zeros(2, int), np.array([0, 2]), pd.Index(["new"]), both.train.item_ids)
    rows = SparseRows.from_csr(clicked.to_csr())
    with torch.no_grad():
        mean = sum(member.fold_in(rows) for member in both.trained.f.members)[0].numpy() / 2
    mean[[0, 2]] = -np.inf
    expected = both.train.item_ids[np.argsort(-mean, kind="stable")[:5]]
    assert both.recommend_for(["p00", "p02"], k=5)["item"].tolist() == expected.tolist()


def test_only_and_without(folder):
    """Allowed items only; unknown ids are counted; a user without any is named."""
    (folder / "stock.txt").write_text("p01\np03\nnew-1\nnew-2\n")
    (folder / "sold.csv").write_text("shade,price\np03,1\n")
    lists = folder / "lists.csv"
    files = ("--only", folder / "stock.txt", "--without", folder / "sold.csv", "--item", "shade")
    code, out, err = deca("recommend", folder / "model", "--all", "--k", 5, "--out", lists, *files)
    assert code == 0, err
    log, made = pd.read_csv(folder / "log.csv"), pd.read_csv(lists)
    owners = set(log.loc[log["item"] == "p01", "user"])
    assert set(made["item"]) == {"p01"}
    assert set(made["user"]) == set(log["user"]) - owners
    assert f"wrote {len(made):,} lists, {len(made):,} rows" in out
    assert "2 of 4 items of 'only' are unknown to the model and change nothing: new-1, new-2" in err
    assert f"{len(owners)} of {log['user'].nunique()} users have every item that may be listed" in err
    assert "most popular" not in err
    code, _, err = deca("recommend", folder / "model", "--users", "u001", "--only", folder / "sold.csv")
    assert (code, err.count("\n")) == (2, 1)
    assert "there is no column 'item' with items (columns: shade, price)" in err


def test_history_by_command(folder):
    """Who is new is folded in, who is known keeps their row, what is new is said."""
    rows = [
        ("neo", "p01"),
        ("neo", "p03"),
        ("neo", "p05"),
        ("u001", "p02"),
        ("neo", "later"),
        ("ada", "later"),
    ]
    pd.DataFrame(rows, columns=["who", "what"]).to_parquet(folder / "later.parquet")
    columns = ("--history", folder / "later.parquet", "--user", "who", "--item", "what")
    code, _, err = deca("recommend", folder / "model", *columns, "--k", 4, "--out", folder / "late.csv")
    assert code == 0, err
    made = pd.read_csv(folder / "late.csv")
    source = made.groupby("user")["source"].first().str.split(":").str[0].to_dict()
    assert source == {"neo": "folded in by the history", "ada": "most popular", "u001": "GMF + Normal"}
    assert not {"p01", "p03", "p05"} & set(made.loc[made["user"] == "neo", "item"])
    assert "p02" not in set(made.loc[made["user"] == "u001", "item"])
    assert "1 items of the history are unknown to the model (later)" in err
    assert "2 clicks on them are not used" in err
    assert "1 of 3 users have trained rows, which are used" in err


def test_a_repeated_user_is_a_list_of_their_own(folder):
    """`--users 2,2,1` said that it wrote two lists."""
    out = folder / "thrice.csv"
    code, told, _ = deca("recommend", folder / "model", "--users", "u002,u002,u001", "--k", 2, "--out", out)
    assert code == 0
    assert "wrote 3 lists, 6 rows" in told
    assert pd.read_csv(out)["user"].tolist() == ["u002"] * 4 + ["u001"] * 2


def test_somebody_who_owns_everything_is_not_said_to_get_popular_items():
    """The two notes contradicted each other."""
    train = Interactions.from_frame(pd.DataFrame({"user": [0, 0, 1, 1], "item": [0, 1, 1, 2]}))
    known = Interactions.from_frame(pd.DataFrame({"user": [2, 2, 2, 0], "item": [0, 1, 2, 0]}))
    small = Recommender("MF", "Normal", epochs=1).fit(train, known)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert small.recommend([2], k=2).empty
    assert [str(one.message) for one in told] == ["1 of 1 users have every item and get none: 2"]


def test_similar_items_by_command(folder):
    """Cosines of rows times the root of GMF's weight, by numpy."""
    code, _, err = deca(
        "similar-items", folder / "model", "--items", "p07,p10", "--k", 5, "--out", folder / "like.parquet"
    )
    assert code == 0, err
    found = pd.read_parquet(folder / "like.parquet")
    model = Recommender.load(folder / "model").serving
    f = model.trained.f
    rows = (f.item_factors.weight * f.output.weight.abs().sqrt()).detach().numpy().astype(float)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for item, some in found.groupby("item"):
        cosines = rows @ rows[model.train.item_ids.get_loc(item)]
        cosines[model.train.item_ids.get_loc(item)] = -np.inf
        best = np.argsort(-cosines, kind="stable")[:5]
        assert some["similar"].tolist() == model.train.item_ids[best].tolist()
        np.testing.assert_allclose(some["score"], cosines[best], atol=1e-5)
        assert (some["similar"].str[1:].astype(int) % 2 == int(item[1:]) % 2).mean() > 0.7
    code, _, err = deca("similar-items", folder / "model", "--items", "p07,ghost")
    assert (code, err) == (
        2,
        "deca: nothing was learned of these items: ghost; give ids of items with clicks.\n",
    )


def test_vectors_are_the_lists(folder):
    """A product of two files, and the items' bias, is what `recommend --all` writes."""
    assert deca("vectors", folder / "model", "--out", folder / "tables")[0] == 0
    lists = folder / "all.parquet"
    assert deca("recommend", folder / "model", "--all", "--k", 5, "--out", lists)[0] == 0
    users, items, owned = (
        pd.read_parquet(folder / "tables" / f"{name}.parquet") for name in ("users", "items", "left_out")
    )
    logits = np.stack(users["vector"]) @ np.stack(items["vector"]).T + items["bias"].to_numpy()
    logits[
        pd.Index(users["user"]).get_indexer(owned["user"]), pd.Index(items["item"]).get_indexer(owned["item"])
    ] = -np.inf
    best = np.argsort(-logits, 1, kind="stable")[:, :5]
    made = pd.read_parquet(lists)
    assert made["user"].tolist() == users["user"].repeat(5).tolist()
    assert made["item"].tolist() == items["item"].to_numpy()[best].ravel().tolist()
    np.testing.assert_allclose(made["score"], np.take_along_axis(logits, best, 1).ravel(), atol=1e-5)


def test_a_model_without_product_is_refused_in_one_sentence(clicks, tmp_path):
    """NeuMF has a perceptron."""
    trained("NeuMF", "Normal", clicks, epochs=1).save(tmp_path / "m")
    code, _, err = deca("vectors", tmp_path / "m", "--out", tmp_path / "v")
    assert (code, err.count("\n")) == (2, 1)
    assert "NeuMF is no dot product" in err
    assert not (tmp_path / "v").exists()


def test_train_from(folder):
    """Tomorrow's users and items are there, the old users' lists go on, and the folder evaluates."""
    later = groups_of_taste(30, 60, 1).replace({"p59": "p99"})
    later["user"] = later["user"].where(later["user"] < "u010", "n" + later["user"])
    later.assign(timestamp=np.arange(len(later))).to_csv(folder / "tomorrow.csv", index=False)
    words = ("--from", folder / "model", "--data", folder / "tomorrow.csv", "--out", folder / "next")
    code, out, err = deca("train", *words, "--epochs", 3)
    assert code == 0, err
    assert "20 users and 1 item are new" in out
    code, lists, err = deca("recommend", folder / "next", "--users", "nu020,u050", "--k", 6)
    assert code == 0
    assert "most popular" not in lists
    log = pd.concat([pd.read_csv(folder / name) for name in ("log.csv", "tomorrow.csv")])
    after = Recommender.load(folder / "next")
    assert len(after.serving.learned) == len(log[["user", "item"]].drop_duplicates())
    code, again, err = deca("evaluate", folder / "next")
    assert code == 0, err
    assert again.splitlines()[:3] == out.splitlines()[1:4]
    code, _, err = deca("train", *words, "--model", "MF")
    assert (code, "--model cannot change where training goes on" in err) == (2, True)
    old = ["train", "--from", folder / "next", "--data", folder / "tomorrow.csv", "--out", folder / "third"]
    code, _, err = deca(*old)
    assert (code, "each click of it is known to the saved model" in err) == (2, True)


def test_going_on_reads_as_the_saved_clicks_were_read(tmp_path):
    """Columns and dates need not be named twice, and the recipe holds what was used."""
    log = groups_of_taste(20, 20, 3)
    log["bought"] = pd.date_range("2024-03-01", periods=len(log)).strftime("%d.%m.%Y")
    log.rename(columns={"user": "who", "item": "what"}).to_csv(tmp_path / "log.csv", index=False, sep=";")
    log.assign(user="n" + log["user"]).rename(columns={"user": "who", "item": "what"}).to_csv(
        tmp_path / "later.csv", index=False, sep=";"
    )
    how = ["--user", "who", "--item", "what", "--timestamp", "bought", "--date-format", "%d.%m.%Y"]
    first = [
        "train",
        "--data",
        tmp_path / "log.csv",
        *how,
        "--model",
        "MF",
        "--method",
        "Normal",
        "--epochs",
        2,
    ]
    assert deca(*first, "--out", tmp_path / "m")[0] == 0
    words = ["train", "--from", tmp_path / "m", "--data", tmp_path / "later.csv", "--epochs", 1]
    code, out, err = deca(*words, "--out", tmp_path / "next")
    assert code == 0, err
    assert "read as the saved clicks were (--user who, --item what, --timestamp bought" in err
    written = tomllib.loads((tmp_path / "next" / "recipe.toml").read_text())
    assert written["timestamp"] == "bought"
    assert not {"model", "method", "seed", "protocol"} & set(written)
    code, again, err = deca(
        "train", "--recipe", tmp_path / "next" / "recipe.toml", "--out", tmp_path / "again"
    )
    assert (code, again) == (0, out), err
    (tmp_path / "mf.toml").write_text('model = "GMF"\n')
    code, _, err = deca(*words, "--recipe", tmp_path / "mf.toml", "--out", tmp_path / "no")
    assert (code, "--model cannot change where training goes on" in err) == (2, True)


def test_a_later_file_of_another_kind_is_not_read_as_text(folder, tmp_path):
    """The separator of a .csv refused tomorrow's .parquet: nobody had typed it."""
    pd.read_csv(folder / "log.csv").to_csv(tmp_path / "log.csv", sep=";", index=False)
    later = groups_of_taste(20, 60, 2).assign(timestamp=7)
    later.assign(user="n" + later["user"]).to_parquet(tmp_path / "later.parquet", index=False)
    read = ("--data", tmp_path / "log.csv", "--separator", ";", "--timestamp", "timestamp")
    code, _, err = deca("train", *read, "--method", "Normal", "--epochs", 1, "--out", tmp_path / "m")
    assert code == 0, err
    words = ("--from", tmp_path / "m", "--data", tmp_path / "later.parquet", "--epochs", 0)
    code, out, err = deca("train", *words, "--out", tmp_path / "next")
    assert code == 0, err
    assert "read as the saved clicks were (--timestamp timestamp)." in err
    assert "20 users and 0 items are new" in out


def test_what_new_rows_begin_with_is_said(folder, tmp_path):
    """Users are folded in; of an item nothing is known before its clicks are trained on."""
    rows = [(user, f"p{at:02d}") for at in range(0, 24, 2) for user in ("neo", "ada")] + [("ada", "later")]
    pd.DataFrame(rows, columns=["user", "item"]).to_csv(tmp_path / "later.csv", index=False)
    words = ("--from", folder / "model", "--data", tmp_path / "later.csv", "--timestamp", "none")
    code, out, err = deca("train", *words, "--split", "random", "--epochs", 0, "--out", tmp_path / "next")
    assert code == 0, err
    assert "2 users and 1 item are new" in out
    assert "New users begin with rows solved from their clicks. New items begin untrained" in out
    assert "train anew" in out
    known = pd.DataFrame(rows[:-1], columns=["user", "item"])
    before, after = Recommender.load(folder / "model"), Recommender.load(tmp_path / "next")
    folded = before.recommend(["neo"], k=5, history=known)
    assert after.recommend(["neo"], k=5, without=["later"])["item"].tolist() == folded["item"].tolist()


def test_no_epoch_and_no_new_row_change_nothing(fitted):
    """Going on exactly where training ended."""
    same = fitted.go_on(fitted.train, epochs=0)
    for ours, theirs in zip(fitted.trained.parameters(), same.trained.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    pd.testing.assert_frame_equal(fitted.recommend(k=5), same.recommend(k=5))


def test_old_rows_keep_their_weights_under_new_neighbours(fitted):
    """Ids by the union: each row moves to its new place."""
    more = Interactions.from_frame(pd.DataFrame({"user": ["a-first", "u000"], "item": ["z-last", "p00"]}))
    grown = fitted.go_on(more, epochs=0)
    assert grown.train.user_ids[0] == "a-first"
    ours, theirs = (one.trained.f.user_factors.weight for one in (fitted, grown))
    assert torch.equal(ours, theirs[1:])
    assert torch.equal(fitted.trained.f.output.weight, grown.trained.f.output.weight)
    owned = fitted.train.to_frame()[["user", "item"]].values.tolist()
    assert len(grown.train) == len(owned) + 2 - (["u000", "p00"] in owned)


def test_before_fit_there_is_one_sentence():
    """These raised an AttributeError."""
    for ask in ("description", "run", "vectors"):
        with pytest.raises(InputError, match="has not been fitted"):
            getattr(Recommender(), ask)()


def test_no_click_is_refused(clicks):
    """Training on nothing reported a loss of 0."""
    with pytest.raises(InputError, match="no training click"):
        Recommender("MF", "Normal").fit(Interactions.from_frame(clicks).select([]))


def test_text_of_a_number_that_became_a_float_is_found():
    """`5.0` is what a merge makes of 5."""
    train = Interactions.from_frame(pd.DataFrame({"user": [5, 5, 6, 7], "item": [1, 2, 2, 3]}))
    small = Recommender("MF", "Normal", epochs=1).fit(train)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert small.recommend(["5.0"], k=1)["source"].tolist() == ["MF + Normal"]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_a_bar_is_shown_where_lists_take_long(folder, monkeypatch):
    """On a terminal, and never with --quiet or in a pipe."""
    monkeypatch.setattr("deca_nb.ranking.DELAY", 0.0)
    monkeypatch.setattr("deca_nb.serving.users_at_once", lambda n_items, device="cpu": 4)
    lists = ["recommend", str(folder / "model"), "--all", "--out", str(folder / "lists.parquet")]
    for words, stream, shows in ((lists, Terminal(), True), ([*lists, "--quiet"], Terminal(), False)):
        monkeypatch.setattr("sys.argv", ["deca", *words])
        with redirect_stderr(stream), pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 0
        assert ("batch" in stream.getvalue()) == shows


NO_IDS = {
    "a dict": {"user": 101},
    "a table": np.array([["u001"], ["u002"]]),
    "a list of lists": [["u001"]],
    "a missing id": ["u001", np.nan],
    "nobody": [None],
    "a set in a list": ["u001", {"u002"}],
}


@pytest.mark.parametrize("what", NO_IDS)
def test_what_is_no_list_of_ids_is_refused(what, fitted):
    """A list for a user called "user" came of it, or one for "nan"."""
    for ask in (fitted.recommend, fitted.similar_items, fitted.recommend_for):
        with pytest.raises(InputError, match=r"is no list of ids|which is no id"):
            ask(NO_IDS[what])
    with pytest.raises(InputError, match=r"is no list of ids|which is no id"):
        fitted.recommend(["u001"], only=NO_IDS[what])
    assert fitted.recommend(np.array(["u001"]), k=1)["user"].tolist() == ["u001"]


def test_a_user_with_late_items_alone_is_not_left_out_of_all(folder, tmp_path):
    rows = [("old", "p00"), ("old", "p02"), ("late", "p99"), ("u001", "p99")]
    pd.DataFrame(rows, columns=["user", "item"]).to_csv(tmp_path / "later.csv", index=False)
    given = ("recommend", folder / "model", "--history", tmp_path / "later.csv", "--k", 2)
    code, _, err = deca(*given, "--all", "--out", tmp_path / "all.csv")
    assert code == 0, err
    lists = pd.read_csv(tmp_path / "all.csv")
    assert lists["user"].drop_duplicates().tolist()[-2:] == ["late", "old"]
    assert lists[lists["user"] == "late"]["source"].str.contains("most popular").all()
    assert lists[lists["user"] == "old"]["source"].str.contains("folded in").all()
    assert "get the most popular items: late" in err and "1 items of the history are unknown" in err
    code, alone, _ = deca(*given)
    assert code == 0 and "late" in alone


@pytest.mark.parametrize("header", ["user", "user_id", "customerId", "who"])
def test_a_file_of_users_is_read_as_a_file_of_items(header, folder, tmp_path):
    pd.DataFrame({header: ["u003", "u001"], "age": [30, 40]}).to_csv(tmp_path / "two.csv", index=False)
    pd.DataFrame({header: ["u003", "u001"]}).to_csv(tmp_path / "one.csv", index=False)
    named = ("--user", "who") if header == "who" else ()
    for name in ("one.csv", "two.csv"):
        words = ("recommend", folder / "model", "--users-file", tmp_path / name, "--k", 1, *named)
        code, _, err = deca(*words, "--out", tmp_path / "lists.csv")
        assert code == 0, err
        assert pd.read_csv(tmp_path / "lists.csv")["user"].tolist() == ["u003", "u001"]
    (tmp_path / "bare.csv").write_text("u003\nu001\n")
    deca("recommend", folder / "model", "--users-file", tmp_path / "bare.csv", "--out", tmp_path / "b.csv")
    assert pd.read_csv(tmp_path / "b.csv")["user"].drop_duplicates().tolist() == ["u003", "u001"]


def test_blanks_in_quotes_belong_to_an_id(tmp_path):
    log = groups_of_taste(20, 20, 3)
    log.assign(user=" " + log["user"]).to_csv(tmp_path / "log.csv", index=False)
    train = ("train", "--data", tmp_path / "log.csv", "--method", "MostPopular", "--out", tmp_path / "m")
    assert deca(*train)[0] == 0
    asked = ", ".join(f'" {user}"' for user in log["user"].unique()[:2])
    code, out, err = deca("recommend", tmp_path / "m", "--users", asked, "--k", 1)
    assert (code, out.count("most popular:"), err) == (0, 0, "")


def test_going_on_says_where_popularity_wins(folder, tmp_path):
    later = groups_of_taste(30, 60, 1).assign(timestamp=np.arange(len(groups_of_taste(30, 60, 1))))
    later.assign(user="n" + later["user"]).to_csv(tmp_path / "later.csv", index=False)
    words = ("--from", folder / "model", "--data", tmp_path / "later.csv", "--out", tmp_path / "next")
    code, out, err = deca("train", *words, "--epochs", 0)
    assert code == 0, err
    assert "GMF + Normal reaches ndcg@20" in out or "Most popular reaches more than GMF + Normal" in out


@pytest.mark.parametrize("users", [["neo", "ada", "eve"], ["neo"]])
def test_a_log_too_small_to_be_judged_is_learned(users, folder, tmp_path):
    """A day's log of single clicks was refused: 0 pairs of truth."""
    rows = pd.DataFrame({"user": users, "item": ["p01", "p03", "p98"][: len(users)], "timestamp": 7})
    rows.to_csv(tmp_path / "day.csv", index=False)
    words = ("train", "--from", folder / "model", "--data", tmp_path / "day.csv", "--out", tmp_path / "next")
    code, out, err = deca(*words, "--epochs", 2)
    assert code == 0, err
    assert "every click trains and nothing is judged, for there are too few (" in err
    n_log = len(pd.read_csv(folder / "log.csv")[["user", "item"]].drop_duplicates())
    assert f"weights that learned from {n_log + len(users):,} clicks; nothing is judged" in out
    assert "2 epochs" in out and "recall@" not in out
    after = Recommender.load(tmp_path / "next")
    assert set(users) <= set(after.learned.user_ids[after.learned.users])
    assert after.recommend("neo", k=60)["item"].eq("p01").sum() == 0
    code, _, err = deca("evaluate", tmp_path / "next")
    assert (code, "every click trained it" in err and "--data" in err) == (2, True)
    code, _, err = deca("evaluate", tmp_path / "next", "--data", folder / "log.csv")
    assert (code, "no pair is left to be found" in err) == (2, True)
    code, _, err = deca(*words, "--min-user", 2)
    assert code == 2 and len(err.splitlines()) == 1


def test_other_data_may_have_other_columns(folder, tmp_path):
    """The advice was --user, which evaluate had not."""
    new = groups_of_taste(40, 60, 9).rename(columns={"user": "kunde", "item": "artikel"})
    new.to_csv(tmp_path / "t1.csv", index=False, sep=";")
    words = ("evaluate", folder / "model", "--data", tmp_path / "t1.csv", "--k", 5)
    code, _, err = deca(*words)
    assert code == 2 and "--user" in err
    code, out, err = deca(*words, "--user", "kunde", "--item", "artikel", "--separator", ";")
    assert code == 0, err
    new.rename(columns={"kunde": "user", "artikel": "item"}).to_csv(tmp_path / "t2.csv", index=False)
    assert deca("evaluate", folder / "model", "--data", tmp_path / "t2.csv", "--k", 5)[1] == out
    code, _, err = deca("evaluate", folder / "model", "--user", "kunde")
    assert (code, "--user says how --data is read; give that too" in err) == (2, True)


def test_clicks_that_were_added_up_do_not_bar_other_data(tmp_path):
    """Of a saved --repeats sum, a file without the weights was refused."""
    log = groups_of_taste(30, 20, 4).assign(plays=2)
    log.to_csv(tmp_path / "log.csv", index=False)
    how = ("--method", "MostPopular", "--repeats", "sum", "--weight", "plays", "--separator", ",")
    code, _, err = deca("train", "--data", tmp_path / "log.csv", *how, "--out", tmp_path / "m")
    assert code == 0, err
    groups_of_taste(30, 20, 5).to_parquet(tmp_path / "new.parquet")
    code, _, err = deca("evaluate", tmp_path / "m", "--data", tmp_path / "new.parquet")
    assert code == 0, err


@pytest.mark.parametrize("header", ["user", "item", "id", "Users"])
def test_a_usual_header_is_no_user(tmp_path: Path, header: str):
    path = tmp_path / "users.csv"
    path.write_text(f"{header}\nu1\nu2\n")
    assert read_id_file(path, "user") == ["u1", "u2"]


@pytest.mark.parametrize("one", [pd.Timestamp(2024, 1, 4), b"u1"], ids=["time", "bytes"])
def test_what_is_written_otherwise_than_the_data_is_no_id(one):
    with pytest.raises(InputError, match="place 1 of the ids"):
        as_list([one])


def test_an_id_in_a_wrapping_is_the_id():
    assert as_list([pa.scalar("u1"), np.array("u2"), np.int64(3)]) == ["u1", "u2", 3]
