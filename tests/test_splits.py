"""A file's rows are cut as its owner would expect, and what was decided on the way is said."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pandas as pd
import pytest

from deca_nb import cli
from deca_nb.export import write_scored
from deca_nb.files import InputError, read_frame
from deca_nb.interactions import read_interactions, read_split


def written(folder, frame, name="own.csv", **how):
    """The path of a file with these rows."""
    path = folder / name
    frame.to_csv(path, index=False, **how)
    return path


def shop(n_users=60, n_once=40, seed=0):
    """Users with twelve clicks each on as many days, and others with one."""
    rng = np.random.default_rng(seed)
    of_many = pd.DataFrame({"user": np.repeat([f"u{user}" for user in range(n_users)], 12)})
    of_many["item"] = np.concatenate([rng.permutation(30)[:12] for _ in range(n_users)])
    of_many["timestamp"] = np.tile(pd.date_range("2024-01-01", periods=12), n_users)
    once = pd.DataFrame({"user": [f"once{user}" for user in range(n_once)], "item": np.arange(n_once) % 30})
    return pd.concat([of_many, once.assign(timestamp=pd.Timestamp("2024-06-01"))], ignore_index=True)


@pytest.mark.parametrize("split", ["chronological", "leave-one-out", "random"])
def test_every_user_has_a_click_in_train(split, tmp_path):
    cut = read_split(written(tmp_path, shop()), split=split)
    assert (cut.train.user_counts() > 0).all()
    assert len(cut.train) + len(cut.valid) + len(cut.truth) == 60 * 12 + 40


def test_an_only_click_is_not_recommended(tmp_path):
    cut = read_split(written(tmp_path, shop()))
    once = cut.known.user_ids.str.startswith("once")
    assert (cut.train.user_counts()[once] == 1).all() and not once[cut.truth.users].any()


DAY_FIRST = ["05.03.2024", "13.03.2024", "02.04.2024"]


def of_dates(*dates):
    """Rows of one user and another, one for each date."""
    n = len(dates)
    return pd.DataFrame({"user": ["a"] * (n - 1) + ["b"], "item": range(n), "timestamp": dates})


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (DAY_FIRST, ["2024-03-05", "2024-03-13", "2024-04-02"]),
        (["3/5/2024", "3/13/2024"], ["2024-03-05", "2024-03-13"]),
        (["05/03/2024 10:30", "25/03/2024 09:00"], ["2024-03-05", "2024-03-25"]),
        (
            ["2024-03-05", "2024-03-13 10:00", "2024-04-02T09:00:00"],
            ["2024-03-05", "2024-03-13", "2024-04-02"],
        ),
        (["2024/03/05", "2024/03/04"], ["2024-03-05", "2024-03-04"]),
        (["5 March 2024", "4 April 2024"], ["2024-03-05", "2024-04-04"]),
        (["5 May 2024", "6 Jun 2024"], ["2024-05-05", "2024-06-06"]),
        (["May 5, 2024", "June 6, 2024"], ["2024-05-05", "2024-06-06"]),
        (["3/5/2024 11:30 PM", "3/13/2024 01:00AM"], ["2024-03-05", "2024-03-13"]),
        (["2024-03-05 11:30:00 UTC", "2024-03-06 01:00:00+02:00"], ["2024-03-05", "2024-03-05"]),
        (["05.03.2024 10:00 GMT", "13.03.2024 10:00 GMT"], ["2024-03-05", "2024-03-13"]),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_of_dates_has_one_format(dates, expected, suffix, tmp_path):
    path = tmp_path / f"own.{suffix}"
    of_dates(*dates).to_csv(path, index=False) if suffix == "csv" else of_dates(*dates).to_parquet(path)
    times = read_interactions(path).timestamps
    assert [str(day) for day in times.astype("datetime64[D]")] == expected


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        (["05.03.2024", "02.04.2024"], "row 1, which may be 2024-03-05 or 2024-05-03; say how"),
        (["05.05.2024", "02.04.2024"], "row 2, which may be 2024-04-02 or 2024-02-04; say how"),
        (
            ["2024-03-05", "02.04.2024"],
            "'02.04.2024' in row 2, which is neither a number nor a date written",
        ),
        (
            ["13.03.2024", "3/14/2024"],
            "'3/14/2024' in row 2, which is neither a number nor a date written",
        ),
        (["05.03.24", "13.03.24"], "'05.03.24' in row 1, which is neither a number nor a date"),
        (["13.03.2024", None], "in row 2, which is neither a number nor a date"),
        (["13032024", "5032024"], "holds 13032024 in row 1, which is a date whose year stands last; say how"),
    ],
)
def test_a_date_that_may_be_two_days_is_refused(dates, said, tmp_path):
    with pytest.raises(InputError, match="--date-format, such as %d") as refused:
        read_interactions(written(tmp_path, of_dates(*dates)))
    assert said in str(refused.value)


def test_the_format_of_dates_can_be_said(tmp_path):
    for unread in ("mixed", "%Q", "ISO8601"):
        with pytest.raises(InputError, match=f"--date-format {unread} cannot be used"):
            read_interactions(written(tmp_path, of_dates("05.03.2024", "13.03.2024")), date_format=unread)
    with pytest.raises(InputError, match="'05032024' in row 1, which is neither a number nor a date"):
        read_interactions(written(tmp_path, of_dates("05032024", "13032024")))
    for dates, how in (
        (["05.03.2024", "02.04.2024"], "%d.%m.%Y"),
        (["05032024", "02042024"], "%d%m%Y"),
        (["5032024", "2042024"], "%d%m%Y"),
    ):
        times = read_interactions(written(tmp_path, of_dates(*dates)), date_format=how).timestamps
        assert [str(day) for day in times.astype("datetime64[D]")] == ["2024-03-05", "2024-04-02"]
    with pytest.raises(InputError, match="no column of times"):
        read_interactions(written(tmp_path, of_dates("1", "2").drop(columns="timestamp")), date_format="%d")
    with pytest.raises(InputError, match=r"not a date written as %Y .*; .*give another --date-format"):
        read_interactions(written(tmp_path, of_dates("05.03.2024", "02.04.2024")), date_format="%Y")
    with pytest.raises(InputError, match="'1/2/2024 1:02 PM' in row 1, which may be"):
        read_interactions(written(tmp_path, of_dates("1/2/2024 1:02 PM", "2/3/2024 2:03 PM")))


def test_the_order_of_the_rows_decides_nothing(tmp_path):
    days = shop().assign(timestamp="2024-01-01")
    first = read_split(written(tmp_path, days))
    mixed = read_split(written(tmp_path, days.sample(frac=1, random_state=0), "mixed.csv"))
    assert set(first.truth.keys()) == set(mixed.truth.keys())
    assert first.notes == mixed.notes and first.notes[0].startswith("for 60 of 100 users")
    names = "own.csv", "mixed.csv"
    without = [read_split(tmp_path / name, split="random", timestamp="none", seed=3) for name in names]
    for part in ("train", "valid", "truth"):
        one, other = (set(map(tuple, getattr(cut, part).to_frame().to_numpy())) for cut in without)
        assert one == other
    seeded = read_split(tmp_path / names[0], split="random", timestamp="none", seed=4)
    assert set(seeded.truth.keys()) != set(without[0].truth.keys())
    assert read_split(written(tmp_path, shop())).notes == ()


def deca(*words):
    """What the command prints, and what it says beside that. It runs in this process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        patched.setattr(sys, "argv", ["deca", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert not ended.value.code, err.getvalue()
    return out.getvalue(), err.getvalue()


def test_commands_say_how_the_rows_were_cut(tmp_path):
    without = written(tmp_path, shop().rename(columns={"timestamp": "when"}))
    _, said = deca("audit", "--data", without)
    assert "the split is random; --timestamp names one" in said and "own.csv, split random, protocol" in said
    _, said = deca("audit", "--data", without, "--timestamp", "when", "--date-format", "%Y-%m-%d")
    assert "split chronological" in said and "is random" not in said


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a model of the shop's clicks, and what was said while it was trained."""
    folder = tmp_path_factory.mktemp("trained")
    data = written(folder, shop())
    words = "--method Normal --model GMF --epochs 3 --learning-rate 0.01 --data".split()
    return folder, deca("train", *words, data, "--out", folder / "m")[0]


def test_lists_hold_nothing_that_the_user_has(trained):
    folder, said = trained
    assert "Scores are of weights that learned from" in said and "fitted again on all 760." in said
    users = sorted(shop()["user"].unique())
    found = folder / "lists.json"
    deca("recommend", folder / "m", "--users", ",".join(users), "--k", 30, "--json", found)
    lists, have = pd.read_json(found, dtype={"user": str}), shop()[["user", "item"]]
    assert set(lists["user"]) == set(users)
    assert len(lists.merge(have.astype({"item": lists["item"].dtype}), on=["user", "item"])) == 0
    assert (lists["source"] == "GMF + Normal").all()


def test_the_scores_are_of_weights_that_saw_no_test(trained):
    folder, said = trained
    judged, _ = deca("evaluate", folder / "m")
    table = [line for line in judged.splitlines() if line.startswith("all")]
    assert table and table[0] in said and "fitted again on all 760." in judged
    words = "--method Normal --model GMF --epochs 3 --learning-rate 0.01 --no-refit --data".split()
    alone, _ = deca("train", *words, folder / "own.csv", "--out", folder / "alone")
    assert table[0] in alone and "Scores and lists are of weights that learned from 580 clicks." in alone


def test_the_newest_click_is_learned_and_not_listed(tmp_path):
    clicks = [("c0", f"p{day}", f"2024-01-{day + 1:02}") for day in range(10)]
    clicks += [(f"c{user}", f"p{item}", "2024-02-01") for user in range(1, 9) for item in range(user % 3, 12)]
    data = written(tmp_path, pd.DataFrame(clicks, columns=["user", "item", "timestamp"]))
    deca("train", "--data", data, "--method", "Normal", "--epochs", 2, "--out", tmp_path / "m")
    lists, _ = deca("recommend", tmp_path / "m", "--users", "c0", "--k", 11)
    assert "p10" in lists and "p9" not in lists


def test_a_user_who_has_everything_is_named():
    from deca_nb.interactions import Interactions
    from deca_nb.recommender import Recommender

    all_but = [(0, item) for item in range(6)] + [(user, item) for user in (1, 2) for item in range(user, 5)]
    pairs = Interactions.from_frame(pd.DataFrame(all_but, columns=["user", "item"]))
    model = Recommender("MF", "Normal", epochs=1).fit(pairs)
    with pytest.warns(UserWarning, match="1 of 3 users have every item and get none: 0"):
        lists = model.recommend([2, 0, 1], k=2)
    assert lists["user"].tolist() == [2, 2, 1, 1]


def test_what_is_scored_is_what_is_served(tmp_path):
    rng = np.random.default_rng(0)
    clicks = pd.DataFrame({"user": np.repeat(np.arange(60), 10), "item": rng.zipf(1.3, 600) % 25})
    clicks = clicks.drop_duplicates()
    cold = pd.DataFrame({"user": np.arange(100, 140), "item": 1})
    parts = {"train": clicks[::2], "valid": clicks[1::4], "test": pd.concat([clicks[3::4], cold])}
    files = [written(tmp_path, part, f"{name}.csv") for name, part in parts.items()]
    given = f"--data {files[0]} --valid {files[1]} --test {files[2]} --method Normal --epochs 2".split()
    said, _ = deca("train", *given, "--out", tmp_path / "m", "--k", 20)
    rows = [line.split() for line in said.splitlines() if line.startswith("cold")]
    served, words, untrained, popular = rows[0], *rows[1:]
    assert words[:4] == ["cold", "users", "are", "served"]
    assert served == popular != untrained
    json = tmp_path / "scores.json"
    again, _ = deca("evaluate", tmp_path / "m", "--k", 20, "--json", json)
    assert said.splitlines()[1:5] == again.splitlines()[:4]
    written_rows = pd.read_json(json).set_index("users")
    assert round(written_rows.loc["cold", "recall"], 4) == float(served[2])


def test_repeats_are_merged_and_said(tmp_path):
    again = shop().iloc[:50].assign(timestamp=pd.Timestamp("2025-01-01"))
    data = written(tmp_path, pd.concat([shop(), again]))
    cut, alone = read_split(data), read_split(written(tmp_path, shop(), "alone.csv"))
    assert len(cut.everything()) == len(alone.everything()) == 760
    assert cut.notes[0] == "50 rows repeat a pair; of each pair the last is kept (--repeats)"
    newest = cut.everything().timestamps >= np.datetime64("2025-01-01")
    assert newest.sum() == 50
    assert read_split(data, repeats="first").fingerprint() == alone.fingerprint()
    with pytest.raises(InputError, match="choose --repeats last, or mend columns"):
        read_split(data, repeats="refuse")
    _, said = deca("audit", "--data", data, "--repeats", "first")
    assert "own.csv: 50 rows repeat a pair; of each pair the first is kept" in said


def test_a_log_with_repeats_is_denoised_row_by_row(tmp_path):
    data = written(tmp_path, pd.concat([shop(), shop().iloc[:50]]))
    deca("denoise", data, "--method", "Normal", "--epochs", 2, "--out", tmp_path / "scored.csv")
    scored = pd.read_csv(tmp_path / "scored.csv")
    assert len(scored) == 810
    assert (scored.groupby(["user", "item"])["real_positive_probability"].nunique() == 1).all()


def test_a_column_with_a_gap_can_be_left_out(tmp_path):
    frame = shop().assign(rating=4)
    frame.loc[5, "rating"], frame.loc[7, "timestamp"] = None, pd.NaT
    data = written(tmp_path, frame)
    for column in ("rating", "timestamp"):
        with pytest.raises(InputError, match=f"in row [68].*--{column} none"):
            read_interactions(data, **{name: "none" for name in ("rating", "timestamp") if name != column})
    pairs = read_interactions(data, rating="none", timestamp="none")
    assert pairs.ratings is None and pairs.timestamps is None


def test_what_was_cut_is_still_owned(tmp_path):
    whole = shop()
    stays = whole.sample(frac=0.7, random_state=0)
    data, full = written(tmp_path, stays), written(tmp_path, whole, "full.csv")
    cut, with_history = read_split(data), read_split(data, known=full)
    there = whole[whole["user"].isin(stays["user"])]  # of strangers nothing can be masked
    have = set(there[["user", "item"]].itertuples(index=False, name=None))

    def pairs_of(pairs):
        return set(pairs.to_frame()[["user", "item"]].itertuples(index=False, name=None))

    tested = pairs_of(cut.test)
    assert pairs_of(with_history.train) == pairs_of(cut.train) and pairs_of(with_history.test) == tested
    assert pairs_of(with_history.known) == have - tested and pairs_of(cut.known) < have - tested
    assert pairs_of(with_history.everything()) == pairs_of(cut.everything()) < have
    assert pairs_of(with_history.owned()) == have

    deca(
        "train", "--data", data, "--known", full, "--epochs", 2, "--method", "Normal", "--out", tmp_path / "m"
    )
    everybody = "--users", ",".join(sorted(there["user"].unique())), "--k", 30
    lists, _ = deca("recommend", tmp_path / "m", *everybody)
    listed = {(user, int(item)) for user, _, item, *_ in map(str.split, lists.splitlines()[1:])}
    assert listed and not listed & have
    deca("train", "--data", data, "--known", full, "--no-refit", "--epochs", 2, "--out", tmp_path / "once")
    lists, _ = deca("recommend", tmp_path / "once", *everybody)
    assert not {(user, int(item)) for user, _, item, *_ in map(str.split, lists.splitlines()[1:])} & have

    strangers = written(tmp_path, whole.assign(user="x" + whole["user"]), "strangers.csv")
    with pytest.raises(InputError, match="none of its rows has a user and an item of the data"):
        read_split(data, known=strangers)
    two_columns = written(tmp_path, whole[["user", "item"]], "two.csv")
    again = read_split(data, known=two_columns, timestamp="timestamp")
    assert pairs_of(again.known) == have - tested
    assert again.notes[-2].startswith(f"{len(there)} of 760 rows of")
    masked = f"{len(have - tested)} of {len(have)} pairs of two.csv are masked; the other {len(tested)} are"
    assert again.notes[-1].startswith(masked)
    alone = written(tmp_path, cut.test.to_frame()[["user", "item"]], "tested.csv")
    cut = read_split(data, known=alone)
    assert "0 of 64 pairs of tested.csv are masked; the other 64 are test pairs" in cut.notes[-1]


def test_lists_of_many_go_to_a_file(trained):
    folder, _ = trained
    everyone = sorted(shop()["user"].unique())
    (folder / "some.txt").write_text("u3\nonce5\nu1\n")
    for out in ("lists.parquet", "lists.csv"):
        said, _ = deca("recommend", folder / "m", "--all", "--k", 3, "--out", folder / out)
        assert said == f"wrote 100 lists, 300 rows, to {folder / out}\n"
    whole = pd.read_parquet(folder / "lists.parquet")
    assert sorted(whole["user"].unique()) == everyone and len(whole) == 300
    assert pd.read_csv(folder / "lists.csv")["item"].tolist() == whole["item"].tolist()
    deca(
        "recommend", folder / "m", "--users-file", folder / "some.txt", "--k", 3, "--out", folder / "some.tsv"
    )
    some = pd.read_csv(folder / "some.tsv", sep="\t")
    assert some["user"].drop_duplicates().tolist() == ["u3", "once5", "u1"]
    alone, _ = deca("recommend", folder / "m", "--users", "u3", "--k", 3)
    assert [int(line.split()[2]) for line in alone.splitlines()[1:]] == some["item"][:3].tolist()


def test_an_id_may_hold_a_comma_or_a_blank(tmp_path):
    names = {"u1": "Smith, Ann", "u2": "Ben Cole"}
    data = written(tmp_path, shop().assign(user=lambda frame: frame["user"].replace(names)))
    deca("train", "--data", data, "--method", "Normal", "--epochs", 1, "--out", tmp_path / "m")
    said, _ = deca("recommend", tmp_path / "m", "--users", 'Ben Cole, "Smith, Ann",u3', "--k", 1)
    assert "Smith, Ann" in said and "Ben Cole" in said and "most popular" not in said


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_what_is_written_is_read_again(suffix, tmp_path):
    titles = ['"The End', 'a "b" c', "plain", "semi;colon"]
    frame = shop().assign(note=lambda frame: [titles[row % 4] for row in range(len(frame))])
    path = tmp_path / f"notes.{suffix}"
    write_scored(frame.astype(str), path)
    again, _ = read_frame(path)
    assert again["note"].tolist() == frame["note"].tolist()


def test_a_test_pair_that_trains_tests_nothing(tmp_path):
    whole = shop(n_once=0).assign(rating=5)
    parts = {"a": whole[::2], "b": whole[1::4], "c": pd.concat([whole[3::4], whole[:40:2]])}
    first, second, third = (written(tmp_path, part, f"{name}.csv") for name, part in parts.items())
    cut = read_split(first, valid=second, test=third)
    assert len(cut.test) == len(whole[3::4]) and not np.isin(cut.truth.keys(), cut.known.keys()).any()
    assert cut.notes == ("20 test pairs are trained on or validate, and test nothing",)


def test_times_of_32_bits_do_not_overflow(tmp_path):
    times = np.array([-(2**31), *range(1_700_000_000, 1_700_000_011)], np.int32)
    frame = shop(n_once=0).assign(timestamp=np.tile(times, 60))
    frame.to_parquet(tmp_path / "x.parquet")
    cut = read_split(tmp_path / "x.parquet")
    assert cut.test.timestamps.min() == times[-2] and cut.train.timestamps.min() == times[0]


def test_titles_may_be_dates(tmp_path):
    data = written(tmp_path, shop())
    released = pd.DataFrame({"item": range(30), "released": pd.date_range("2020-01-01", periods=30)})
    released.to_parquet(tmp_path / "titles.parquet")
    titles = tmp_path / "titles.parquet"
    deca(
        "train",
        "--data",
        data,
        "--items",
        titles,
        "--method",
        "Normal",
        "--epochs",
        1,
        "--out",
        tmp_path / "m",
    )
    assert "2020-01-" in deca("recommend", tmp_path / "m", "--users", "u1", "--k", 1)[0]


def test_times_name_a_zone_or_none(tmp_path):
    dates = "2024-03-05 10:00", "2024-03-06 10:00", "2024-03-06T10:00:00Z"
    with pytest.raises(InputError, match="Z' in row 3, one with a zone and one without; write all alike"):
        read_interactions(written(tmp_path, of_dates(*dates)))


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([1_700_000_000, 1_700_000_100_000], "seconds in row 1 (1700000000) and milliseconds in row 2"),
        ([1.7e18, 1.7e15], "microseconds in row 2 (1700000000000000) and nanoseconds in row 1"),
    ],
)
def test_times_have_one_unit(times, said, tmp_path):
    with pytest.raises(InputError) as refused:
        read_interactions(written(tmp_path, of_dates(*times)))
    assert said in str(refused.value) and str(refused.value).endswith("write all in one unit.")


