"""`deca tune`: every method alike, chosen by validation, gone on with, and honest about what it shows."""

import json
import re
import shutil

import pandas as pd
import pytest
from test_rankers import deca, log  # noqa: F401

from deca_nb import tune
from deca_nb.runs import Runs

LINE = (
    "tune --data own.csv --methods MostPopular,EASE,Normal,DeCA --trials 3 --seeds 2 --epochs 3 "
    "--embedding-dim 4 --k 5"
)


@pytest.fixture(scope="module")
def tuned(log, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    code, out, err = deca(f"{LINE} --out {folder / 't'} --json {folder / 't.json'}", log)
    assert code == 0, err
    return folder, out, err


def rows_in(folder):
    runs = Runs(folder / "runs")
    return runs.read(sorted(runs.fingerprints()))


def test_every_method_has_the_same_number_of_trials(tuned):
    rows = rows_in(tuned[0] / "t")
    assert rows.query("seed == 0")["method"].value_counts().to_dict() == {
        "EASE": 3,
        "Normal": 3,
        "DeCA": 3,
        "MostPopular": 1,  # it has no numbers
    }
    assert rows.query("seed == 1")["method"].tolist().count("DeCA") == 1
    assert not (tuned[0] / "t" / "runs" / "weights").exists()


def test_the_best_by_validation_are_tested(tuned):
    rows = rows_in(tuned[0] / "t")
    table = {one["method"]: one for one in json.loads((tuned[0] / "t.json").read_text())["table"]}
    for method, trials in rows.query("seed == 0").groupby("method"):
        best = trials.loc[trials["validation"].idxmax()]
        settings = json.loads(best["recipe"])["settings"]
        again = rows[[json.loads(text)["settings"] == settings for text in rows["recipe"]]]
        again = again[again["method"] == method]
        means = [values.mean() for values in again["ndcg@5 expected"]]
        assert table[method]["ndcg@5"] == pytest.approx(sum(means) / len(means), abs=1e-7)
        assert table[method]["ndcg@5 low"] <= table[method]["ndcg@5"] <= table[method]["ndcg@5 high"]


def test_the_sentence_is_the_difference_on_the_test(tuned):
    found = json.loads((tuned[0] / "t.json").read_text())
    table = {one["method"]: one for one in found["table"]}
    told = found["answer"][0]
    assert told["denoises"] == "DeCA" and told["against"] in ("Normal", "EASE", "MostPopular")
    assert told["difference"] == pytest.approx(table["DeCA"]["ndcg@5"] - table[told["against"]]["ndcg@5"])
    holds = told["low"] <= 0 <= told["high"]
    assert ("do not show that denoising helps or harms" in tuned[1]) == holds


def test_the_recipe_trains_what_was_tested(tuned, log, tmp_path):
    best = tuned[0] / "t" / "best.toml"
    code, out, err = deca(f"train --recipe {best} --k 5 --out {tmp_path / 'm'}", log)
    assert code == 0, err
    name = re.search(r"Best by validation: (\S+);", tuned[1]).group(1)
    assert name in out.splitlines()[0]
    rows = rows_in(tuned[0] / "t").query("seed == 0 and method == @name")
    reached = rows.loc[rows["validation"].idxmax(), "ndcg@5 expected"].mean()
    row = next(line for line in out.splitlines() if line.startswith("all "))
    assert float(row.split()[3]) == pytest.approx(reached, abs=5e-5)


@pytest.fixture(scope="module")
def cold(log, tmp_path_factory):
    """A log cut in time, whose last five users have no click in training."""
    folder = tmp_path_factory.mktemp("cold")
    rows = pd.read_csv(log / "own.csv")
    late = [{"user": f"z{i % 5}", "item": f"p{7 * i % 50}", "timestamp": len(rows) + i} for i in range(40)]
    pd.concat([rows, pd.DataFrame(late)]).to_csv(folder / "own.csv", index=False)
    line = "tune --data own.csv --split global --methods MostPopular,Normal,DeCA --trials 2 --seeds 1"
    code, out, err = deca(f"{line} --epochs 3 --k 5,9 --out t --json t.json", folder)
    assert code == 0, err
    return folder, out


@pytest.mark.parametrize("name", ["MostPopular", "Normal", "DeCA"])
def test_each_recipe_reaches_the_numbers_of_the_table(cold, name):
    """Users of whom nothing is learned were judged by untrained rows: .1302 where .1091 is served."""
    folder, printed = cold
    code, out, err = deca(f"train --recipe t/recipes/{name}.toml --out {name}", folder)
    assert code == 0, err
    assert "recall@5  ndcg@5  recall@9  ndcg@9" in out, "the lengths of the tuning"
    assert deca(f"evaluate {name} --k 5,9 --json {name}.json", folder)[0] == 0
    rows = json.loads((folder / f"{name}.json").read_text())
    found = {one["k"]: one for one in rows if one["users"] == "all"}
    assert [one["n"] for one in rows if one["users"] == "cold"] == [5, 5]
    table = {one["method"]: one for one in json.loads((folder / "t.json").read_text())["table"]}
    assert (table[name]["recall@9"], table[name]["ndcg@9"]) == pytest.approx(
        (found[9]["recall"], found[9]["ndcg"]), abs=5e-8
    ), "kept runs hold float32"
    best = re.search(r"Best by validation: (\S+);", printed).group(1)
    texts = [
        (folder / "t" / path).read_text().splitlines()[1:] for path in ("best.toml", f"recipes/{best}.toml")
    ]
    assert texts[0] == texts[1]


def test_the_verdict_is_one_sentence_that_says_what_to_do(cold):
    says = cold[1].split("\n\n")[1].splitlines()[0]
    assert says.startswith(
        (
            "The best method that denoises",
            "Denoising ",
            "These data do not show",
            "Whether denoising helps is not told",
        )
    )
    now = r"(train (MostPopular|Normal|DeCA)|so it is not trained enough; tune again)"
    assert re.search(rf"ndcg@9 [+-]\.?\d.*95 % interval .* to .*[;,] {now}", says)
    assert "no ratings" in says and says.count(". ") == 0 and says.endswith(".")


def test_a_stopped_tune_goes_on_to_the_same_numbers(tuned, log, tmp_path, monkeypatch):
    made, finish = [], tune.finish

    def stopped(group, runs, load):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(len(group))
        return finish(group, runs, load)

    with monkeypatch.context() as patched:
        patched.setattr(tune, "finish", stopped)
        code, out, err = deca(f"{LINE} --out {tmp_path / 't'}", log)
    assert code == 130 and "the same command goes on from there" in err
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "t" / "runs").glob("run-*")}
    assert len(kept) == sum(made) > 0
    code, out, err = deca(f"{LINE} --out {tmp_path / 't'}", log)
    assert code == 0, err
    assert out.replace(str(tmp_path), "") == tuned[1].replace(str(tuned[0]), "")
    assert (
        kept.items()
        <= {p.name: p.stat().st_mtime_ns for p in (tmp_path / "t" / "runs").glob("run-*")}.items()
    )


