"""Golden runs: recipes whose weights and metrics were recorded.

That was before the recipe, the trainer and the two halves of a protocol were made.

On the machine that recorded them the new code gave equal weights and equal metrics of every user to the last
bit, for all of these; here their sums and means are compared. `python tests/test_golden.py` prints the
largest differences.
"""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from conftest import ROOT

from deca_nb.datasets import load_data
from deca_nb.evaluation import metric_columns
from deca_nb.interactions import Split, get_protocol
from deca_nb.judging import judge
from deca_nb.names import find
from deca_nb.recipe import make_recipe
from deca_nb.training import Run
from deca_nb.worlds import World

GOLDEN = json.loads((ROOT / "tests" / "golden" / "values.json").read_text(encoding="utf-8"))
TOLERANCE = 1e-5
# The defaults of those days, which the files do not repeat.
WHEN_RECORDED = {"epochs": 20, "l2": 0.1, "c1": 1000.0}


@cache
def split_of(data: str, protocol: str) -> Split:
    """The data of a golden run."""
    if data == "small":
        return World(n_users=120, n_items=80, density=0.12, cold_users=0.1, seed=3).sample()
    return load_data(data, protocol)


def made_again(golden: dict) -> dict:
    """The sum of the absolute weights of every trained model, and the mean of each metric.

    Ranked by logit.
    """
    split = split_of(golden["data"], golden["protocol"])
    protocol = replace(get_protocol(golden["protocol"]), scores="logit")
    held = vars(find("method", golden["method"]).Settings())
    recipe = make_recipe(
        golden["model"],
        golden["method"],
        {name: value for name, value in WHEN_RECORDED.items() if name in held} | golden["numbers"],
        seed=1,
        parts=protocol.training,
        liked=split.liked,
    )
    method = Run(recipe, split.train, split.valid).fit().method
    trained = [
        part
        for name, part in method.named_children()
        if name in ("f", "g", "h", "h_prime") and not (name == "g" and "(p)" in golden["method"])
    ]
    weights = sum(
        float(value.double().abs().sum()) for part in trained for value in part.state_dict().values()
    )
    per_user = judge(method.f, split, protocol.judging, k=split.k)
    return {"weights": weights, "metrics": per_user[metric_columns(per_user)].mean().to_dict()}


def gap(golden: dict) -> float:
    """The largest difference: of the weights in relation to their sum, of the metrics as they are."""
    found = made_again(golden)
    return max(
        abs(found["weights"] / golden["weights"] - 1),
        *(abs(found["metrics"][name] - value) for name, value in golden["metrics"].items()),
    )


def params():
    """The runs, those on the authors' files marked."""
    for name, golden in GOLDEN.items():
        yield pytest.param(
            golden, id=name, marks=[pytest.mark.data] if golden["data"].startswith("authors:") else []
        )


@pytest.mark.parametrize("golden", list(params()))
def test_golden(golden):
    assert gap(golden) < TOLERANCE


def test_the_golden_runs_cover_the_house():
    of = {(golden["protocol"], golden["model"], golden["method"]) for golden in GOLDEN.values()}
    models, methods = ("MF", "GMF", "NeuMF", "CDAE", "LightGCN"), ("Normal", "DeCA", "DeCA(p)")
    assert {
        (protocol, model, method) for protocol in ("clean", "paper") for model in models for method in methods
    } <= of
    assert {
        "T-CE",
        "WBPR",
        "Ensemble",
        "R-CE",
        "Oracle",
        "KL",
        "SelfDistillation",
        "LabelFit",
        "LabelSmoothing",
    } <= {method for _, _, method in of}
    assert {"small", "movielens-100k", "authors:ml-100k"} == {golden["data"] for golden in GOLDEN.values()}


if __name__ == "__main__":
    gaps = {name: gap(golden) for name, golden in GOLDEN.items()}
    print(
        f"{len(gaps)} runs; largest difference {np.max(list(gaps.values())):.1e} ({max(gaps, key=gaps.get)})"
    )
