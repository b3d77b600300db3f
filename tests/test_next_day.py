"""Tomorrow's clicks: weights, protocols and what is left to judge, as a shop meets them day after day."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_denoise import deca

from deca_nb.interactions import InputError, Interactions, read_interactions, read_split
from deca_nb.recommender import Recommender
from deca_nb.serving import read_id_file

QUICK = "--method Normal --model MF --epochs 2 --learning-rate 0.02".split()


@pytest.fixture
def log(tmp_path, monkeypatch) -> pd.DataFrame:
    """Twenty users with ten clicks each, in order of time; no pair twice."""
    monkeypatch.chdir(tmp_path)
    rows = [(f"u{user:02d}", f"i{(3 * user + n) % 12:02d}", n) for user in range(20) for n in range(10)]
    frame = pd.DataFrame(rows, columns=["user", "item", "timestamp"])
    frame.to_csv("log.csv", index=False)
    pd.concat([frame, frame[:5]]).to_csv("repeats.csv", index=False)
    later = pd.DataFrame([(f"u{u:02d}", f"n{n}", 100 + n) for u in range(20) for n in range(10)])
    later.set_axis(frame.columns, axis=1).to_csv("later.csv", index=False)
    pd.concat([later, later[:5]]).set_axis(frame.columns, axis=1).to_csv("more.csv", index=False)
    return frame


def named_pairs(pairs: Interactions):
    """Its pairs, by the outer ids."""
    return zip(pairs.user_ids[pairs.users], pairs.item_ids[pairs.items], strict=True)


@pytest.mark.parametrize(("first", "second"), [("repeats", "later"), ("log", "more"), ("log", "later")])
def test_counting_goes_on_with_a_log_without_repeats(log, first, second):
    """A file in which no pair stood twice had no weights, and could not go on with one that had some."""
    deca("train", "--data", f"{first}.csv", "--repeats", "count", *QUICK, "--out", "m")
    deca("train", "--from", "m", "--data", f"{second}.csv", "--epochs", 1, "--out", "next")
    assert Recommender.load("next").serving.train.weights is not None
    once = read_interactions("log.csv", repeats="count")
    assert once.weights.tolist() == [1] * len(log)


def test_a_reweighed_model_goes_on_with_plain_clicks(log):
    line = "--folds 0 --reweight --out scored.csv --save m".split()
    deca("denoise", "log.csv", *QUICK, *line)
    _, said = deca("train", "--from", "m", "--data", "later.csv", "--epochs", 1, "--out", "next")
    assert "each new one weighs 1" in said
    new = Recommender.load("next").serving.train
    is_new = new.item_ids[new.items].str.startswith("n")
    assert is_new.any() and (new.weights[is_new] == new.weights[is_new][0]).all()


def test_what_was_known_before_is_no_verdict(log):
    """A log that holds one click more gave "ndcg@20 nan, not nan"."""
    deca("train", "--data", "log.csv", *QUICK, "--out", "m")
    one = pd.DataFrame({"user": ["u00"], "item": ["i11"], "timestamp": [-1]})
    pd.concat([log, one]).to_csv("whole.csv", index=False)
    out, said = deca("train", "--from", "m", "--data", "whole.csv", "--out", "next")
    assert "nan" not in out and "Empty" not in out and "Nothing is left to be judged by" in said
    _, said = deca("evaluate", "next", code=2)
    assert "nothing is left to judge it by" in said


def test_disliked_test_clicks_are_no_hint(log):
    """They were masked when a training went on, and only then."""
    rng = np.random.default_rng(0)
    frame = log.assign(rating=rng.integers(1, 6, len(log)))
    frame[frame["timestamp"] < 5].to_csv("old.csv", index=False)
    frame[frame["timestamp"] >= 5].to_csv("new.csv", index=False)
    deca("train", "--data", "old.csv", *QUICK, "--out", "m")
    deca("train", "--from", "m", "--data", "new.csv", "--epochs", 1, "--out", "next")
    split = read_split("new.csv")
    later = Recommender.load("next").own_split(split)
    disliked = split.test.select(~np.isin(split.test.keys(), split.truth.keys()))
    assert len(disliked)
    masked = set(named_pairs(later.known))
    assert not masked & set(named_pairs(disliked))


def test_the_protocol_and_the_liking_of_the_saved_model_go_on(log):
    frame = log.assign(rating=1 + log["timestamp"] % 5)
    frame.to_csv("rated.csv", index=False)
    frame.assign(item="n" + frame["item"]).to_csv("tomorrow.csv", index=False)
    deca("train", "--data", "rated.csv", "--protocol", "paper", *QUICK, "--out", "p")
    _, said = deca("train", "--from", "p", "--data", "tomorrow.csv", "--epochs", 1, "--out", "next")
    assert "protocol paper" in said and "protocol clean" not in said
    assert Recommender.load("next").serving is None
    deca("train", "--data", "rated.csv", "--liked", 2, *QUICK, "--out", "l")
    _, said = deca("train", "--from", "l", "--data", "tomorrow.csv", "--epochs", 1, "--out", "liked")
    assert "--liked 2" in said and "rating of 2 or more" in said
    about = json.loads(Path("liked/recommender.json").read_text())
    assert about["data"]["options"]["liked"] == 2


def test_weights_of_zero_teach_nothing(log):
    frame = log.assign(weight=np.where(log["user"] == "u03", 0, 1))
    frame.to_csv("weighed.csv", index=False)
    deca("train", "--data", "weighed.csv", "--weight", "weight", "--method", "EASE", "--out", "m")
    out, _ = deca("recommend", "m", "--users", "u03", "--k", 2)
    assert out.count("nothing was learned of this user") == 2


def test_all_lists_everybody_with_a_click(log):
    """Users whose clicks are all tested had none."""
    late = pd.DataFrame({"user": ["late"] * 3, "item": ["i00", "i01", "i02"], "timestamp": [50, 51, 52]})
    pd.concat([log, late]).to_csv("log.csv", index=False)
    deca("train", "--data", "log.csv", "--split", "global", "--method", "EASE", "--no-refit", "--out", "m")
    deca("recommend", "m", "--all", "--out", "lists.csv")
    assert set(pd.read_csv("lists.csv")["user"]) == {*log["user"], "late"}


def test_who_was_left_out_is_said_beside_lists(log):
    few = pd.DataFrame({"user": ["few"], "item": ["i00"], "timestamp": [50]})
    pd.concat([log, few]).to_csv("log.csv", index=False)
    deca("train", "--data", "log.csv", "--min-user", 2, "--method", "EASE", "--out", "m")
    _, said = deca("recommend", "m", "--users", "few", "--k", 2)
    assert "does not know what they have" in said and "--history FILE" in said
    out, said = deca("recommend", "m", "--users", "few", "--history", "log.csv", "--k", 12)
    assert "does not know" not in said and "i00" not in out


def test_a_model_without_refit_says_what_it_does_not_learn(log):
    deca("train", "--data", "log.csv", *QUICK, "--no-refit", "--out", "m")
    _, said = deca("train", "--from", "m", "--data", "later.csv", "--epochs", 1, "--out", "next")
    assert "did not learn what judged it: that is masked, and not learned now" in said


def test_titles_are_read_for_a_log_that_is_too_small_to_judge(log):
    titles = pd.DataFrame({"item": [*log["item"].unique(), "n1"]})
    titles.assign(title="T " + titles["item"]).to_csv("titles.csv", index=False)
    deca("train", "--data", "log.csv", "--items", "titles.csv", *QUICK, "--out", "m")
    pd.DataFrame({"user": ["u01"], "item": ["n1"], "timestamp": [99]}).to_csv("one.csv", index=False)
    deca("train", "--from", "m", "--data", "one.csv", "--items", "titles.csv", "--epochs", 1, "--out", "next")
    found = Recommender.load("next").train
    assert dict(zip(found.item_ids, found.titles, strict=True))["n1"] == "T n1"


def test_unknown_ids_are_numbers_where_the_data_have_numbers(log):
    frame = log.assign(user=log["user"].str[1:].astype(int) + 1000)
    frame.to_csv("log.csv", index=False)
    deca("train", "--data", "log.csv", "--method", "EASE", "--out", "m")
    pd.DataFrame({"user_id": [1003.0, 99999.0]}).to_csv("who.csv", index=False)
    deca("recommend", "m", "--users-file", "who.csv", "--k", 1, "--out", "lists.parquet")
    assert pd.read_parquet("lists.parquet")["user"].tolist() == [1003, 99999]
    with pytest.warns(UserWarning, match="2 of 3 users"):
        found = Recommender.load("m").recommend(["01003", "1003.00", "1003"], k=1)
    assert found["user"].tolist() == ["01003", "1003.00", 1003], "a stranger does not bear a known user's id"


def test_tune_chooses_by_users_of_whom_something_was_learned(tmp_path, monkeypatch):
    """Under a global cut, untrained rows stood for a method that serves cold users what is popular."""
    monkeypatch.chdir(tmp_path)
    rng, rows = np.random.default_rng(3), []

    def user(name, low, high, n):
        chance = 0.3 / np.arange(1, 41) ** 0.8
        chance[rng.integers(2) :: 2] *= 5
        for item in rng.choice(40, n, replace=False, p=chance / chance.sum()):
            rows.append((name, f"i{item:02d}", int(rng.uniform(low, high) * 1000)))

    for n in range(200):
        user(f"o{n}", 0, 101, 11)
    for n in range(90):
        user(f"n{n}", 100, 104, 7)
    pd.DataFrame(rows, columns=["user", "item", "timestamp"]).to_csv("cold.csv", index=False)
    out, _ = deca(
        *"tune --data cold.csv --split global --methods MostPopular,EASE,ItemKNN --trials 2 --out t".split()
    )
    assert re.search(r"Best by validation: (\S+);", out)[1] == "ItemKNN"


def test_weights_that_do_not_fit_are_told_as_such():
    pairs = Interactions.from_frame(pd.DataFrame({"user": [0, 1], "item": [0, 1]}))
    with pytest.raises(InputError, match="more than fits"):
        replace(pairs, weights=np.array([np.inf, 1], np.float32)).scaled()


def test_an_empty_folder_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts").mkdir()
    _, said = deca("audit", "--data", "parts", code=2)
    assert "parts: this folder holds no file" in said


def test_one_popularity_is_served_and_evaluated(log):
    """Clicks of weight 0 counted in lists, and not where lists for others were judged."""
    some = [(f"s{u}", item) for u in range(10) for item in ("z0", "i03")]
    none = pd.DataFrame({"user": log["user"].unique(), "item": "z0", "timestamp": 99, "weight": 0})
    pd.concat([log[log["timestamp"] > 2].assign(weight=1), none]).to_csv("weighed.csv", index=False)
    pd.DataFrame(some, columns=["user", "item"]).to_csv("others.csv", index=False)
    deca("train", "--data", "weighed.csv", "--weight", "weight", "--method", "EASE", "--out", "m")
    out, _ = deca("recommend", "m", "--users", "s0", "--k", 1)
    assert " z0 " in out
    out, said = deca("evaluate", "m", "--data", "others.csv", "--k", 1, "--ties", "lowest-id")
    assert re.search(r"^all +10 +0\.5 ", out, re.MULTILINE) and "--weight" not in said


def test_who_learned_from_weight_0_alone_is_cold(log):
    frame = log.assign(weight=np.where(log["user"] < "u10", 0, 1))
    frame.to_csv("weighed.csv", index=False)
    out, _ = deca("train", "--data", "weighed.csv", "--weight", "weight", "--method", "EASE", "--out", "m")
    assert re.search(r"^cold +10 ", out, re.MULTILINE) and "cold users are served the most popular" in out
    out, _ = deca(
        "compare", "--data", "weighed.csv", "--weight", "weight", "--methods", "EASE", "--json", "c.json"
    )
    rows = json.loads(Path("c.json").read_text())
    assert {row["n"] for row in rows if row["users"] == "cold"} == {10}


def test_what_denoise_drops_of_known_data_is_not_listed(log):
    line = "--folds 0 --drop .2 --out scored.csv --save m".split()
    deca("denoise", "world", *QUICK, *line)
    model = Recommender.load("m")
    assert len(model.owned) > len(model.known)
    lists = model.recommend(k=10)
    assert not set(zip(lists["user"], lists["item"], strict=True)) & set(named_pairs(model.owned))


def test_what_a_log_brought_holds_on_later_days(log):
    """Weights by scores, --min-user, --liked and --split were forgotten after a day."""
    frame = log.assign(rating=1 + log["timestamp"] % 5)
    for day in range(3):
        extra = pd.DataFrame({"user": ["few"], "item": ["i00"], "timestamp": [0], "rating": [5]})
        again = frame.assign(item=[f"{day}{item}" if day else item for item in frame["item"]])
        (pd.concat([again, extra]) if day == 0 else again).to_csv(f"day{day}.csv", index=False)
    deca("denoise", "day0.csv", *QUICK, *"--folds 0 --reweight --out scored.csv --save r0".split())
    deca(
        "train",
        "--data",
        "day0.csv",
        *QUICK,
        *"--min-user 2 --liked 2 --split leave-one-out --out m0".split(),
    )
    for day in (1, 2):
        to = ["--data", f"day{day}.csv", "--epochs", 1, "--out"]
        _, said = deca("train", "--from", f"r{day - 1}", *to, f"r{day}")
        assert "each new one weighs 1" in said
        _, said = deca("train", "--from", f"m{day - 1}", *to, f"m{day}")
        assert "left out users or items with few clicks" in said and "split leave-one-out" in said
        assert "rating of 2 or more" in said
    _, said = deca("recommend", "m2", "--users", "few", "--k", 2)
    assert "does not know what they have" in said
    _, said = deca("train", "--from", "m2", "--data", "day1.csv", "--liked", 3, "--out", "n", code=2)
    frame.assign(item="new" + frame["item"]).to_csv("day3.csv", index=False)
    deca("train", "--from", "m2", "--data", "day3.csv", "--liked", 3, "--epochs", 1, "--out", "m3")
    log.assign(rating=2, item="new" + log["item"]).assign(user="stranger").to_csv("low.csv", index=False)
    _, said = deca("evaluate", "m3", "--data", "low.csv", code=2)
    assert "none is liked" in said


def test_only_what_was_not_learned_is_said_not_to_be(log):
    deca("train", "--data", "log.csv", *QUICK, "--out", "m")
    pd.DataFrame({"user": ["u01"], "item": ["n1"], "timestamp": [99]}).to_csv("one.csv", index=False)
    deca("train", "--from", "m", "--data", "one.csv", "--epochs", 1, "--out", "whole")
    _, said = deca("train", "--from", "whole", "--data", "later.csv", "--epochs", 1, "--out", "next")
    assert "did not learn" not in said


def test_a_later_file_names_users_in_either_spelling(log):
    """A single long id, or one of 7.5, made 5.0 of 5: everybody was new, and lists held what they had."""
    ours = log.assign(user=log["user"].str[1:].astype(int), item=log["item"].str[1:].astype(int))
    ours.to_csv("ours.csv", index=False)
    deca("train", "--data", "ours.csv", *QUICK, "--out", "m")
    floats = ours.assign(user=ours["user"].astype(float), item=ours["item"] + 100, timestamp=99)
    floats.loc[0, "user"] = 2.0**60
    floats.to_parquet("long.parquet")
    texts = floats.assign(user=[f"{user}.0" if n % 3 else str(user) for n, user in enumerate(ours["user"])])
    texts.loc[0, "user"] = "7.5"
    texts.to_csv("odd.csv", index=False)
    for number, later in enumerate(("long.parquet", "odd.csv")):
        out, _ = deca("train", "--from", "m", "--data", later, "--epochs", 1, "--out", f"n{number}")
        assert ": 1 user and 12 items are new" in out
        have = set(zip(ours["user"].map(str), ours["item"].map(str), strict=True))
        lists = Recommender.load(f"n{number}").recommend(k=24).astype(str)
        assert not have & set(zip(lists["user"], lists["item"], strict=True))
    owned = ours.assign(user=texts["user"], item=11 - ours["item"])
    owned.to_csv("known.csv", index=False)
    _, said = deca("train", "--data", "ours.csv", "--known", "known.csv", *QUICK, "--out", "k")
    assert "199 of 200 rows of known.csv have a user and an item of the data" in said
    owned[["user", "item"]].to_csv("history.csv", index=False)
    _, said = deca("recommend", "m", "--history", "history.csv", "--k", 12, "--out", "lists.csv")
    lists = pd.read_csv("lists.csv", dtype=str)
    whole = owned.assign(user=owned["user"].str.removesuffix(".0"), item=owned["item"].map(str))
    assert not set(zip(whole["user"], whole["item"], strict=True)) & set(
        zip(lists["user"], lists["item"], strict=True)
    )


def test_texts_that_end_in_a_dot_and_zero_are_found_among_texts(log):
    """Two columns of text were compared letter by letter, numbers and text were not."""
    ours = log.assign(user=log["user"].str[1:].replace("00", "guest").str.lstrip("0"))
    ours.to_csv("ours.csv", index=False)
    deca("train", "--data", "ours.csv", *QUICK, "--out", "m")
    later = ours.assign(item="n" + ours["item"], user=[u + ".0" * u.isdigit() for u in ours["user"]])
    later.loc[20, "user"] = "x.y"
    later.to_csv("next.csv", index=False)
    text = later["user"].mask(later["user"] == "guest", "7.5")
    later.assign(user=text).to_csv("decimal.csv", index=False)
    for name in ("next", "decimal"):
        out, _ = deca("train", "--from", "m", "--data", f"{name}.csv", "--epochs", 1, "--out", name)
        assert f": {'1 user' if name == 'next' else '2 users'} and 12 items are new" in out


def test_titles_and_files_of_a_split_meet_in_either_spelling(log):
    ours = log.assign(user=log["user"].str[1:].astype(int), item=log["item"].str[1:].astype(int))
    ours.to_csv("ours.csv", index=False)
    names = [f"{item}.0" for item in range(12)]
    pd.DataFrame({"item": [*names, "7.5"], "title": [*"abcdefghijkl", "none"]}).to_csv("t.csv", index=False)
    for part in ("valid", "test"):
        again = pd.concat([ours[:40]] * 2).assign(user=[str(u) for u in ours["user"][:40]] * 2, item=0)
        again["item"] = [*range(40), *range(40)] if part == "valid" else [*range(40, 80), *range(40, 80)]
        again["user"] = [f"{u}.0" if n >= 40 else u for n, u in enumerate(again["user"])]
        odd = pd.DataFrame({"user": ["7.5"], "item": [1], "timestamp": [1]})
        pd.concat([again, odd]).to_csv(f"{part}.csv", index=False)
    split = read_split("ours.csv", valid="valid.csv", test="test.csv", items="t.csv")
    assert split.n_users == 21 and split.train.titles.tolist()[:12] != list(map(str, range(12)))
    assert "b" in split.train.titles and all(part.are_distinct() for part in (split.valid, split.test))


@pytest.mark.parametrize(("repeats", "weight"), [("count", None), ("sum", "plays")])
def test_weights_for_lists_are_those_of_all_three_files(log, repeats, weight):
    """What a pair weighs in the second and third file was lost where the first has it."""
    rng = np.random.default_rng(0)
    frame = log.assign(plays=rng.integers(1, 9, len(log)))
    files = {"a": frame, "b": frame[5::7], "c": frame[::3].assign(item=frame["item"].str[::-1])}
    files["c"] = pd.concat([files["c"], frame[::11], frame[::11], frame[5::14]])
    for name, rows in files.items():
        rows.to_csv(f"{name}.csv", index=False)
    split = read_split("a.csv", valid="b.csv", test="c.csv", repeats=repeats, weight=weight)
    whole = read_split_of(pd.concat(files.values()), repeats, weight)
    weighed = split.everything().to_frame().set_index(["user", "item"])["weight"].sort_index()
    assert weighed.equals(whole) and len(split.train) == len(log)
    assert split.train.weights.sum() == (len(frame) if weight is None else frame["plays"].sum())
    assert any("weigh in lists" in note for note in split.notes)
    once = read_split("a.csv", valid="b.csv", test="c.csv")
    assert once.everything().weights is None and not any("weigh" in note for note in once.notes)


def read_split_of(frame: pd.DataFrame, repeats: str, weight: str | None) -> pd.Series:
    """The weight of each pair where all rows stand in one file."""
    frame.to_csv("whole.csv", index=False)
    found = read_interactions("whole.csv", repeats=repeats, weight=weight).to_frame()
    return found.set_index(["user", "item"])["weight"].sort_index()


def test_the_order_of_rows_does_not_choose_a_weight(log):
    """Rows of a pair that have one time and one rating were kept as they stood."""
    frame = pd.concat([log.assign(plays=1), log.assign(plays=5)])
    for name, rows in (("up", frame), ("down", frame[::-1])):
        rows.to_csv(f"{name}.csv", index=False)
    for repeats in ("last", "first"):
        read = [read_interactions(f"{name}.csv", weight="plays", repeats=repeats) for name in ("up", "down")]
        up, down = (one.to_frame().set_index(["user", "item"])["weight"].sort_index() for one in read)
        assert up.equals(down) and set(up) == {1, 5}


@pytest.mark.parametrize(
    ("today", "tomorrow"),
    [
        ("log.2024-03-01.csv", "log.2024-03-02.csv"),
        ("day.csv", "day.v2.csv.gz"),
        ("parts/a.csv", "parts-2.csv"),
        ("gone/log.csv.gz", "log.new.csv"),
    ],
)
def test_a_later_file_of_one_kind_is_read_as_the_first(log, today, tomorrow):
    """A dot in a name, a packed file or a folder of parts was another kind: č01 was read as è01."""
    ours = log.assign(user="č" + log["user"])
    how = {"index": False, "sep": "|", "encoding": "cp1250"}
    Path(today).parent.mkdir(exist_ok=True)
    ours.to_csv(today, **how)
    ours.assign(item="n" + ours["item"]).to_csv(tomorrow, **how)
    data = "parts" if today.startswith("parts") else today
    deca("train", "--data", data, "--encoding", "cp1250", "--separator", "|", *QUICK, "--out", "m")
    if today.startswith("gone"):
        Path(today).unlink()
    out, said = deca("train", "--from", "m", "--data", tomorrow, "--epochs", 1, "--out", "next")
    assert "--separator |, --encoding cp1250" in said and ": 0 users and 12 items are new" in out
    ours.assign(item="p" + ours["item"]).to_parquet("later.parquet")
    out, said = deca("train", "--from", "m", "--data", "later.parquet", "--epochs", 1, "--out", "p")
    assert "--encoding" not in said and ": 0 users and 12 items are new" in out


def test_the_last_ending_says_what_a_file_is(log):
    """A list of ids called who.csv.txt was no format, and log.item.csv lost what stands behind a colon."""
    Path("who.csv.txt").write_text("u01\nu02\n")
    assert read_id_file("who.csv.txt", "user") == ["u01", "u02"]
    log.rename(columns={"user": "a:user"}).to_csv("log.item.csv", index=False)
    assert read_interactions("log.item.csv", user="a:user").n_users == 20


def moments(n: int = 400) -> pd.DatetimeIndex:
    """Moments of two years, of which none is at midnight."""
    rng = np.random.default_rng(0)
    return pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(1, 2 * 365 * 1440, n), unit="min")


@pytest.mark.parametrize("clock", ["", "%H%M", "%H%M%S"])
@pytest.mark.parametrize("day", ["%d%m%Y", "%m%d%Y", "%d%m%y", "%m%d%y"])
def test_numbers_that_are_dates_with_the_year_last_are_refused(tmp_path, day, clock):
    """Without its leading zero such a date is a number, and sorts by the day of its month."""
    numbers = moments().strftime(day + clock).astype("int64")
    frame = pd.DataFrame({"user": range(400), "item": 1, "timestamp": numbers})
    frame.loc[0, "item"] = 2
    frame.to_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match=f"year stands last; say how .* such as %d%m%[yY]{clock}"):
        read_interactions(tmp_path / "log.parquet")
    read = read_interactions(tmp_path / "log.parquet", date_format=day + clock)
    unit = {"": "D", "%H%M": "min", "%H%M%S": "min"}[clock]
    assert (read.timestamps == moments().floor(unit).to_numpy()).all()


def plain_numbers() -> dict[str, np.ndarray]:
    """Columns of times that are numbers, in the order of time."""
    rng = np.random.default_rng(0)
    days, seconds = np.arange(0, 20_000), rng.integers(0, 2_000_000_000, 5000)
    kept = {"midnights": days * 86400, "days": days, "hours": days * 24, "seconds": seconds}
    kept |= {"milliseconds": seconds * 1000, "early milliseconds": rng.integers(10**11, 10**12, 5000)}
    kept |= {f"milliseconds of {n} days": 10**11 * n + rng.integers(0, 86_400_000, 99) for n in range(1, 9)}
    kept |= {f"seconds of days from {n}": 10**8 * n + rng.integers(0, 864_000, 30) for n in range(1, 19)}
    kept |= {f"counter from {n}": np.arange(n, n + 1000) for n in (1, 10_100, 10_101, 101_010, 241_200)}
    kept |= {f"counter in steps of {n}": n * np.arange(1, 3000) for n in (10, 100, 600, 3600, 10_000)}
    written = ["%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%y%m%d", "%y%m%d%H%M", "%Y%j", "%Y%m"]
    return kept | {one: moments().strftime(one).astype("int64").to_numpy() for one in written}


@pytest.mark.parametrize("name", plain_numbers())
def test_numbers_that_stand_in_the_order_of_time_are_read(name):
    times = plain_numbers()[name]
    for some in (times, times[:3], times[:12], times[:60]):
        frame = pd.DataFrame({"user": range(len(some)), "item": 1, "timestamp": some})
        frame.loc[0, "item"] = 2
        read = Interactions.from_frame(frame, timestamp="timestamp")
        assert (read.timestamps == some).all()


def test_only_plain_digits_are_numbers(tmp_path):
    """A full-width or an Arabic 3 was read as 3, and three users became one."""
    frame = pd.DataFrame({"user": ["13", "1\uff13", "1\u0663"], "item": ["1", "2", "1\uff10"]})
    frame.to_csv(tmp_path / "log.csv", index=False)
    for read in (read_interactions(tmp_path / "log.csv"), Interactions.from_frame(frame.astype(object))):
        assert set(read.user_ids) == set(frame["user"]) and set(read.item_ids) == set(frame["item"])


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_two_spellings_of_one_id_are_told(tmp_path, kind):
    """1 and 1.0 in a column of text are one user; nobody said so."""
    users = ["1", "1.0", "2.0", "x", "3", "3.0"]
    frame = pd.DataFrame({"user": users, "item": list("abcdef")})
    file = tmp_path / f"log.{kind}"
    write = {"csv": frame.to_csv, "parquet": frame.to_parquet}.get(kind)
    if write:
        write(file, index=False)
    else:
        frame.to_json(file, orient="records", lines=True)
    said = r"column 'user' writes 1 as 1\.0 too, which is one id \(2 such ids\)"
    with pytest.warns(UserWarning, match=said):
        assert read_interactions(file).user_ids.tolist() == ["1", "2", "3", "x"]
    with pytest.warns(UserWarning, match=f"the frame: {said}"):
        Interactions.from_frame(frame)


def test_versions_stay_apart_and_nothing_is_told(tmp_path, recwarn):
    frame = pd.DataFrame({"user": ["1", "1.0", "2.1"], "item": ["a", "b", "c"]})
    assert Interactions.from_frame(frame).n_users == 3
    assert Interactions.from_frame(frame.assign(user=["1.0", "2.0", "x"])).user_ids.tolist() == [
        "1",
        "2",
        "x",
    ]
    assert not recwarn.list


def test_blanks_around_an_id_in_a_list_of_lines_are_none_of_it(log):
    """They made a stranger of a user, and an item that may not be listed was."""
    deca("train", "--data", "log.csv", *QUICK, "--out", "m")
    Path("who.txt").write_text("u01 \n\tu02\n \n")
    Path("not.txt").write_text("".join(f"i{n:02d}  \r\n" for n in range(11)))
    out, said = deca("recommend", "m", "--users-file", "who.txt", "--without", "not.txt", "--k", 12)
    assert "unknown" not in said and "popular" not in out
    assert not re.search("i0[0-9]|i10", out)


def test_a_history_is_said_to_be_read_as_it_is_read(log):
    """The note named --user for a file that has no such column, and the error no saved separator."""
    ours = log.rename(columns={"user": "who", "item": "what"})
    ours.to_csv("ours.csv", index=False, sep="|")
    roles = "--user", "who", "--item", "what", "--separator", "|"
    deca("train", "--data", "ours.csv", *roles, *QUICK, "--out", "m")
    ours[:5].to_csv("comma.csv", index=False)
    _, said = deca("recommend", "m", "--history", "comma.csv", "--k", 1, code=2)
    assert "comma.csv: with the saved --separator | there is one column alone, 'who,what,timestamp'" in said
    assert "say its own with --separator" in said
    out, _ = deca("recommend", "m", "--history", "comma.csv", "--separator", ",", "--k", 1)
    assert "u00" in out
    log[:5].to_json("h.jsonl", orient="records", lines=True)
    out, said = deca("recommend", "m", "--history", "h.jsonl", "--k", 1)
    assert "u00" in out and "--user" not in said and "--separator" not in said
    log[:5].to_csv("usual.csv", index=False, sep="|")
    out, said = deca("recommend", "m", "--history", "usual.csv", "--k", 1)
    assert "u00" in out and "read as the saved clicks were (--separator |)" in said
    ours[:5].to_csv("alike.csv", index=False, sep="|")
    out, said = deca("recommend", "m", "--history", "alike.csv", "--k", 1)
    assert "u00" in out and "(--user who, --item what, --separator |)" in said
    for line in (["train", "--from", "m", "--out", "next"], ["evaluate", "m"]):
        _, said = deca(*line, "--data", "comma.csv", code=2)
        assert "with the saved --separator | there is one column alone" in said


def test_users_who_were_there_before_came_not_after_the_cut(log):
    """A log cut in time called them cold, though the saved model has learned of them."""
    deca("train", "--data", "log.csv", "--split", "global", *QUICK, "--out", "m")
    later = log.assign(item="n" + log["item"], timestamp=100 + log["timestamp"])
    late = later[later["user"].isin(["u00", "u01"])].assign(timestamp=999)
    later = pd.concat([later[~later["user"].isin(["u00", "u01"])], late])
    later.to_csv("next.csv", index=False)
    new = pd.DataFrame({"user": ["new"], "item": ["i01"], "timestamp": [1000]})
    pd.concat([later, new]).to_csv("new.csv", index=False)
    _, said = deca("train", "--from", "m", "--data", "next.csv", "--epochs", 1, "--out", "a")
    assert "came after the cut" not in said and "--split global" in said
    _, said = deca("train", "--from", "m", "--data", "new.csv", "--epochs", 1, "--out", "b")
    assert "1 of 21 users came after the cut in time" in said
    for folder, n in (("a", 0), ("b", 1)):
        _, said = deca("evaluate", folder)
        assert ("1 of 21 users came after the cut in time" in said) == n
        assert said.count("came after the cut") == n
    _, said = deca("train", "--data", "new.csv", "--split", "global", *QUICK, "--out", "c")
    assert "3 of 21 users came after the cut in time" in said


def test_what_strangers_have_is_told_to_be_forgotten(log):
    """A user who stood in --known alone was served what they own."""
    known = pd.DataFrame({"user": ["9999", "u01"], "item": ["i00", "i01"]})
    known.to_csv("known.csv", index=False)
    _, said = deca("train", "--data", "log.csv", "--known", "known.csv", *QUICK, "--out", "m")
    assert "1 of 2 rows of known.csv have a user and an item of the data" in said
    assert "of users and items that no click trains or tests nothing is kept" in said
    assert "recommend --history FILE serves such users" in said
    known[:1].to_csv("have.csv", index=False)
    out, _ = deca("recommend", "m", "--users", "9999", "--history", "have.csv", "--k", 12)
    assert "i01" in out and "i00" not in out
    known[1:].to_csv("known.csv", index=False)
    _, said = deca("train", "--data", "log.csv", "--known", "known.csv", *QUICK, "--out", "n")
    assert "nothing is kept" not in said


ODD = "user,item,rating,timestamp\n5,i,5,200\n5.0,i,1,100\n6,j,5,200\n6.0,j,1,100\n7.5,1,5,1\n7,k,5,5\n"


def test_the_last_of_two_spellings_is_the_last_in_time(log):
    """Times were dropped before 5 and 5.0 met, so the order of rows chose, and refuse refused nothing."""
    ours = log.assign(user=log["user"].str[1:].astype(int), item=log["item"])
    ours = pd.concat([ours, pd.DataFrame({"user": [90, 91, 92], "item": ["i", "j", "k"], "timestamp": 9})])
    ours.to_csv("ours.csv", index=False)
    deca("train", "--data", "ours.csv", "--method", "ItemKNN", "--out", "m")
    Path("odd.csv").write_text(ODD)
    Path("plain.csv").write_text(ODD.replace(".0,", ","))
    found = {}
    for name in ("odd.csv", "plain.csv"):
        for repeats in ("last", "first"):
            out, _ = deca("evaluate", "m", "--data", name, "--repeats", repeats, "--k", 20)
            found[name, repeats] = [
                line for line in out.splitlines() if line.startswith(("all", "warm", "cold"))
            ]
        _, said = deca("evaluate", "m", "--data", name, "--repeats", "refuse", code=2)
        assert "--repeats" in said
    for repeats in ("last", "first"):
        assert found["odd.csv", repeats] == found["plain.csv", repeats]
    assert found["odd.csv", "last"] != found["odd.csv", "first"]


def test_an_odd_id_in_one_file_splits_no_user_of_another(tmp_path, monkeypatch):
    """7.5 in the validation file made 98 and 98.0 of the test file two users."""
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("user,item\n" + "".join(f"{n % 9},{n % 7}\n" for n in range(63)))
    Path("te.csv").write_text("user,item,rating\n99,3,5\n99.0,3,5\n98,4,5\n98.0,5,5\n6.5,1,5\n")
    for odd in ("7.5", "7"):
        Path("va.csv").write_text(f"user,item\n{odd},1\n99,2\n")
        split = read_split("a.csv", valid="va.csv", test="te.csv")
        truth = {
            (str(split.truth.user_ids[user]), str(split.truth.item_ids[item]))
            for user, item in zip(split.truth.users, split.truth.items, strict=True)
        }
        assert {("99", "3"), ("98", "4"), ("98", "5")} <= truth, (odd, truth)