def test_times_of_three_files_have_one_unit(tmp_path):
    paths = []
    for name, unit in (("train", 1), ("valid", 1), ("test", 1000)):
        times = [unit * (1_700_000_000 + place) for place in range(3)]
        paths.append(written(tmp_path, of_dates(*times).assign(item=[name, 2, 3]), f"{name}.csv"))
    with pytest.raises(
        InputError, match="milliseconds in one file and seconds in another; write them in one"
    ):
        read_split(paths[0], valid=paths[1], test=paths[2])


@pytest.mark.parametrize(
    "numbers", [[1, 2], [20240305, 20240306], [5, 1_700_000_000], [3_000_000, 99_999_999]]
)
def test_other_numbers_are_times_as_before(numbers, tmp_path):
    assert read_interactions(written(tmp_path, of_dates(*numbers))).timestamps.tolist() == numbers


def test_the_order_of_the_rows_decides_no_repeat(tmp_path):
    ratings = [1, 5] * 60
    rows = pd.DataFrame({"user": np.repeat(range(60), 2), "item": 0, "rating": ratings, "timestamp": 7})
    rows = pd.concat([rows, pd.DataFrame({"user": [99], "item": [1], "rating": [3], "timestamp": [7]})])
    kept = []
    for name, some in (("a.csv", rows), ("b.csv", rows[::-1])):
        frame = read_interactions(written(tmp_path, some, name)).to_frame()
        kept.append(frame.set_index("user")["rating"].sort_index())
    assert kept[0].equals(kept[1]) and 15 < (kept[0] == 5).sum() < 45


