"""Experiments: described, kept, never run twice; each of them in small; each switch of the ladder does what it says."""

import json
import os
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

from deca_nb.evaluation import MostPopular, evaluate, metric_columns
from deca_nb.experiments import (
    CONSTANTS,
    EXPERIMENTS,
    JUDGED,
    Bench,
    Runs,
    Trial,
    as_markdown,
    beside_paper,
    compare_runs,
    execute,
    load_data,
    published,
    ranker_rows,
    run_trial,
    should_denoise,
    sweep,
    table4,
    tuned,
    world_data,
    world_map,
    write_results,
)
from deca_nb.interactions import CLEAN, PAPER, InputError, authors_split
from deca_nb.interpretation import figure4
from deca_nb.training import Settings

SMALL = world_data(n_users=60, n_items=40, noise=0.05, cold_users=0.1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Runs:
    """One folder of runs, so that experiments share theirs."""
    return Runs(tmp_path_factory.mktemp("runs"))


def small(runs, protocol, **how) -> Bench:
    """A bench on which everything is over in seconds."""
    return Bench(runs, SMALL, protocol, seeds=2, most_epochs=1, **how)


SHORT = {
    "map": lambda bench: world_map(bench, 1, {"noise": (0.0, 0.03), "popularity_noise": (0.0, 1.0), "embedding_dim": (4,), "epochs": (1,)}),
    "tuned": lambda bench: tuned(bench, 2),
}
NEEDS_FILES = {"table1", "figure4"}


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name not in NEEDS_FILES])
def test_each_experiment_in_small(name, runs, tmp_path):
    experiment = EXPERIMENTS[name]
    bench = small(runs, CLEAN if experiment.protocol == "clean" else PAPER)
    found = SHORT.get(name, experiment.run)(bench)
    tables = {part: value for part, value in found.items() if isinstance(value, pd.DataFrame)}
    assert tables and all(len(table) for table in tables.values())
    write_results(found, tmp_path, name, as_markdown(found, name, "about"))
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}.md",
        *(f"{name}-{part}.{'csv' if part in tables else 'svg'}" for part in found),
    }
    plt.close("all")


def test_should_i_denoise_knows_the_head_room(runs):
    answer = should_denoise(small(runs, CLEAN), n_trials=2)["answer"]
    assert answer["what"].tolist() == ["DeCA", "DeCA(p)", "only what was meant"]
    assert (answer["low"] <= answer["high"]).all()


@pytest.mark.data
def test_figure_4_in_small(runs):
    found = figure4(Bench(runs, "authors:ml-100k", seeds=2, most_epochs=1))
    scores = {"DeCA", "DeCA(p)", "Normal", "popularity"}
    rated = found["by-rating"]
    assert set(rated["score"]) == scores and rated["rating"].nunique() == 5 and set(rated["seed"]) == {0, 1}
    assert rated[rated["score"] == "popularity"].groupby("rating")["mean"].nunique().eq(1).all()  # knows no seed
    assert (rated[rated["score"] == "DeCA"].groupby("rating")["mean"].nunique() == 2).all()
    assert found["auc"]["overall value"].between(0.5, 0.8).all()
    plt.close("all")


def test_tuning_says_what_it_lacks(runs):
    with pytest.raises(InputError, match="NDCG on validation to tune by"):
        tuned(small(runs, PAPER), 2)
    with pytest.raises(InputError, match="no validation pairs"):
        should_denoise(small(runs, CLEAN, load=lambda data, protocol: without_validation(load_data(data, protocol))), n_trials=2)
    with pytest.raises(InputError, match="row-sparse"):
        small(runs, CLEAN, optimiser="row-sparse").trial("LightGCN", "Normal", 0)


def without_validation(split):
    return replace(split, valid=split.valid.select(slice(0)), known=split.train)


def test_figures_2_and_4_say_what_they_lack(runs):
    with pytest.raises(InputError, match="--seeds 2"):
        EXPERIMENTS["figure2"].run(Bench(runs, SMALL, CLEAN, seeds=1))
    with pytest.raises(InputError, match="has none; give --data"):
        figure4(Bench(runs, SMALL, CLEAN))


@pytest.mark.data
@pytest.mark.parametrize("name", ["ml-100k", "modcloth"])
def test_table_1_is_counted(name, runs):
    table = EXPERIMENTS["table1"].run(Bench(runs, f"authors:{name}"))["table"].set_index("from")
    assert abs(table.loc["counted", "sparsity"] - table.loc["paper", "sparsity"]) < 0.004


