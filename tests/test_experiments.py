"""Experiments: described, kept, never run twice; each of them in small; kept runs are found again."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT
from matplotlib import pyplot as plt

from deca_nb.datasets import authors_split, load_data, load_named, world_data
from deca_nb.evaluation import MostPopular, evaluate, metric_columns, paired_difference
from deca_nb.experiments import (
    CONSTANTS,
    Bench,
    beside_paper,
    compare_runs,
    published,
    ranker_rows,
    should_denoise,
    table4,
    tuned,
    world_map,
)
from deca_nb.figures import as_markdown, write_results
from deca_nb.files import InputError
from deca_nb.interactions import CLEAN, PAPER
from deca_nb.names import find, listed
from deca_nb.recipe import make_recipe
from deca_nb.runs import JUDGED, Job, Runs, execute, run_job, sweep

SMALL = world_data(n_users=60, n_items=40, noise=0.05, cold_users=0.1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Runs:
    """One folder of runs, so that experiments share theirs."""
    return Runs(tmp_path_factory.mktemp("runs"))


def small(runs, protocol, **how) -> Bench:
    """A bench on which everything is over in seconds."""
    return Bench(runs, SMALL, protocol, seeds=2, most_epochs=1, **how)


GRID = {"noise": (0.0, 0.03), "popularity_noise": (0.0, 1.0), "embedding_dim": (4,), "epochs": (1,)}
SHORT = {
    "map": lambda bench: world_map(bench, 1, GRID),
    "tuned": lambda bench: tuned(bench, 2),
}
NEEDS_FILES = {"table1", "figure4", "labels-splits"}


@pytest.mark.parametrize("name", [name for name in listed("experiment") if name not in NEEDS_FILES])
def test_each_experiment_in_small(name, runs, tmp_path):
    experiment = find("experiment", name)
    bench = small(runs, CLEAN if experiment.protocol == "clean" else PAPER)
    found = SHORT.get(name, experiment.run)(bench)
    tables = {part: value for part, value in found.items() if isinstance(value, pd.DataFrame)}
    assert tables and all(len(table) for table in tables.values())
    write_results(found, tmp_path, name, "small", as_markdown(found, name, "about"))
    assert {path.name for path in (tmp_path / name).iterdir()} == {
        "small.md",
        *(f"small-{part}.{'csv' if part in tables else 'svg'}" for part in found),
    }
    plt.close("all")


def test_should_i_denoise_knows_the_head_room(runs):
    answer = should_denoise(small(runs, CLEAN), n_trials=2)["answer"]
    assert answer["what"].tolist() == ["DeCA", "DeCA(p)", "only what was meant"]
    assert (answer["low"] <= answer["high"]).all()


@pytest.mark.data
def test_labels_on_splits_in_small(runs, tmp_path):
    found = find("experiment", "labels-splits").run(Bench(runs, "coat", CLEAN, seeds=2))
    write_results(found, tmp_path, "labels-splits", "small", as_markdown(found, "labels-splits", "about"))
    gains = pd.read_csv(tmp_path / "labels-splits" / "small-gains.csv")
    assert set(gains["labels"].dropna()) == {20, 50, 100, 300, 1000}
    assert (gains["difference low"] <= gains["difference high"]).all()


@pytest.mark.data
def test_figure_4_in_small(runs):
    found = find("experiment", "figure4").run(Bench(runs, "authors:ml-100k", seeds=2, most_epochs=1))
    scores = {"DeCA", "DeCA(p)", "Normal", "popularity"}
    rated = found["by-rating"]
    assert set(rated["score"]) == scores and rated["rating"].nunique() == 5 and set(rated["seed"]) == {0, 1}
    assert (
        rated[rated["score"] == "popularity"].groupby("rating")["mean"].nunique().eq(1).all()
    )  # knows no seed
    assert (rated[rated["score"] == "DeCA"].groupby("rating")["mean"].nunique() == 2).all()
    assert found["auc"]["overall value"].between(0.5, 0.8).all()
    plt.close("all")


def test_tuning_says_what_it_lacks(runs):
    with pytest.raises(InputError, match="NDCG on validation to tune by"):
        tuned(small(runs, PAPER), 2)
    with pytest.raises(InputError, match="no validation pairs"):
        should_denoise(small(runs, CLEAN, load=without_validation), n_trials=2)
    with pytest.raises(InputError, match="row-sparse"):
        small(runs, CLEAN, optimiser="row-sparse").job("LightGCN", "Normal", 0)


def without_validation(data, files):
    split = load_named(data, files)
    return replace(split, valid=split.valid.select(slice(0)), known=split.train)


def test_figures_2_and_4_say_what_they_lack(runs):
    with pytest.raises(InputError, match="--seeds 2"):
        find("experiment", "figure2").run(Bench(runs, SMALL, CLEAN, seeds=1))
    with pytest.raises(InputError, match="has none; give --data"):
        find("experiment", "figure4").run(Bench(runs, SMALL, CLEAN))


@pytest.mark.data
@pytest.mark.parametrize("name", ["ml-100k", "modcloth"])
def test_table_1_is_counted(name, runs):
    table = find("experiment", "table1").run(Bench(runs, f"authors:{name}"))["table"].set_index("from")
    assert abs(table.loc["counted", "sparsity"] - table.loc["paper", "sparsity"]) < 0.004


@pytest.mark.data
def test_an_experiment_without_a_run_is_written(tmp_path):
    command = [sys.executable, "-c", "from deca_nb.cli import main; main()", "reproduce", "table1"]
    command += ["--data", "authors:modcloth", "--out", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    written = {path.name for path in (tmp_path / "table1").iterdir()}
    assert written == {f"authors-modcloth-paper{end}" for end in (".md", "-table.csv")}


@pytest.mark.data
@pytest.mark.parametrize(("name", "prefix"), [("adressa", "adressa"), ("electronics", "electronics_5")])
def test_whole_folders_of_the_large_data_are_read(name, prefix, deca_data, tmp_path):
    """The release's training files are not at hand: three quarters of the valid file stand in."""
    (tmp_path / name).mkdir()
    real = deca_data / "authors-splits" / name
    lines = (real / f"{prefix}.valid.rating").read_text().splitlines(keepends=True)
    rows = 3 * len(lines) // 4
    for part, text in {
        "train.rating": lines[:rows],
        "valid.rating": lines[rows:],
        "test.negative": [(real / f"{prefix}.test.negative").read_text()],
    }.items():
        (tmp_path / name / f"{prefix}.{part}").write_text("".join(text))
    for protocol in (PAPER, CLEAN):
        split = authors_split(name, root=tmp_path, protocol=protocol)
        assert len(split.train) == rows and split.k == {"adressa": (5, 20), "electronics": (10, 50)}[name]
        assert len(split.train) / (split.n_users * split.n_items) < 1e-4
        some = replace(split, truth=split.truth.select(np.arange(min(2000, len(split.truth)))))
        per_user = evaluate(MostPopular(split.train), some, k=split.k)
        assert per_user["recall@" + str(split.k[1])].between(0, 1).all() and 0 < per_user["warm"].mean() < 1
    assert not np.isin(split.truth.keys(), split.known.keys()).any() and len(
        np.unique(split.truth.keys())
    ) == len(split.truth)


