"""Wrong answers that were given without a word: ids that became others, rows that were not the last."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from test_denoise import deca

from deca_nb.files import read_frame
from deca_nb.interactions import InputError, Interactions, align, read_interactions, read_split
from deca_nb.recommender import Recommender
from deca_nb.serving import inner, read_id_file

QUICK = "--method Normal --model MF --epochs 3 --learning-rate 0.02".split()


def log(n: int = 400, n_users: int = 40, n_items: int = 30) -> pd.DataFrame:
    """Clicks, each pair once, in the order of their times."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"user": rng.integers(0, n_users, n), "item": rng.integers(0, n_items, n)})
    return frame.drop_duplicates().assign(timestamp=lambda frame: np.arange(len(frame)))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder where commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kinds", [("int64", "uint64"), ("int64", "object"), ("int64", "Int64")])
def test_long_ids_stay_apart_in_parts_of_other_types(kinds, here):
    frame = log()
    frame["user"] = 1234567890123456000 + 100 * frame["user"]
    for name, kind in zip("ab", kinds, strict=True):
        frame.assign(user=frame["user"].astype(kind)).to_parquet(f"{name}.parquet")
    with pytest.warns(UserWarning, match="2 files are read as one"):
        read = read_interactions("*.parquet")
    assert read.user_ids.equals(pd.Index(sorted(frame["user"].unique())))


def test_true_is_not_1_where_parts_differ(here):
    for name, users in (("a", [True, False, True]), ("b", [1, 0, 2])):
        pd.DataFrame({"user": users, "item": [1, 2, 3]}).to_parquet(f"{name}.parquet")
    with pytest.warns(UserWarning, match="2 files are read as one"):
        read = read_interactions("*.parquet")
    assert set(read.user_ids) == {"0", "1", "2", "True", "False"}


def test_long_numbers_in_json_lines_are_refused_or_exact(here):
    rows = '{"user": %s, "item": 1}\n{"user": 2, "item": 3}\n'
    (here / "a.jsonl").write_text(rows % 2**63)
    with pytest.raises(InputError, match="9223372036854775808 is too long for a number here"):
        read_frame("a.jsonl")
    (here / "a.jsonl").write_text("\ufeff" + rows % (2**63 - 1), encoding="utf-8")
    assert read_frame("a.jsonl")[0]["user"].tolist() == [2**63 - 1, 2]
    (here / "a.jsonl").write_text(rows % f'"{2**80}"')
    assert read_frame("a.jsonl")[0]["user"].tolist() == [str(2**80), 2]


def test_a_missing_id_changes_no_other(here):
    ids = [2**53 + 1, 2**53 + 3, None]
    parquet.write_table(pa.table({"user": pa.array(ids, pa.int64())}), "who.parquet")
    assert read_id_file("who.parquet", "user") == ids[:2]


def test_only_whole_numbers_may_end_in_a_dot_and_zero():
    assert inner(["7.0", "v1.2", "p3"], pd.Index(["7", "v1.2.0", "p3.0"])).tolist() == [0, -1, -1]
    assert inner(["7"], pd.Index(["7.0"])).tolist() == [0]


def test_a_fault_in_the_right_column_is_no_reason_for_another(here):
    frame = log().rename(columns={"user": "customer", "item": "sku"})
    frame.to_csv("log.csv", index=False)
    roles = "--user", "customer", "--item", "sku"
    deca("train", "--data", "log.csv", *roles, *QUICK, "--out", "m")
    later = pd.DataFrame({"customer": ["n1", ""], "sku": [1, 2], "user": ["clerk1", "clerk2"]})
    later.to_csv("later.csv", index=False)
    _, said = deca("recommend", "m", "--history", "later.csv", "--k", 1, code=2)
    assert "column 'customer' has no user in row 2" in said


def test_the_last_row_of_a_pair_is_the_last_in_time_wherever_it_stands(here):
    frame = log()
    first = frame.sample(100, random_state=0).assign(plays=7, rating=1)
    again = first.assign(timestamp=10_000, plays=1, rating=5)
    frame = frame.assign(plays=2, rating=5).drop(first.index)
    pd.concat([frame, first, again]).to_csv("old_first.csv", index=False)
    pd.concat([frame, again, first]).to_csv("new_first.csv", index=False)
    for name in ("old", "new"):
        words = f"{name}_first.csv", "--weight", "plays", *QUICK, "--folds", 0, "--out", f"{name}.csv"
        _, said = deca("denoise", *words)
        assert "100 rows repeat a pair; of each pair the last is kept" in said
    old, new = (
        pd.read_csv(f"{name}.csv")
        .sort_values(["user", "item", "timestamp"])["real_positive_probability"]
        .tolist()
        for name in ("old", "new")
    )
    assert old == pytest.approx(new, abs=1e-6)
    log(seed_shift()).to_csv("other.csv", index=False)
    deca("train", "--data", "other.csv", *QUICK, "--out", "m")
    told = [deca("evaluate", "m", "--data", f"{name}_first.csv")[0] for name in ("old", "new")]
    assert told[0] == told[1]


def seed_shift() -> int:
    """So many clicks that pairs differ from those of the usual log."""
    return 250