REFUSED = {
    "tune --data own.csv --out t --trials 0": "--trials 0 cannot be used",
    "tune --data own.csv --out t --methods DeCAf": "no method 'DeCAf'",
    "tune --data own.csv --out own.csv": "own.csv",
    "tune --data own.csv --out t --methods EASE --c1 3": "--c1 is no number of EASE",
    "tune --data own.csv --protocol paper --out t": "paper",
}


@pytest.mark.parametrize("line", REFUSED)
def test_a_mistake_is_told_before_any_trial(line, log):
    code, out, err = deca(line, log)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert REFUSED[line] in err
    assert not (log / "t").exists()


def test_another_length_of_list_judges_again(tuned, log, tmp_path):
    """What was judged at 5 alone is not there at 3 and 7."""
    shutil.copytree(tuned[0] / "t", tmp_path / "t")
    code, out, err = deca(f"{LINE} --k 3,7 --methods MostPopular,Normal --out {tmp_path / 't'}", log)
    assert code == 0, err
    assert "recall@7" in out
    code, again, err = deca(f"{LINE} --k 3,7 --methods MostPopular,Normal --out {tmp_path / 't'}", log)
    assert (code, again) == (0, out)


def test_the_tuning_of_other_data_is_not_replaced(tuned, log):
    """Another split into the same folder wrote over its table and best.toml."""
    folder = tuned[0] / "t"

    def files():
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    before = files()
    words = "tune --data own.csv --methods MostPopular --trials 1 --seeds 1 --split leave-one-out"
    code, _, err = deca(f"{words} --out {folder}", log)
    assert (code, "this folder holds the tuning of other data" in err) == (2, True), err
    assert files() == before
