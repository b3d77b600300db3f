"""NeuMF, CDAE and LightGCN beside plain versions of themselves: the same numbers, and sooner.

The data have MovieLens-100K's size. Times are compared within one process, the least of many turns each, and
only their ratio counts. The limits leave half of what was measured on a quiet machine.
"""

import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT

from deca_nb.batches import PairBatches, RowBatches, TrueNegatives
from deca_nb.interactions import Interactions
from deca_nb.models import CDAE, LightGCN, NeuMF, bags
from deca_nb.training import n_threads

sys.path.append(str(ROOT / "benchmarks"))
import plain

pytestmark = pytest.mark.alone

N_USERS, N_ITEMS, N_CLICKS = 944, 1611, 80_000


@pytest.fixture(scope="module")
def clicks() -> Interactions:
    """Clicks of MovieLens' size on items of very different popularity."""
    rng = np.random.default_rng(0)
    users, items = rng.integers(N_USERS, size=2 * N_CLICKS), rng.random(2 * N_CLICKS) ** 2 * N_ITEMS
    keys = rng.permutation(np.unique(users * N_ITEMS + items.astype(np.int64)))[:N_CLICKS]
    return Interactions(keys // N_ITEMS, keys % N_ITEMS, pd.RangeIndex(N_USERS), pd.RangeIndex(N_ITEMS))


def plain_lightgcn(model, users, items):
    """One layer after the other, all kept, and torch's own backward pass."""
    layers = [(model.user_factors.weight, model.item_factors.weight)]
    for _ in range(model.n_layers):
        of_users, of_items = layers[-1]
        layers.append((model.from_items.times(of_items), model.from_users.times(of_users)))
    user_table, item_table = (sum(tables) / len(layers) for tables in zip(*layers, strict=True))
    return (user_table[users] * item_table[items]).sum(-1)


def plain_cdae(model, users, items):
    """Two rows gathered for each pair."""
    named, position = users.unique(return_inverse=True)
    columns, _, starts = model.rows.take(named)
    counts = model.rows.offsets.diff()[named]
    values = model.corrupt(model.input_values(columns, counts.repeat_interleave(counts)))
    heard = bags(columns, values, starts, model.item_encoder.weight)
    hidden = torch.tanh(heard + model.user_vectors(named) + model.bias)
    return (hidden[position] * model.item_decoder(items)).sum(-1) + model.item_bias(items).squeeze(-1)


PLAIN = {NeuMF: plain.PlainNeuMF.forward, LightGCN: plain_lightgcn, CDAE: plain_cdae}
LEAST = {NeuMF: 1.3, LightGCN: 2.5, CDAE: 1.8}


def seeded() -> torch.Generator:
    """A generator that always starts alike."""
    return torch.Generator().manual_seed(0)


def one_batch(cls: type, clicks: Interactions):
    """A batch of the kind that the model trains on."""
    if cls.trains_on == "rows":
        batches = RowBatches(clicks, 2048)
    else:
        batches = PairBatches(clicks, TrueNegatives(clicks), 2048)
    return next(batches.epoch(seeded()))


def gradients(model, logits) -> list[torch.Tensor]:
    """The gradients of a loss of these logits."""
    return torch.autograd.grad(logits.sigmoid().mean(), list(model.parameters()))


def ratio(slow, fast, turns: int = 15) -> float:
    """How many times as long the slow one takes: the least of some turns each, taken alternately."""
    taken = {slow: [], fast: []}
    with n_threads(1):
        for _ in range(turns):
            for one, seconds in taken.items():
                started = time.process_time()
                one()
                seconds.append(time.process_time() - started)
    return min(taken[slow]) / min(taken[fast])


@pytest.mark.parametrize("cls", list(PLAIN))
def test_a_step_is_the_plain_one_and_sooner(cls, clicks):
    model, batch = cls(clicks, generator=seeded()), one_batch(cls, clicks)

    def fast():
        return gradients(model, model(batch.users, batch.items))

    def slow():
        return gradients(model, PLAIN[cls](model, batch.users, batch.items))

    model.eval()
    for ours, theirs in zip(fast(), slow(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)
    model.train()
    assert ratio(slow, fast) > LEAST[cls]


def test_a_ranking_by_neumf_is_the_plain_one_and_sooner(clicks):
    model, users = NeuMF(clicks, generator=seeded()), torch.arange(48)

    @torch.no_grad()
    def fast():
        return model.score_all(users)

    @torch.no_grad()
    def slow():
        pairs = users.repeat_interleave(N_ITEMS), torch.arange(N_ITEMS).repeat(len(users))
        return plain.PlainNeuMF.forward(model, *pairs).view(len(users), -1)

    torch.testing.assert_close(fast(), slow(), rtol=1e-4, atol=1e-6)
    assert ratio(slow, fast, turns=8) > 2.5


def test_a_frozen_lightgcn_is_asked_for_little(clicks):
    model, batch = LightGCN(clicks, generator=seeded()).requires_grad_(False), one_batch(LightGCN, clicks)

    @torch.no_grad()
    def kept():
        return model(batch.users, batch.items)

    @torch.no_grad()
    def anew():
        model.kept = None
        return model(batch.users, batch.items)

    torch.testing.assert_close(kept(), anew())
    assert ratio(anew, kept) > 3