@pytest.mark.data
def test_an_experiment_without_a_run_is_written(tmp_path):
    command = [sys.executable, "-c", "from deca_nb.cli import main; main()", "reproduce", "table1", "--data", "authors:modcloth", "--out", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert {path.name for path in tmp_path.glob("*.*")} == {f"table1-authors-modcloth-paper{end}" for end in (".md", "-table.csv")}


@pytest.mark.data
@pytest.mark.parametrize(("name", "prefix"), [("adressa", "adressa"), ("electronics", "electronics_5")])
def test_whole_folders_of_the_large_data_are_read(name, prefix, deca_data, tmp_path):
    """The release's training files are not at hand: of the real validation file, three quarters take their place."""
    (tmp_path / name).mkdir()
    real = deca_data / "authors-splits" / name
    lines = (real / f"{prefix}.valid.rating").read_text().splitlines(keepends=True)
    rows = 3 * len(lines) // 4
    for part, text in {"train.rating": lines[:rows], "valid.rating": lines[rows:], "test.negative": [(real / f"{prefix}.test.negative").read_text()]}.items():
        (tmp_path / name / f"{prefix}.{part}").write_text("".join(text))
    for protocol in (PAPER, CLEAN):
        split = authors_split(name, root=tmp_path, protocol=protocol)
        assert len(split.train) == rows and split.k == {"adressa": (5, 20), "electronics": (10, 50)}[name]
        assert len(split.train) / (split.n_users * split.n_items) < 1e-4
        some = replace(split, truth=split.truth.select(np.arange(min(2000, len(split.truth)))))
        per_user = evaluate(MostPopular(split.train), some, k=split.k)
        assert per_user["recall@" + str(split.k[1])].between(0, 1).all() and 0 < per_user["warm"].mean() < 1
    assert not np.isin(split.truth.keys(), split.known.keys()).any() and len(np.unique(split.truth.keys())) == len(split.truth)


@pytest.mark.data
def test_missing_train_is_named(runs):
    with pytest.raises(InputError, match=r"electronics_5\.train\.rating.*github\.com"):
        EXPERIMENTS["table5"].run(Bench(runs, "authors:electronics"))


@pytest.mark.data
def test_rankers_on_movielens():
    split = authors_split("ml-100k", protocol=PAPER)
    rows = ranker_rows(split, PAPER).set_index("model")
    judged = [column for column in rows if column.endswith(" lowest-id")]
    means = {name: {column.removesuffix(" lowest-id"): row[column].mean() for column in judged} for name, row in rows.iterrows()}
    assert means["EASE"] == pytest.approx({"recall@3": 0.0413, "recall@20": 0.1380, "ndcg@3": 0.0730, "ndcg@20": 0.0923}, abs=1e-3)
    assert means["MostPopular"] == pytest.approx({"recall@3": 0.0192, "recall@20": 0.0912, "ndcg@3": 0.0393, "ndcg@20": 0.0593}, abs=5e-4)
    assert means["MostPopular (unmasked)"] == pytest.approx({"recall@3": 0.0277, "recall@20": 0.1084, "ndcg@3": 0.0477, "ndcg@20": 0.0668}, abs=5e-4)


# What is kept.


def trials(n: int = 3) -> list[Trial]:
    """A few short runs."""
    return [Trial(SMALL, "GMF", "Normal", seed, settings=Settings(epochs=1)) for seed in range(n)]


def test_a_finished_run_is_not_run_again(tmp_path, monkeypatch):
    kept = Runs(tmp_path)
    first = sweep(trials(), kept)
    monkeypatch.setattr("deca_nb.experiments.execute", lambda *_: pytest.fail("run twice"))
    assert sweep(trials(), kept)["validation"].tolist() == first["validation"].tolist()
    kept.pack()
    assert sweep(trials(), kept)["validation"].tolist() == first["validation"].tolist()
    assert set(kept.fingerprints()) == {trial.name() for trial in trials()}


def test_packing_keeps_what_was_packed_before(tmp_path):
    kept = Runs(tmp_path)
    sweep(trials(1), kept)
    kept.pack()
    sweep(trials(3), kept)
    kept.pack()
    assert len(kept.read([trial.name() for trial in trials()])) == 3
    assert [path.name for path in tmp_path.glob("*.parquet")] == ["runs.parquet"]
    kept.pack()
    assert set(kept.fingerprints()) == {trial.name() for trial in trials()}


def test_two_processes_give_the_same_rows(tmp_path):
    apart, together = sweep(trials(), Runs(tmp_path / "a"), jobs=2), sweep(trials(), Runs(tmp_path / "b"))
    for column in ("recall@20 expected", "ndcg@5 lowest-id"):
        assert np.array_equal(np.stack(apart[column]), np.stack(together[column]))


def test_shared_checkpoints_change_nothing(tmp_path):
    prior = [Trial(SMALL, "GMF", method, 0, settings=Settings(epochs=2)) for method in ("Normal", "DeCA(p)", "Ensemble")]
    together = sweep(prior, Runs(tmp_path))
    for trial, (_, row) in zip(prior, together.iterrows(), strict=True):
        split = load_data(SMALL, CLEAN)
        alone = execute(trial, split, split, {})
        assert np.array_equal(row["recall@20 expected"], alone["recall@20 expected"])


def test_what_is_learned_from_liked_clicks_shares_no_weights_with_the_rest(tmp_path):
    alike = Trial(SMALL, "GMF", "Ensemble", 0, settings=Settings(epochs=3, learning_rate=0.01))
    both = [alike, replace(alike, labels="liked")]
    after, first = sweep(both, Runs(tmp_path / "a")), sweep(both[::-1], Runs(tmp_path / "b"))
    for one, other in zip(after.itertuples(), first[::-1].itertuples(), strict=True):
        assert one.validation == other.validation
    assert after["validation"].nunique() == 2


def test_a_run_on_other_data_is_run_again(tmp_path):
    def other_data(data, protocol):
        return load_data(world_data(n_users=60, n_items=40, noise=0.05, cold_users=0.1, seed=1), protocol)

    kept = Runs(tmp_path)
    one, other = sweep(trials(1), kept), sweep(trials(1), kept, load=other_data)
    assert one["fingerprint"][0] != other["fingerprint"][0] == other_data("", CLEAN).fingerprint()
    kept.pack()
    assert kept.fingerprints() == {trials(1)[0].name(): other["fingerprint"][0]}


def test_threads_are_given_back(tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    run_trial(trials(1)[0], Runs(tmp_path))
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)


def test_recovery_judges_what_was_learned():
    bench = Bench(None, SMALL, CLEAN, most_epochs=1)
    split = load_data(SMALL, CLEAN)
    for method, errors in {"DP": {"h error"}, "DN": {"h_prime error"}, "DeCA": {"h error", "h_prime error"}, "Normal": set()}.items():
        assert {name for name in execute(bench.trial("GMF", method, 0), split, split, {}) if name.endswith("error")} == errors


def test_a_killed_sweep_goes_on(tmp_path):
    command = [sys.executable, "-c", "from deca_nb.cli import main; main()", "reproduce", "table2", "--data", "world", "--models", "GMF"]
    command += ["--epochs", "1", "--seeds", "3", "--out", str(tmp_path)]
    folder, env = tmp_path / "runs" / "world-paper", os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 120
    while len(list(folder.glob("run-*.parquet"))) < 4 and time.monotonic() < limit:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("run-*.parquet")}
    assert 4 <= len(kept) < 21, "killed too early or too late"
    names = [path.stem.removeprefix("run-") for path in kept]
    before = Runs(folder).read(names)["seconds"].tolist()
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert Runs(folder).read(names)["seconds"].tolist() == before, "a finished run was run again"
    assert len(Runs(folder).fingerprints()) == 21