def test_ids_of_a_scored_file_are_those_of_its_model(here):
    for name, of in (
        ("bytes", lambda n: f"u{n}".encode()),
        ("dates", lambda n: pd.Timestamp(2024, 1, n + 1)),
    ):
        frame = log(n_users=20)
        frame.assign(user=frame["user"].map(of)).to_parquet(f"{name}.parquet")
        deca("denoise", f"{name}.parquet", *QUICK, "--folds", 0, "--out", f"{name}.csv")
        read = read_interactions(f"{name}.parquet")
        assert set(pd.read_csv(f"{name}.csv")["user"]) == set(read.user_ids)


def test_line_breaks_in_categories_are_found_before_any_work(here):
    frame = log()
    names = pd.Categorical(np.where(frame.index % 2, "a\rb", "c"))
    frame.assign(name=names).to_parquet("log.parquet")
    _, said = deca("denoise", "log.parquet", *QUICK, "--out", "out.csv", code=2)
    assert "column 'name' holds a" in said


def test_validation_pairs_that_are_trained_on_are_told(here):
    frame = log()
    frame[:250].to_csv("train.csv", index=False)
    frame[230:290].to_csv("valid.csv", index=False)
    frame[290:].to_csv("test.csv", index=False)
    split = read_split("train.csv", valid="valid.csv", test="test.csv")
    assert len(split.valid) == 40
    assert any("20 validation pairs are trained on" in note for note in split.notes)


def test_titles_of_a_few_items_take_no_others_away():
    first, second = (
        Interactions.from_frame(pd.DataFrame({"user": [0, 1], "item": items})) for items in ([0, 1], [1, 2])
    )
    told = np.array(["Zero", "One"], object), np.array(["1", "Two"], object)
    both = align(
        *(type(one)(**{**vars(one), "titles": t}) for one, t in zip((first, second), told, strict=True))
    )
    assert both[0].titles.tolist() == ["Zero", "One", "Two"]


def test_yesterdays_known_pairs_are_masked_when_training_goes_on(here):
    frame = log()
    known = Interactions.from_frame(frame[:150])
    model = Recommender("MF", "Normal", epochs=1, seed=0).fit(Interactions.from_frame(frame[150:250]))
    model.owned = align(model.known, known)[1]
    owned = {tuple(pair) for pair in known.to_frame()[["user", "item"]].to_numpy()}
    later = frame[250:].to_csv("later.csv", index=False) or read_split("later.csv")
    after = model.go_on(later.train, later.valid, 1, later.owned())
    split = after.own_split(later)
    tested = {tuple(pair) for pair in split.truth.to_frame()[["user", "item"]].to_numpy()}
    masked = {tuple(pair) for pair in split.known.to_frame()[["user", "item"]].to_numpy()}
    assert owned - tested <= masked


def test_compare_scores_what_cold_users_are_served(here):
    frame = log().sort_values("user")
    frame.assign(timestamp=np.arange(len(frame))).to_csv("late.csv", index=False)
    said, _ = deca(
        "compare", "--data", "late.csv", "--split", "global", "--methods", "EASE,MostPopular", "--k", 5
    )
    lines = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line[:4] in ("EASE", "Most")}
    assert lines["EASE"] == lines["MostPopular"]


def test_lists_are_not_written_where_they_would_be_read_as_clicks(here):
    (here / "parts").mkdir()
    log().to_parquet("parts/a.parquet")
    deca("train", "--data", "parts", *QUICK, "--out", "m")
    _, said = deca("recommend", "m", "--all", "--out", "parts/lists.parquet", code=2)
    assert "would read it as a part of" in said


def test_text_of_a_file_with_types_stays_text(here):
    frame = log().assign(version=lambda frame: np.where(frame["item"] % 2, "1.10", "1.1"))
    frame.to_parquet("log.parquet")
    frame.to_csv("log.csv", index=False)
    for data, kind in (("log.parquet", "str"), ("log.csv", "float64")):
        deca("denoise", data, *QUICK, "--folds", 0, "--out", "out.parquet")
        assert str(pd.read_parquet("out.parquet")["version"].dtype) == kind


def test_a_second_header_is_found_behind_its_mark(here):
    (here / "joined.csv").write_text("user,item\n1,2\n\ufeffuser,item\n3,4\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"row 2, which is line 3 .* is the header once more"):
        read_frame("joined.csv")


def test_ids_that_a_table_cannot_hold_are_told_before_lists_are_made(here):
    frame = log()
    frame.assign(item=frame["item"].map(lambda n: f"item\t{n}")).to_csv("log.csv", index=False)
    deca("train", "--data", "log.csv", *QUICK, "--out", "m")
    _, said = deca("recommend", "m", "--all", "--out", "lists.tsv", code=2)
    assert "column 'item' holds a tab" in said


def test_long_numbers_within_a_text_are_read(here):
    (here / "a.jsonl").write_text('{"user": 1, "item": 2, "note": "tel: 12345678901234567890123"}\n' * 2)
    assert read_frame("a.jsonl")[0]["note"][0] == "tel: 12345678901234567890123"
