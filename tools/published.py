"""The published MovieLens table again: `python tools/published.py [--seeds 3]` writes results/published/reproduction.csv.

Protocol paper, released hyper-parameters, four models by normal training, DeCA and DeCA(p). A run that is in the file is not run again.
About half an hour for three seeds on one core.
"""

import argparse
from pathlib import Path

import pandas as pd

from deca_nb.cli import provenance, train_and_score, training_options
from deca_nb.evaluation import metric_columns
from deca_nb.interactions import PAPER, authors_split, replacing

FILE = Path(__file__).parents[1] / "results" / "published" / "reproduction.csv"
RUNS = [(model, method) for model in ("GMF", "LightGCN", "CDAE", "NeuMF") for method in ("Normal", "DeCA", "DeCA(p)")]


def main():
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    split = authors_split("ml-100k", protocol=PAPER)
    table = pd.read_csv(FILE) if FILE.exists() else pd.DataFrame(columns=["model", "method", "seed"])
    for seed in seeds:
        for model, method in RUNS:
            if ((table["model"] == model) & (table["method"] == method) & (table["seed"] == seed)).any():
                continue
            per_user, history = train_and_score(split, PAPER, method, training_options(model), seed, split.k, PAPER.ties)
            means = per_user[metric_columns(per_user)].mean().round(6)
            row = {"data": split.name, "model": model, "method": method, "seed": seed, "epochs": len(history), **means}
            table = pd.concat([table, pd.DataFrame([row])], ignore_index=True)
            with replacing(FILE) as draft:
                table.to_csv(draft, index=False)
    with replacing(FILE.with_suffix(".txt")) as draft:
        draft.write_text(provenance(split, PAPER, PAPER.ties, seeds) + "\n")


if __name__ == "__main__":
    main()