def test_one_cut_in_time_for_all(tmp_path):
    rng = np.random.default_rng(0)
    clicks = pd.DataFrame({"user": rng.integers(0, 80, 2000), "item": rng.integers(0, 400, 2000)})
    clicks = clicks.drop_duplicates().assign(timestamp=lambda frame: rng.permutation(len(frame)))
    newest = pd.DataFrame({"user": ["late"] * 2, "item": [1, 2], "timestamp": [10_000, 10_001]})
    clicks = pd.concat([clicks, newest])
    cut = read_split(written(tmp_path, clicks), split="global")
    n = len(clicks)
    assert [len(cut.train), len(cut.valid), len(cut.test)] == [
        8 * n // 10,
        9 * n // 10 - 8 * n // 10,
        n - 9 * n // 10,
    ]
    assert cut.train.timestamps.max() < cut.valid.timestamps.min() < cut.test.timestamps.min()
    assert cut.notes == (
        "1 of 81 users came after the cut in time: no click of theirs trains, "
        "and they are judged as cold users",
    )
    assert cut.title() == "own.csv, split global"


def test_the_last_click_of_each_user_is_left_out(tmp_path):
    cut = read_split(written(tmp_path, shop()), split="leave-one-out")
    days = pd.Series(cut.everything().timestamps).groupby(cut.everything().users).max()
    assert (cut.test.timestamps == days[cut.test.users].to_numpy()).all()
    assert [len(part) for part in (cut.train, cut.valid, cut.test)] == [60 * 10 + 40, 60, 60]
    assert cut.notes == ("40 of 100 users have fewer than 3 clicks, which all train",)
    bare = written(tmp_path, shop().drop(columns="timestamp"), "bare.csv")
    for split in ("global", "leave-one-out", "chronological"):
        with pytest.raises(InputError, match=f"a {split} split needs times"):
            read_split(bare, split=split)
    with pytest.raises(
        InputError, match="no split 'newest'; choose chronological, global, leave-one-out, ra"
    ):
        read_split(bare, split="newest")


