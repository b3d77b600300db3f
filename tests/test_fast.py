"""A step of the factor models against a plainly composed one, as ratios and never in seconds.

The plain step is what a reader would write: embeddings, autograd through the objective's own functions, and
torch's dense Adam. Machines and their load differ, so both are timed in turn, and the limits leave room.
"""

import time
from statistics import median

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from deca_nb.batches import balanced_mean
from deca_nb.interactions import Interactions
from deca_nb.objective import deca_loss, dn_log_likelihood, dp_log_likelihood, from_logits
from deca_nb.recipe import make_recipe
from deca_nb.training import Run, Trainer


def trainer_of(n_users: int, n_items: int, optimiser: str = "dense") -> Trainer:
    """A trainer of GMF by DeCA on some 80,000 clicks at random."""
    drawn = np.unique(np.random.default_rng(0).integers(n_users * n_items, size=80_000))
    sizes = pd.RangeIndex(n_users), pd.RangeIndex(n_items)
    train = Interactions(drawn // n_items, drawn % n_items, *sizes)
    recipe = make_recipe("GMF", "DeCA", {"optimiser": optimiser, "l2": 0.1})
    return Run(recipe, train, threads=1).trainer()


class PlainStep:
    """The same step from torch's own parts: `table[index]`, composed functions, `torch.optim.Adam`."""

    def __init__(self, trainer: Trainer):
        self.method, self.penalty = trainer.method, trainer.penalty
        weights = [weight for weight in self.method.parameters() if weight.requires_grad]
        self.optimiser = torch.optim.Adam(weights, fused=True)

    def logits(self, model: nn.Module, batch) -> torch.Tensor:
        """The logits of the pairs by an embedding of each."""
        users = nn.functional.embedding(batch.users, model.user_factors.weight)
        items = nn.functional.embedding(batch.items, model.item_factors.weight)
        product = users * items
        return model.output(product).squeeze(-1) if hasattr(model, "output") else product.sum(-1)

    def loss(self, batch, step: int) -> torch.Tensor:
        """Eq. 9 with Eq. 14 or 15, and the penalty of the batch's rows."""
        method, settings = self.method, self.method.settings
        f, g = (from_logits(self.logits(model, batch)) for model in (method.f, method.g))
        other = from_logits(self.logits(method.h_prime if step % 2 else method.h, batch))
        likelihood, cost = (dn_log_likelihood, settings.c2) if step % 2 else (dp_log_likelihood, settings.c1)
        each = deca_loss(likelihood(f, other, batch.observed, cost), f, g, settings.alpha)
        rows = [
            nn.functional.embedding(index.unique(), table.weight)
            for index, table in ((batch.users, method.f.user_factors), (batch.items, method.f.item_factors))
        ]
        norms = sum(part.square().sum() for part in (*rows, *method.f.output.parameters()))
        return balanced_mean(each, batch.observed) + self.penalty.l2 / self.penalty.n_users * norms

    def __call__(self, batch, step: int):
        """One step."""
        self.optimiser.zero_grad()
        self.loss(batch, step).backward()
        self.optimiser.step()


def times(*steps, batches: list, repeats: int = 40) -> list[float]:
    """The median seconds of some kinds of step, taken in turn on the same batches."""
    taken = [[] for _ in steps]
    for i in range(repeats):
        for step, seconds in zip(steps, taken, strict=True):
            started = time.process_time()
            step(batches[i % len(batches)], i)
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
def test_a_step_is_the_plain_step(n_users, n_items):
    fast, plain = trainer_of(n_users, n_items), trainer_of(n_users, n_items)
    plain_step = PlainStep(plain)
    batches = list(fast.batches.epoch(fast.generator))[:4]
    for i, batch in enumerate(batches):
        ours = fast.method.loss(batch, i) + fast.penalty(fast.method.f, batch)
        assert ours.item() == pytest.approx(plain_step.loss(batch, i).item(), rel=1e-5)
        fast.step(batch)
        plain_step(batch, i)
    for one, other in zip(fast.method.parameters(), plain.method.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("n_users", "n_items", "at_least"), [(900, 1600, 1.2), (40_000, 1000, 1.2)])
def test_a_step_is_faster_than_the_plain_one(n_users, n_items, at_least):
    trainer = trainer_of(n_users, n_items)
    batches = list(trainer.batches.epoch(trainer.generator))
    plain = PlainStep(trainer_of(n_users, n_items))
    ours, theirs = times(lambda batch, i: trainer.step(batch), plain, batches=batches)
    assert theirs / ours > at_least


def test_row_sparse_steps_win_where_a_table_is_much_larger_than_a_batch():
    dense, sparse = (trainer_of(100_000, 1000, name) for name in ("dense", "row-sparse"))
    batches = list(dense.batches.epoch(dense.generator))
    slow, fast = times(
        lambda batch, i: dense.step(batch), lambda batch, i: sparse.step(batch), batches=batches
    )
    assert slow / fast > 1.2
