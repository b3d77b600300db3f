"""A step of the factor models beside the plain one of benchmarks/plain.py: the same numbers, and sooner.

Machines and their load differ, so both are timed in turn, only their ratio counts, and the limits leave room.
"""

import sys
import time
from statistics import median

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT

from deca_nb.interactions import Interactions
from deca_nb.recipe import make_recipe
from deca_nb.training import Run

sys.path.append(str(ROOT / "benchmarks"))
import plain

pytestmark = pytest.mark.alone


def run_of(n_users: int, n_items: int, optimiser: str = "dense") -> Run:
    """A run of GMF by DeCA on some 80,000 clicks at random."""
    drawn = np.unique(np.random.default_rng(0).integers(n_users * n_items, size=80_000))
    sizes = pd.RangeIndex(n_users), pd.RangeIndex(n_items)
    train = Interactions(drawn // n_items, drawn % n_items, *sizes)
    return Run(make_recipe("GMF", "DeCA", {"optimiser": optimiser, "l2": 0.1}), train)


def plain_method(run: Run):
    """The run's method with plain models, from the same start."""
    return plain.with_plain_models(run_of(run.train.n_users, run.train.n_items).untrained(), run.train)


def times(*steps, batches: list, repeats: int = 40) -> list[float]:
    """The median seconds of some kinds of step, taken in turn on the same batches."""
    taken = [[] for _ in steps]
    for i in range(repeats):
        for step, seconds in zip(steps, taken, strict=True):
            started = time.process_time()
            step(batches[i % len(batches)])
            seconds.append(time.process_time() - started)
    return [median(seconds[4:]) for seconds in taken]


@pytest.fixture(autouse=True)
def one_thread():
    """Threads of torch would be timed as processor time of all of them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("n_users", "n_items"), [(900, 1600), (40_000, 1000)])
def test_a_step_is_the_plain_step_and_sooner(n_users, n_items):
    run = run_of(n_users, n_items)
    trainer, method = run.trainer(), plain_method(run)
    batches = list(trainer.batches.epoch(trainer.generator))
    for i, batch in enumerate(batches[:4]):
        ours = trainer.method.loss(batch, i) + trainer.penalty(trainer.method.f, batch)
        theirs = plain.loss(method, batch, i) + plain.penalty(method.f, batch, run.settings.l2)
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    steps = plain.steps(method, iter(batches * 2), run.settings.learning_rate, run.settings.l2)
    for batch in batches[:4]:
        trainer.step(batch)
        next(steps)
    for one, other in zip(trainer.method.parameters(), method.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
    fast, slow = times(lambda batch: trainer.step(batch), lambda batch: next(steps), batches=batches)
    assert slow / fast > 1.2


def test_row_sparse_steps_win_where_a_table_is_much_larger_than_a_batch():
    dense, sparse = (run_of(100_000, 1000, name).trainer() for name in ("dense", "row-sparse"))
    batches = list(dense.batches.epoch(dense.generator))
    slow, fast = times(dense.step, sparse.step, batches=batches)
    assert slow / fast > 1.2