@pytest.mark.parametrize("split", ["chronological", "global", "leave-one-out"])
def test_the_order_of_the_rows_decides_no_cut(split, tmp_path):
    days = shop().assign(timestamp=lambda frame: frame["timestamp"].dt.month)
    first = read_split(written(tmp_path, days), split=split)
    mixed = read_split(written(tmp_path, days.sample(frac=1, random_state=0), "mixed.csv"), split=split)
    assert set(first.test.keys()) == set(mixed.test.keys()) and first.notes == mixed.notes


def by_hand(frame, min_user, min_item):
    """The core, one count after the other."""
    while True:
        stays = frame.groupby("user")["item"].transform("size") >= min_user
        stays &= frame.groupby("item")["user"].transform("size") >= min_item
        if stays.all():
            return frame
        frame = frame[stays]


@pytest.mark.parametrize(("min_user", "min_item"), [(3, 1), (1, 4), (4, 4), (2, 4)])
def test_users_and_items_with_few_clicks_are_left_out(min_user, min_item, tmp_path):
    rng = np.random.default_rng(1)
    clicks = pd.DataFrame((150 * rng.random((900, 2)) ** 2).astype(int), columns=["user", "item"])
    clicks = clicks.drop_duplicates()
    left = by_hand(clicks, min_user, min_item)
    cut = read_split(written(tmp_path, clicks), min_user=min_user, min_item=min_item)
    found = cut.everything().to_frame()[["user", "item"]]
    assert set(found.itertuples(index=False, name=None)) == set(left.itertuples(index=False, name=None))
    assert (cut.n_users, cut.n_items) == (left["user"].nunique(), left["item"].nunique())
    counts = [(len(set(left[name])), len(set(clicks[name])), name) for name in ("user", "item")]
    said = ", ".join(f"{few:,} of {many:,} {name}s" for few, many, name in counts)
    assert cut.notes[0] == (
        f"--min-user {min_user}, --min-item {min_item}: {said} "
        f"and {len(left):,} of {len(clicks):,} clicks stay"
    )
    with pytest.raises(InputError, match="--min-user 99, --min-item 1: no user and no item has as many"):
        read_split(tmp_path / "own.csv", min_user=99)
    parts = dict.fromkeys(("valid", "test"), tmp_path / "own.csv")
    with pytest.raises(InputError, match="are a split already; leave out --min-user"):
        read_split(tmp_path / "own.csv", min_user=2, **parts)