@pytest.mark.data
def test_missing_train_is_named(runs):
    with pytest.raises(InputError, match=r"electronics_5\.train\.rating.*github\.com"):
        find("experiment", "table5").run(Bench(runs, "authors:electronics"))


@pytest.mark.data
def test_rankers_on_movielens():
    split = authors_split("ml-100k", protocol=PAPER)
    rows = ranker_rows(split, PAPER).set_index("model")
    judged = [column for column in rows if column.endswith(" lowest-id")]
    means = {
        name: {column.removesuffix(" lowest-id"): row[column].mean() for column in judged}
        for name, row in rows.iterrows()
    }
    assert means["EASE"] == pytest.approx(
        {"recall@3": 0.0413, "recall@20": 0.1380, "ndcg@3": 0.0730, "ndcg@20": 0.0923}, abs=1e-3
    )
    assert means["MostPopular"] == pytest.approx(
        {"recall@3": 0.0192, "recall@20": 0.0912, "ndcg@3": 0.0393, "ndcg@20": 0.0593}, abs=5e-4
    )
    assert means["MostPopular (unmasked)"] == pytest.approx(
        {"recall@3": 0.0277, "recall@20": 0.1084, "ndcg@3": 0.0477, "ndcg@20": 0.0668}, abs=5e-4
    )


# What is kept.


@functools.cache
def job(method: str = "Normal", seed: int = 0, epochs: int = 1, learns_from: str = "all", **numbers) -> Job:
    """One short run."""
    return Job(
        make_recipe(
            "GMF", method, {"epochs": epochs, **numbers}, seed=seed, data=SMALL, learns_from=learns_from
        )
    )


def jobs(n: int = 3) -> list[Job]:
    """A few short runs."""
    return [job(seed=seed) for seed in range(n)]


def names(some: list[Job]) -> list[str]:
    return [one.name() for one in some]


