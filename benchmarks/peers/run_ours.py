"""One of our models on a split that `peers.py` wrote: `python run_ours.py SPLIT.npz MODEL FOLDER`.

MODEL may name a method too: GMF+DeCA. Prints one line of JSON: seconds of each epoch, of each full evaluation
and of recommending 20 items to every user. One thread.
"""

import json
import sys

import numpy as np
import pandas as pd
import torch
from timing import seconds_of

import deca_nb
from deca_nb.cli import keep_memory
from deca_nb.evaluation import evaluate
from deca_nb.interactions import Interactions, Split
from deca_nb.ranking import masked_scores, top_items
from deca_nb.recipe import make_recipe
from deca_nb.training import Run

PARTS = ("train", "valid", "truth", "known")


def main(path: str, what: str, _folder: str):
    """Trains, evaluates and recommends a few times."""
    keep_memory()
    torch.set_num_threads(1)
    file, (model, _, method) = np.load(path), what.partition("+")
    ids = [pd.RangeIndex(n) for n in file["shape"]]
    split = Split(
        *(Interactions(file[f"{part}.users"], file[f"{part}.items"], *ids) for part in PARTS),
        k=tuple(file["k"].tolist()),
    )
    trainer = Run(make_recipe(model, method or "Normal", {"epochs": 4, "l2": 0.001}), split.train).trainer()
    epochs = [seconds_of(trainer.epoch) for _ in range(4)]
    scorer, users = trainer.method.f.eval(), np.arange(split.n_users)
    evaluations = [seconds_of(lambda: evaluate(scorer, split, k=split.k)) for _ in range(4)]

    def recommend():
        for scores in masked_scores(scorer, split.known, users):
            top_items(scores, 20)

    shown = [seconds_of(recommend) for _ in range(4)]
    versions = {"deca_nb": deca_nb.__version__, "torch": torch.__version__, "numpy": np.__version__}
    found = {"model": model, "method": method or "Normal", "versions": versions}
    times = {"epoch": epochs, "evaluation": evaluations, "recommend": shown}
    print(json.dumps(found | {name: taken[1:] for name, taken in times.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
