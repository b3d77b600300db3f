"""One model of implicit on a split that `peers.py` wrote: `python run_implicit.py SPLIT.npz MODEL FOLDER`.

Prints one line of JSON: seconds of each iteration, and of recommending 20 items to every user. One thread.
"""

import json
import sys

import implicit
import numpy as np
import scipy.sparse as sp
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from timing import seconds_of

MODELS = {"ALS": AlternatingLeastSquares, "BPR": BayesianPersonalizedRanking}


def matrix(split, part: str) -> sp.csr_matrix:
    """The pairs of a part as users x items."""
    users, items = split[f"{part}.users"], split[f"{part}.items"]
    return sp.csr_matrix((np.ones(len(users), np.float32), (users, items)), shape=split["shape"])


def main(path: str, model: str, _folder: str):
    """Trains and recommends a few times."""
    split = np.load(path)
    train, known = matrix(split, "train"), matrix(split, "known")
    users, more = np.arange(known.shape[0]), 11

    def fitted(iterations):
        net = MODELS[model](factors=32, iterations=iterations, num_threads=1, random_state=0)
        net.fit(train, show_progress=False)
        return net

    once, often = (min(seconds_of(lambda n=n: fitted(n)) for _ in range(3)) for n in (1, more))
    net = fitted(1)
    shown = [seconds_of(lambda: net.recommend(users, known, N=20)) for _ in range(4)]
    found = {"model": model, "method": "Normal", "versions": {"implicit": implicit.__version__}}
    print(json.dumps(found | {"epoch": [(often - once) / (more - 1)], "recommend": shown[1:]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