def test_a_finished_run_is_not_run_again(tmp_path, monkeypatch):
    kept = Runs(tmp_path)
    first = sweep(jobs(), kept)
    monkeypatch.setattr("deca_nb.runs.execute", lambda *_: pytest.fail("run twice"))
    assert sweep(jobs(), kept)["validation"].tolist() == first["validation"].tolist()
    kept.pack()
    assert sweep(jobs(), kept)["validation"].tolist() == first["validation"].tolist()
    assert set(kept.fingerprints()) == set(names(jobs()))


def test_what_is_judged_in_two_ways_is_trained_once(tmp_path, monkeypatch):
    kept = Runs(tmp_path)
    by_logit = sweep([job(epochs=2)], kept)
    monkeypatch.setattr("deca_nb.training.Trainer.fit", lambda *_: pytest.fail("trained twice"))
    by_probability = sweep([replace(job(epochs=2), scores="probability")], kept)
    assert by_logit["key"][0] == by_probability["key"][0] and by_logit["name"][0] != by_probability["name"][0]
    assert by_logit["seconds"][0] == by_probability["seconds"][0] > 0


def test_packing_keeps_what_was_packed_before(tmp_path):
    kept = Runs(tmp_path)
    sweep(jobs(1), kept)
    kept.pack()
    sweep(jobs(3), kept)
    kept.pack()
    assert len(kept.read(names(jobs()))) == 3
    assert [path.name for path in tmp_path.glob("*.parquet")] == ["runs.parquet"]
    kept.pack()
    assert set(kept.fingerprints()) == set(names(jobs()))


def test_two_processes_give_the_same_rows(tmp_path):
    apart, together = sweep(jobs(), Runs(tmp_path / "a"), processes=2), sweep(jobs(), Runs(tmp_path / "b"))
    for column in ("recall@20 expected", "ndcg@5 lowest-id"):
        assert np.array_equal(np.stack(apart[column]), np.stack(together[column]))


def test_shared_weights_change_nothing(tmp_path):
    some = [job(method, epochs=2) for method in ("Normal", "DeCA(p)", "Ensemble")]
    together = sweep(some, Runs(tmp_path))
    for one, (_, row) in zip(some, together.iterrows(), strict=True):
        alone = execute(one, load_data(SMALL, CLEAN), {})
        assert np.array_equal(row["recall@20 expected"], alone["recall@20 expected"])


def test_what_is_learned_from_liked_clicks_shares_no_weights_with_the_rest(tmp_path):
    both = [job("Ensemble", epochs=3, learns_from=clicks, learning_rate=0.01) for clicks in ("all", "liked")]
    after, first = sweep(both, Runs(tmp_path / "a")), sweep(both[::-1], Runs(tmp_path / "b"))
    for one, other in zip(after.itertuples(), first[::-1].itertuples(), strict=True):
        assert one.validation == other.validation
    assert after["validation"].nunique() == 2


def test_a_run_on_other_data_is_run_again(tmp_path):
    def other_data(data, files):
        return load_named(world_data(n_users=60, n_items=40, noise=0.05, cold_users=0.1, seed=1), files)

    kept = Runs(tmp_path)
    one, other = (
        Bench(kept, SMALL, CLEAN, most_epochs=1, load=load).sweep(
            [Bench(kept, SMALL, CLEAN, most_epochs=1, load=load).job("GMF", "Normal", 0)]
        )
        for load in (load_named, other_data)
    )
    assert one["fingerprint"][0] != other["fingerprint"][0] == other_data("", "honest").fingerprint()
    assert one["key"][0] != other["key"][0]  # the data are in the recipe
    stale = sweep(jobs(1), kept)
    anew = sweep(jobs(1), kept, load=other_data)  # a recipe that does not say which
    assert stale["name"][0] == anew["name"][0] and stale["fingerprint"][0] != anew["fingerprint"][0]


def test_threads_are_given_back(tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    run_job(jobs(1)[0], Runs(tmp_path))
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)


def test_recovery_judges_what_was_learned():
    bench = Bench(None, SMALL, CLEAN, most_epochs=1)
    learned = {
        "DP": {"h error"},
        "DN": {"h_prime error"},
        "DeCA": {"h error", "h_prime error"},
        "Normal": set(),
    }
    for method, errors in learned.items():
        row = execute(bench.job("GMF", method, 0), load_data(SMALL, CLEAN), {})
        assert {name for name in row if name.endswith("error")} == errors


