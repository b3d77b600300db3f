"""One model of LensKit on a split that `peers.py` wrote: `python run_lenskit.py SPLIT.npz MODEL FOLDER`.

Prints one line of JSON: seconds of an epoch, or of the whole fit of a model without epochs, and of
recommending 20 items to every user. One thread.
"""

import json
import sys

import lenskit
import numpy as np
import pandas as pd
import torch
from lenskit.als import ImplicitMFScorer
from lenskit.batch import recommend
from lenskit.data import from_interactions_df
from lenskit.knn import ItemKNNScorer
from lenskit.pipeline import topn_pipeline
from timing import seconds_of


def scorer(model: str, epochs: int):
    """A scorer that is not trained yet."""
    if model == "ItemKNN":
        return ItemKNNScorer(max_nbrs=20, feedback="implicit")
    return ImplicitMFScorer(features=32, epochs=epochs)


def main(path: str, model: str, _folder: str):
    """Trains and recommends a few times."""
    torch.set_num_threads(1)
    split, more = np.load(path), 11
    pairs = pd.DataFrame({"user_id": split["train.users"], "item_id": split["train.items"]})
    data = from_interactions_df(pairs)

    def fitted(epochs):
        pipeline = topn_pipeline(scorer(model, epochs), n=20)
        pipeline.train(data)
        return pipeline

    once = min(seconds_of(lambda: fitted(1)) for _ in range(3))
    if model == "ItemKNN":
        epoch = once
    else:
        epoch = (min(seconds_of(lambda: fitted(more)) for _ in range(3)) - once) / (more - 1)
    pipeline, users = fitted(1), pairs["user_id"].unique()
    shown = [seconds_of(lambda: recommend(pipeline, users, n=20, n_jobs=1)) for _ in range(2)]
    versions = {"lenskit": lenskit.__version__, "torch": torch.__version__, "numpy": np.__version__}
    found = {"model": model, "method": "Normal", "versions": versions}
    print(json.dumps(found | {"epoch": [epoch], "recommend": shown}))


if __name__ == "__main__":
    main(*sys.argv[1:])
