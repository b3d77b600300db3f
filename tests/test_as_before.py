"""Later files are read as the saved clicks were, and what users have stays out of lists."""

import numpy as np
import pandas as pd
import pytest
from test_denoise import deca

from deca_nb.interactions import read_interactions
from deca_nb.tune import answer

QUICK = "--method Normal --model MF --epochs 3 --learning-rate 0.02".split()
ROLES = "--user Kunde --item Artikel".split()


@pytest.fixture
def shop(tmp_path, monkeypatch) -> pd.DataFrame:
    """A log in cp1252 with names that no other western encoding writes alike."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    names = [f"{name}-{n}" for n in range(10) for name in ("Šmíd", "Süß", "Böhm")]
    clicks = pd.DataFrame({"Kunde": rng.choice(names, 600), "Artikel": rng.integers(0, 40, 600)})
    clicks = clicks.drop_duplicates()
    clicks.to_csv("log.csv", index=False, encoding="cp1252")
    return clicks


def test_letters_of_windows_are_read(shop):
    with pytest.warns(UserWarning, match="read as cp1252"):
        read = read_interactions("log.csv", user="Kunde", item="Artikel")
    assert set(read.user_ids) == set(shop["Kunde"])


def test_a_history_is_read_as_the_saved_clicks_were(shop):
    """`recommend --history` guessed encoding and columns, and wrote users whom no log has."""
    deca("train", "--data", "log.csv", *ROLES, *QUICK, "--encoding", "cp1252", "--out", "m")
    later = pd.DataFrame({"Kunde": ["Šmíd-0", "Šmíd-99"], "Artikel": [1, 2]})
    later.to_csv("later.csv", index=False, encoding="cp1252")
    _, said = deca("recommend", "m", "--history", "later.csv", "--k", 3, "--out", "lists.csv")
    assert "read as the saved clicks were (--user Kunde, --item Artikel, --encoding cp1252)" in said
    assert set(pd.read_csv("lists.csv")["user"]) == {"Šmíd-0", "Šmíd-99"}
    (later.rename(columns={"Kunde": "user", "Artikel": "item"})).to_csv("usual.csv", index=False)
    deca("recommend", "m", "--history", "usual.csv", "--encoding", "utf-8", "--k", 3, "--out", "lists.csv")
    assert set(pd.read_csv("lists.csv")["user"]) == {"Šmíd-0", "Šmíd-99"}
    with open("who.txt", "w", encoding="cp1252") as file:
        file.write("Šmíd-0\n")
    _, said = deca("recommend", "m", "--users-file", "who.txt", "--k", 3, code=2)
    assert "this is no UTF-8" in said and "--encoding" in said
    deca("recommend", "m", "--users-file", "who.txt", "--encoding", "cp1252", "--k", 3, "--out", "lists.csv")
    assert set(pd.read_csv("lists.csv")["user"]) == {"Šmíd-0"}


def test_what_is_known_besides_stays_out_of_lists_when_training_goes_on(shop):
    """Of `--known` only rows of tomorrow's users and items counted."""
    deca("train", "--data", "log.csv", *ROLES, *QUICK, "--out", "m")
    users = shop["Kunde"].unique()
    tomorrow = pd.DataFrame({"Kunde": users[:12].repeat(3), "Artikel": np.tile([0, 1, 2, 3], 9)})
    tomorrow = tomorrow.drop_duplicates()
    tomorrow.to_csv("tomorrow.csv", index=False)
    offline = pd.DataFrame({"Kunde": users.repeat(20), "Artikel": np.tile(np.arange(20), len(users))})
    offline.to_csv("offline.csv", index=False)
    words = "--from", "m", "--data", "tomorrow.csv", "--known", "offline.csv", "--epochs", 1, "--out", "m2"
    deca("train", *words)
    deca("recommend", "m2", "--all", "--k", 20, "--out", "lists.csv")
    lists = pd.read_csv("lists.csv")
    assert len(lists) and (lists["item"] >= 20).all()


def test_users_who_were_left_out_are_spoken_of_when_training_goes_on(shop):
    deca("train", "--data", "log.csv", *ROLES, *QUICK, "--min-user", 5, "--out", "m")
    shop.assign(Artikel=shop["Artikel"] + 1).to_csv("tomorrow.csv", index=False)
    _, said = deca("train", "--from", "m", "--data", "tomorrow.csv", "--epochs", 1, "--out", "m2")
    assert "does not know what they have; --known FILE says it" in said


def test_evaluate_says_one_thing_of_repeats(shop):
    deca("train", "--data", "log.csv", *ROLES, *QUICK, "--repeats", "count", "--out", "m")
    again = pd.concat([shop.assign(Artikel=39 - shop["Artikel"])] * 2)
    again.to_csv("other.csv", index=False)
    _, said = deca("evaluate", "m", "--data", "other.csv")
    assert "of each pair the last is kept" in said and "--repeats count" not in said


def test_what_is_written_is_not_read_as_a_part_the_next_time(shop, tmp_path):
    (tmp_path / "parts").mkdir()
    shop.to_csv("parts/may.csv", index=False)
    for data in ("parts", "parts/*.csv"):
        _, said = deca("denoise", data, *ROLES, *QUICK, "--out", "parts/kept.csv", code=2)
        assert "would read it as a part of" in said
    deca("denoise", "parts", *ROLES, *QUICK, "--folds", 0, "--out", "kept.csv")


def test_a_row_of_a_part_is_named_with_its_part(shop, tmp_path):
    (tmp_path / "parts").mkdir()
    shop.assign(rating="5").to_csv("parts/may.csv", index=False)
    shop.assign(rating=["5", "", *["4"] * (len(shop) - 2)]).to_csv("parts/june.csv", index=False)
    _, said = deca("audit", "--data", "parts", *ROLES, code=2)
    assert "in row 2 of june.csv" in said


def rows(value: float) -> pd.DataFrame:
    """Two tested runs of 50 users."""
    rng = np.random.default_rng(int(1000 * value))
    return pd.DataFrame(
        {
            "validation": [value, value],
            "ndcg@20 expected": [value + rng.normal(0, 0.01, 50) for _ in range(2)],
        }
    )


def test_no_verdict_on_a_denoiser_below_popularity():
    tested = {"Normal": rows(0.2), "DeCA": rows(0.1), "MostPopular": rows(0.15)}
    assert "not told: DeCA finds less than the most popular items" in answer(tested, 20)[1]
    assert "finds less on these data" in answer(tested | {"DeCA": rows(0.17)}, 20)[1]


def test_a_training_that_validation_ended_at_once_says_so(shop):
    quick = "--method", "Normal", "--learning-rate", 1e-7, "--patience", 2
    said, _ = deca("train", "--data", "log.csv", *ROLES, *quick, "--out", "m")
    assert "and ended the training (--patience): raise --patience or --learning-rate" in said
