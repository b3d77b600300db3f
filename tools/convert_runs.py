"""How the kept runs came to be named by recipe: `python tools/convert_runs.py [FOLDER ...]`.

A kept run was once described by the parts of its protocol, the numbers of all methods alike, and an
evaluator; now it is described by its recipe, and by how it is judged. This script reads each
FOLDER/runs.parquet of the old form (by default those of results/runs), gives every row its recipe and
writes it back. Nothing is trained: metrics, seconds, histories and versions stay as they were. Rows that
differed in numbers which their method does not have come to one name; their metrics must be equal, and one
is kept. The authors' data come from $DECA_DATA.
"""

import hashlib
import json
import sys
from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from deca_nb.datasets import load_named
from deca_nb.experiments import VARIANTS
from deca_nb.files import replacing
from deca_nb.interactions import Split, Training
from deca_nb.names import find
from deca_nb.recipe import Recipe
from deca_nb.runs import Job, describe_job
from deca_nb.training import Run

ROOT = Path(__file__).parent.parent
JUDGED_AS = {  # the old evaluator -> masking and scores
    "masked": ("known", "logit"),
    "as-released": ("as-released", "logit"),
    "by-probability": ("as-released", "probability"),
}
DESCRIBED = ("protocol", "labels", "parts", "settings", "sizes")  # what the recipe says now


def old_fingerprint(split: Split) -> str:
    """What `Split.fingerprint` was: a SHA-256 over the pairs alone, without ratings, times and noise."""
    parts = (split.train, split.valid, split.truth, split.known)
    return hashlib.sha256(b"".join(part.keys().tobytes() + b"|" for part in parts)).hexdigest()


@cache
def loaded(data: str, files: str) -> tuple[Split, str]:
    """The split, and its old fingerprint."""
    split = load_named(data, files)
    return split, old_fingerprint(split)


def training_parts(parts: dict, settings: dict) -> Training:
    """The training half of an old protocol."""
    kept = {part.name: parts[part.name] for part in fields(Training) if part.name in parts}
    if parts["stopper"] == "second-rise" and not settings["early_stop"]:
        kept["stopper"] = "never"
    mode = "evaluation" if parts["evaluator"] == "masked" else "training"
    return Training(**kept, stopper_ties=parts["ties"], prior_mode=mode)


def job_of(row: pd.Series) -> Job:
    """The recipe of an old row, and how it was judged."""
    parts, given = json.loads(row["parts"]), json.loads(row["settings"])
    split, _ = loaded(row["data"], parts["files"])
    method, fixed = VARIANTS.get(row["method"], (row["method"], {}))
    cls = find("method", method).Settings
    settings = cls(
        **{number.name: given[number.name] for number in fields(cls) if number.name in given} | fixed
    )
    recipe = Recipe(
        row["model"],
        method,
        settings,
        int(row["seed"]),
        json.loads(row["sizes"]),
        training_parts(parts, given),
        row["labels"],
        split.liked,
        row["data"],
    )
    recipe = Run(recipe, split.train, split.valid).recipe  # with the fingerprint of what it learns from
    watched = parts["ties"] if isinstance(row["history"], str) else ""
    return Job(recipe, parts["files"], *JUDGED_AS[parts["evaluator"]], watched)


def converted(row: pd.Series) -> dict:
    """The new form of an old row. Ends the script where the data are not those that the run was made of."""
    job = job_of(row)
    split, now = loaded(job.recipe.data, job.files)
    if row["fingerprint"] != now:
        sys.exit(
            f"{job.recipe.data}: run {row['name']} was made of {row['fingerprint']}, and the data are {now}."
        )
    measured = row.drop(
        ["name", "data", "fingerprint", "model", "method", "seed", "versions", *DESCRIBED]
    ).to_dict()
    if job.watched:
        told = [{"trains": job.recipe.method} | record for record in json.loads(row["history"])]
        measured["history"] = json.dumps(told)
    else:
        measured["history"] = None
    return describe_job(job, split) | {"versions": row["versions"]} | measured


def need_equal(rows: pd.DataFrame):
    """Ends the script where rows of one name measured different things."""
    for name in (name for name in rows if "@" in name or name in ("validation", "warm", "epochs")):
        first = np.asarray(rows[name].iloc[0], float)
        if not all(np.array_equal(first, np.asarray(value, float), equal_nan=True) for value in rows[name]):
            sys.exit(f"{rows['name'].iloc[0]}: {len(rows)} old runs have this name and differ in {name}.")


def convert(path: Path):
    """Writes the rows of one file in their new form, and says how many there were and are."""
    old = pd.read_parquet(path)
    if "parts" not in old:
        print(f"{path}: converted already")
        return
    rows = pd.DataFrame([converted(row) for _, row in old.iterrows()])
    for _, alike in rows[rows["name"].duplicated(keep=False)].groupby("name"):
        need_equal(alike)
    kept = rows.drop_duplicates("name").sort_values("name", ignore_index=True)
    with replacing(path) as draft:
        kept.to_parquet(draft, index=False, compression="zstd")
    print(
        f"{path}: {len(old)} rows became {len(kept)}; {len(old) - len(kept)} differed in unused numbers only"
    )


if __name__ == "__main__":
    for folder in sys.argv[1:] or sorted((ROOT / "results" / "runs").iterdir()):
        convert(Path(folder) / "runs.parquet")