def test_a_killed_sweep_goes_on(tmp_path):
    command = [
        sys.executable,
        "-c",
        "from deca_nb.cli import main; main()",
        "reproduce",
        "table2",
        "--data",
        "world",
    ]
    command += ["--models", "GMF", "--epochs", "1", "--seeds", "3", "--out", str(tmp_path)]
    folder, env = tmp_path / "runs" / "world-paper", os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    limit = time.monotonic() + 120
    while len(list(folder.glob("run-*.parquet"))) < 4 and time.monotonic() < limit:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("run-*.parquet")}
    assert 4 <= len(kept) < 21, "killed too early or too late"
    kept_names = [path.stem.removeprefix("run-") for path in kept]
    before = Runs(folder).read(kept_names)["seconds"].tolist()
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert Runs(folder).read(kept_names)["seconds"].tolist() == before, "a finished run was run again"
    assert len(Runs(folder).fingerprints()) == 21


def test_a_run_says_what_it_was(tmp_path):
    kept = Runs(tmp_path)
    run_job(jobs(1)[0], kept)
    row = kept.read(names(jobs(1))).iloc[0]
    recipe = json.loads(row["recipe"])
    assert recipe["settings"]["epochs"] == 1 and recipe["parts"]["sampler"] == "true-negatives"
    assert row["fingerprint"] == load_data(SMALL, CLEAN).fingerprint()
    assert "torch" in row["versions"] and row["seconds"] > 0


# What was kept before recipes.


def command_of(page: str) -> tuple[str, dict]:
    """The experiment of a committed page, and the options of its command."""
    words = re.search(r"`deca reproduce (.*?)`", page)[1].split()
    return words[0], dict(zip(words[1::2], words[2::2], strict=True))


def kept_bench(page) -> tuple:
    """The experiment of a page, and a bench on the committed runs that is not to train anything."""
    name, options = command_of(page.read_text(encoding="utf-8"))
    experiment = find("experiment", name)
    usual = {"--data": experiment.data, "--protocol": experiment.protocol, "--ties": experiment.ties}
    options, protocols = usual | options, {"paper": PAPER, "clean": CLEAN}
    protocol = protocols[options["--protocol"]]
    if "--scores" in options:
        protocol = replace(protocol, scores=options["--scores"])
    folder = ROOT / "results" / "runs" / f"{options['--data'].replace(':', '-')}-{protocol.name}"
    how = {
        "judged_by": options["--ties"],
        "models": (options["--models"],) if "--models" in options else None,
    }
    return experiment, Bench(Runs(folder), options["--data"], protocol, int(options["--seeds"]), **how)


@functools.cache
def rankers_of(data: str, files: str, masking: str) -> pd.DataFrame:
    """`ranker_rows`, once for all pages that have them."""
    return ranker_rows(load_named(data, files), replace(PAPER, masking=masking))


KEPT = [
    f"{page}-paper.md"
    for page in (
        "table2/authors-ml-100k",
        "table2/authors-modcloth",
        "table3/authors-modcloth",
        "table4/authors-modcloth",
    )
] + [
    "figure6/authors-ml-100k-paper.md",
    "figure3/authors-modcloth-paper.md",
    "ladder/authors-ml-100k-paper.md",
]
KEPT += ["probabilities/authors-modcloth-paper.md", "recovery/world-clean.md"]


@pytest.mark.data
@pytest.mark.parametrize("page", KEPT)
def test_committed_pages_find_their_runs(page, monkeypatch):
    """The jobs of an experiment have the names of the converted rows, and say the numbers of the page."""
    monkeypatch.setattr("deca_nb.runs.execute", lambda *_: pytest.fail("a kept run is not found"))
    quick = {"low": 0, "high": 0, "sd": 0, "d_z": 0, "p": 1}  # instead of the bootstrap
    monkeypatch.setattr(
        "deca_nb.experiments.paired_test", lambda change: quick | {"difference": change.mean()}
    )
    monkeypatch.setattr("deca_nb.experiments.over_seeds", lambda values: quick | {"mean": values.mean()})
    monkeypatch.setattr(
        "deca_nb.experiments.ranker_rows", lambda split, how: rankers_of(split.name, how.files, how.masking)
    )
    experiment, bench = kept_bench(ROOT / "results" / page)
    found = experiment.run(bench)
    plt.close("all")
    for part, value in found.items():
        if not isinstance(value, pd.DataFrame):
            continue
        path = ROOT / "results" / page.replace(".md", f"-{part}.csv")
        told = pd.read_csv(path, keep_default_na=False, na_values=[""])
        for column in {"mean", "n", "difference", "noise auc mean", "recall@20"} & set(told) & set(value):
            here = value[column].astype(float)
            assert np.allclose(told[column], here, rtol=1e-5, atol=1e-9, equal_nan=True), (part, column)