def test_a_run_says_what_it_was(tmp_path):
    kept = Runs(tmp_path)
    run_trial(trials(1)[0], kept)
    row = kept.read([trials(1)[0].name()]).iloc[0]
    assert json.loads(row["settings"])["epochs"] == 1 and json.loads(row["parts"])["sampler"] == "true-negatives"
    assert row["fingerprint"] == load_data(SMALL, CLEAN).fingerprint() and "torch" in row["versions"] and row["seconds"] > 0


# What is judged.


def test_a_row_holds_what_evaluate_gives():
    split = load_data(SMALL, CLEAN)
    row = execute(trials(1)[0], split, split, {})
    rows = ranker_rows(split, CLEAN)
    assert len(row["recall@20 expected"]) == len(np.unique(split.truth.users)) == len(row["warm"])
    from deca_nb.baselines import RANKERS

    for _, ranked in rows.iterrows():
        for ties in JUDGED:
            per_user = evaluate(RANKERS[ranked["model"]](split.train), split, k=split.k, ties=ties)
            for metric in metric_columns(per_user):
                assert np.allclose(ranked[f"{metric} {ties}"], per_user[metric], atol=1e-6)


def test_a_method_does_not_differ_from_itself(runs):
    rows = sweep(trials(), runs)
    found = compare_runs(rows, rows, "recall@20", "expected")
    assert (found["difference"], found["low"], found["high"], found["p"], found["d_z"]) == (0, 0, 0, 1, 0)


def test_beside_the_paper(runs):
    rows = sweep(trials(), runs)
    printed = published(2).query("method == 'Normal' and model == 'GMF' and data == 'authors:modcloth'").assign(data=SMALL)
    table = beside_paper(rows, "expected", printed).set_index("metric")
    assert table.loc["recall@5", "mean_paper"] == 0.063
    assert table.loc["recall@5", "difference"] == pytest.approx(table.loc["recall@5", "mean"] - 0.063)
    assert bool(table.loc["recall@5", "near"]) == (abs(table.loc["recall@5", "in_sd"]) <= 2 or abs(table.loc["recall@5", "in_percent"]) <= 10)


def test_constants_reach_the_runs(runs):
    bench = small(runs, PAPER)
    found = {json.loads(text)["c1"] for text in bench.sweep([bench.trial("GMF", "DeCA", 0, c1=c1) for c1 in CONSTANTS])["settings"]}
    assert found == set(CONSTANTS)
    assert set(table4(bench)["cells"]["h_model"]) == {"MF", "GMF", "NeuMF"}


def test_ties_can_be_chosen(runs):
    bench = small(runs, PAPER, models=("GMF",))
    assert bench.ties == "lowest-id" and replace(bench, judged_by="expected").ties == "expected"