def test_repeats_of_every_file_are_said(tmp_path):
    whole = shop(n_once=0)
    parts = {"a": whole[::2], "b": whole[1::4], "c": whole[3::4], "d": whole}
    paths = [
        written(tmp_path, pd.concat([part, part[: 2 + place]]), f"{name}.csv")
        for place, (name, part) in enumerate(parts.items())
    ]
    cut = read_split(paths[0], valid=paths[1], test=paths[2], known=paths[3])
    assert [note for note in cut.notes if "rows repeat" in note] == [
        "2 rows repeat a pair; of each pair the last is kept (--repeats)",
        "3 rows repeat a pair; of each pair the last is kept (--repeats), in b.csv",
        "4 rows repeat a pair; of each pair the last is kept (--repeats), in c.csv",
        "5 rows repeat a pair, in d.csv",
    ]


def test_commands_say_what_was_guessed(tmp_path):
    names = {"user": "userId", "item": "sku", "timestamp": "order_date"}
    data = written(tmp_path, shop().rename(columns=names), sep=";")
    _, said = deca("audit", "--data", data, "--split", "global", "--min-item", 2)
    for told in (
        "columns by their likely names: user 'userId', item 'sku', timestamp 'order_date'",
        "columns are separated by ';'",
        "own.csv, split global",
    ):
        assert told in said
    _, said = deca(
        "audit",
        "--data",
        data,
        *"--user userId --item sku --timestamp order_date".split(),
        "--separator",
        ";",
    )
    assert "likely" not in said and "separated" not in said
    shown, _ = deca("audit", "--help")
    assert all(split in shown for split in ("chronological", "global", "leave-one-out", "random"))