@pytest.mark.data
def test_tuned_finds_the_runs_of_methods_that_share_their_numbers(monkeypatch):
    monkeypatch.setattr("deca_nb.runs.execute", lambda *_: pytest.fail("a kept run is not found"))
    from deca_nb.experiments import LONGEST, TRIALS, tune

    _, bench = kept_bench(ROOT / "results" / "tuned" / "movielens-100k-clean.md")
    told = pd.read_csv(ROOT / "results" / "tuned" / "movielens-100k-clean-cells.csv").query(
        "metric == 'ndcg@20'"
    )
    told = told.set_index(["model", "method"])["mean"]
    for model in ("GMF", "LightGCN"):
        for method in ("Normal", "WBPR", "DeCA", "DeCA(p)"):
            numbers, _ = tune(
                bench, functools.partial(bench.job, model, method, 0, epochs=LONGEST), method, TRIALS
            )
            rows = bench.sweep(
                [bench.job(model, method, seed, epochs=LONGEST, **numbers) for seed in range(5)]
            )
            assert np.mean(np.stack(rows["ndcg@20 expected"])) == pytest.approx(told[model, method], rel=1e-5)


# What is judged.


def test_a_row_holds_what_evaluate_gives():
    split = load_data(SMALL, CLEAN)
    row = execute(jobs(1)[0], split, {})
    rows = ranker_rows(split, CLEAN)
    assert len(row["recall@20 expected"]) == len(np.unique(split.truth.users)) == len(row["warm"])
    for _, ranked in rows.iterrows():
        for ties in JUDGED:
            per_user = evaluate(find("ranker", ranked["model"])(split.train), split, k=split.k, ties=ties)
            for metric in metric_columns(per_user):
                assert np.allclose(ranked[f"{metric} {ties}"], per_user[metric], atol=1e-6)


def test_a_method_does_not_differ_from_itself(runs):
    rows = sweep(jobs(), runs)
    found = compare_runs(rows, rows, "recall@20", "expected")
    assert (found["difference"], found["low"], found["high"], found["p"], found["d_z"]) == (0, 0, 0, 1, 0)


def test_one_difference_for_everybody_is_certain():
    """The two ways to ask, of frames and of runs, agree on a difference that does not vary."""
    base = pd.DataFrame({"user": range(5), "recall@20": [0.0, 0.25, 0.5, 0.25, 0.0]})
    of_runs = [
        pd.DataFrame({"seed": range(3), "recall@20 expected": [base["recall@20"].to_numpy() + gain] * 3})
        for gain in (0.5, 0)
    ]
    for sign, (left, right) in ((1, of_runs), (-1, of_runs[::-1])):
        found = compare_runs(left, right, "recall@20", "expected")
        assert [found[name] for name in ("difference", "low", "high", "p", "d_z")] == [sign * 0.5] * 3 + [
            0,
            sign * np.inf,
        ]
        frames = [pd.DataFrame({"user": range(5), "recall@20": rows.iloc[0, 1]}) for rows in (left, right)]
        assert paired_difference(*frames, "recall@20")[["p", "d_z"]].tolist() == [0, sign * np.inf]
    found = compare_runs(*[of_runs[0]] * 2, "recall@20", "expected")
    assert (
        (found["p"], found["d_z"])
        == (1, 0)
        == tuple(paired_difference(base, base, "recall@20")[["p", "d_z"]])
    )


def test_beside_the_paper(runs):
    rows = sweep(jobs(), runs)
    printed = (
        published(2)
        .query("method == 'Normal' and model == 'GMF' and data == 'authors:modcloth'")
        .assign(data=SMALL)
    )
    table = beside_paper(rows, "expected", printed).set_index("metric")
    assert table.loc["recall@5", "mean_paper"] == 0.063
    assert table.loc["recall@5", "difference"] == pytest.approx(table.loc["recall@5", "mean"] - 0.063)
    assert bool(table.loc["recall@5", "near"]) == (
        abs(table.loc["recall@5", "in_sd"]) <= 2 or abs(table.loc["recall@5", "in_percent"]) <= 10
    )


def test_constants_reach_the_runs(runs):
    bench = small(runs, PAPER)
    rows = bench.sweep([bench.job("GMF", "DeCA", 0, c1=c1) for c1 in CONSTANTS])
    assert {json.loads(text)["settings"]["c1"] for text in rows["recipe"]} == set(CONSTANTS)
    assert set(table4(bench)["cells"]["h_model"]) == {"MF", "GMF", "NeuMF"}


def test_ties_can_be_chosen(runs):
    bench = small(runs, PAPER, models=("GMF",))
    assert bench.ties == "lowest-id" and replace(bench, judged_by="expected").ties == "expected"
