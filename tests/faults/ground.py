"""The ground that is attacked: clicks in every format, saved models, kept runs, and what each must say."""

import gzip
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from child import Lost, in_child

from deca_nb import rankers  # noqa: F401  the rankers have names from here on
from deca_nb.checkpoints import fit_kept
from deca_nb.datasets import load_named, world_data
from deca_nb.interactions import fingerprint, read_interactions
from deca_nb.recipe import make_recipe
from deca_nb.recommender import Recommender
from deca_nb.runs import Job, Runs, sweep
from deca_nb.training import Run

FORMATS = ("csv", "tsv", "csv.gz", "csv.zip", "jsonl", "parquet", "feather", "inter")
MODELS = {"DeCA": "GMF", "Normal": "CDAE", "EASE": "GMF", "ItemKNN": "GMF"}


def log(n_users: int = 60, n_items: int = 40, n: int = 600, seed: int = 0) -> pd.DataFrame:
    """Clicks with text ids, ratings and times, each pair once."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "user": [f"u{user}" for user in rng.integers(0, n_users, n)],
            "item": [f"i{item}" for item in (n_items * rng.random(n) ** 2).astype(int)],
            "rating": rng.integers(1, 6, n),
            "timestamp": 1_600_000_000 + rng.integers(0, 10**7, n),
        }
    )
    return frame.drop_duplicates(["user", "item"], ignore_index=True)


def write_formats(frame: pd.DataFrame, folder: Path):
    """The clicks once in each format, and a title for each item."""
    text = frame.to_csv(index=False)
    (folder / "clicks.csv").write_text(text)
    (folder / "clicks.tsv").write_text(frame.to_csv(index=False, sep="\t"))
    (folder / "clicks.csv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    with zipfile.ZipFile(folder / "clicks.csv.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("clicks.csv", text)
    frame.to_json(folder / "clicks.jsonl", orient="records", lines=True)
    frame.to_parquet(folder / "clicks.parquet", index=False)
    frame.to_feather(folder / "clicks.feather")
    typed = ["user_id:token", "item_id:token", "rating:float", "timestamp:float"]
    (folder / "clicks.inter").write_text(frame.set_axis(typed, axis=1).to_csv(index=False, sep="\t"))
    items = sorted(set(frame["item"]))
    titles = pd.DataFrame({"item": items, "title": [f"The {item}" for item in items]})
    titles.to_csv(folder / "titles.csv", index=False)


def jobs() -> list[Job]:
    """Three small trainings on a world."""
    data = world_data(n_users=60, n_items=40, seed=1)
    split = load_named(data, "honest")
    recipe = make_recipe("MF", "Normal", {"epochs": 2}, data=data)
    recipe = replace(recipe, fingerprint=fingerprint(split.train, split.valid))
    return [Job(replace(recipe, seed=seed)) for seed in (0, 1, 2)]


def to_train() -> Run:
    """A training whose state is kept."""
    split = load_named(world_data(n_users=60, n_items=40, seed=1), "honest")
    return Run(make_recipe("GMF", "DeCA", {"epochs": 3, "batch_size": 64}, seed=1), split.train, split.valid)


def weights_of(trainer) -> dict:
    """What came of a training, as plain lists."""
    return {name: weight.tolist() for name, weight in trainer.method.state_dict().items()}


def answers(folder: Path) -> list:
    """What a saved folder says."""
    torch.set_num_threads(1)
    loaded = Recommender.load(folder, device="cpu")
    lists = loaded.recommend(k=3)
    return [lists.astype(str).values.tolist(), loaded.recipe.key(), len(loaded.history)]


def rows_of(runs: Runs) -> str:
    """The rows of the three trainings, made where they are missing, less their seconds."""
    return sweep(jobs(), runs).drop(columns="seconds").to_csv(index=False)


def from_child(work: Callable):
    """What some work in a child gives, as JSON has it. Raises `Lost` with what it raised."""
    ended = in_child(lambda: print(json.dumps(work())))
    if ended.code:
        raise Lost(ended.err[-400:])
    return json.loads(ended.out.splitlines()[-1])


def answers_of(folder: Path) -> list:
    """What a saved folder says, asked in a child."""
    return from_child(lambda: answers(folder))


def make_models(folder: Path):
    """A saved folder of each kind, with weights that lists come from."""
    clicks = read_interactions(folder / "clicks.csv")
    for method, model in MODELS.items():
        numbers = {"epochs": 2, "embedding_dim": 4} if method in ("DeCA", "Normal") else {}
        made = Recommender(model, method, device="cpu", threads=1, **numbers).fit(clicks)
        made.refit(clicks).save(folder / "models" / method)


def make_runs(folder: Path):
    """Kept runs, one file each and packed, and the state of a training."""
    for name in ("alone", "packed"):
        runs = Runs(folder / "runs" / name)
        sweep(jobs(), runs)
        if name == "packed":
            runs.pack()
    fit_kept(to_train(), folder / "state", 0)


def make_ground(folder: Path) -> dict:
    """Everything that is attacked, in that folder; and what the parts of it must say."""
    folder.mkdir(parents=True)
    write_formats(log(), folder)
    in_child(lambda: make_models(folder))
    in_child(lambda: make_runs(folder))
    (folder / "options.toml").write_text('data = "clicks.csv"\nepochs = 1\nmethod = "DeCA"\nc1 = 10\n')
    return {
        "models": {name: answers_of(folder / "models" / name) for name in MODELS},
        "runs": from_child(lambda: rows_of(Runs(folder / "runs" / "alone"))),
        "weights": from_child(lambda: weights_of(to_train().fit())),
    }


def copy_of(path: Path, place: Path) -> Path:
    """A copy of a file or folder of the ground, to be spoilt."""
    copy = place / path.name
    if path.is_dir():
        shutil.copytree(path, copy)
    else:
        shutil.copy(path, copy)
    return copy