def test_a_folder_of_parts_trains_and_is_found_again(tmp_path):
    (tmp_path / "log").mkdir()
    for place in range(3):
        shop()[place::3].to_parquet(tmp_path / "log" / f"part-{place}.parquet")
    words = "--method Normal --epochs 1 --out".split()
    said, notes = deca("train", "--data", tmp_path / "log", *words, tmp_path / "m")
    assert "3 files are read as one" in notes and "fitted again on all 760." in said
    assert deca("evaluate", tmp_path / "m")[0].splitlines()[0] in said


@pytest.mark.parametrize("column", ["sku", "wrong"])
def test_titles_need_the_column_that_holds_the_items(column, tmp_path):
    data = written(tmp_path, shop())
    titles = pd.DataFrame({"wrong": np.arange(28) + 29, "sku": np.arange(28), "title": "Title"})
    items = written(tmp_path, titles.rename(columns={column: "item"}), "titles.csv")
    if column == "sku":
        cut = read_split(data, items=items)
        assert (cut.train.titles == "Title").sum() == 28
        assert cut.notes[-1].endswith("titles.csv has titles for 28 of 30 items")
    else:
        with pytest.raises(
            InputError, match="column 'item' holds 1 of the 30 items, and column 'sku' 28; name"
        ):
            read_split(data, items=items)


def test_an_id_with_its_merge_still_on_it_is_found(tmp_path):
    numbers = shop().assign(user=lambda frame: pd.factorize(frame["user"])[0])
    data = written(tmp_path, numbers)
    deca("train", "--data", data, "--method", "Normal", "--epochs", 1, "--out", tmp_path / "m")
    lists = [deca("recommend", tmp_path / "m", "--users", user, "--k", 1)[0] for user in ("5", "5.0")]
    plain, floated = (said.splitlines()[1].split()[1:] for said in lists)
    assert plain == floated and "popular" not in lists[1]
