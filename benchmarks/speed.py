"""How fast the loops are: `python benchmarks/speed.py [--out results/speed.md]`.

Each figure stands beside a plain loop that does the same in the same run, so that the ratio says more than
the seconds of one machine. Medians of several repeats. Exit code 1 where a limit is broken. About half a
minute on two cores.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from deca_nb.batches import Batch, TrueNegatives, make_batch
from deca_nb.datasets import authors_split, movielens_100k
from deca_nb.denoising import DeCASettings
from deca_nb.evaluation import evaluate
from deca_nb.files import write_text
from deca_nb.interactions import CLEAN, Interactions, Split
from deca_nb.models import CDAE, GMF, MF, LightGCN
from deca_nb.names import name_of
from deca_nb.recipe import Recipe
from deca_nb.runs import provenance
from deca_nb.training import Run, dense_adam

EPOCH, GRAPH_EPOCH, RANKING = "one epoch of GMF + DeCA", "one epoch of LightGCN + DeCA", "one full evaluation"
LIMITS = {EPOCH: 0.25, GRAPH_EPOCH: 0.8, RANKING: 0.3}  # seconds on two cores
Timed = Callable[[], object]


def movielens() -> Split:
    """MovieLens as the authors split it where their files are, else our own split of it."""
    return authors_split("ml-100k", protocol=CLEAN) if os.environ.get("DECA_DATA") else movielens_100k()


def seeded() -> torch.Generator:
    """A generator that always starts alike."""
    return torch.Generator().manual_seed(0)


def run_of(model: type, split: Split) -> Run:
    """A run of DeCA that never validates."""
    return Run(Recipe(name_of("model", model), "DeCA", DeCASettings(epochs=1)), split.train)


def plain_epoch(run: Run, batches: Callable[[Interactions], Iterator[Batch]]) -> Timed:
    """A function that trains one epoch over these batches.

    By the same objective, penalty and optimiser as `Trainer.epoch`.
    """
    method, penalty = run.method()[0], run.penalty()
    optimiser = dense_adam(method, run.settings.learning_rate)

    def epoch():
        for step, batch in enumerate(batches(run.train)):
            optimiser.zero_grad()
            (method.loss(batch, step) + penalty(method.f, batch)).backward()
            optimiser.step()

    return epoch


def epoch_of(model: type, plain_model: type, plain_batches: Callable, split: Split) -> tuple[Timed, Timed]:
    """One epoch of DeCA, as `Trainer.epoch` does it and plainly."""
    return run_of(model, split).trainer().epoch, plain_epoch(run_of(plain_model, split), plain_batches)


# Pairs: the positives beside one drawn negative each.


def seen_items(train: Interactions) -> list[set[int]]:
    """The items that each user has."""
    seen = [set() for _ in range(train.n_users)]
    for user, item in zip(train.users.tolist(), train.items.tolist(), strict=True):
        seen[user].add(item)
    return seen


def plain_negatives(train: Interactions) -> list[int]:
    """A negative for each positive, by trying items until one is new."""
    seen, drawn = seen_items(train), []
    for user in train.users.tolist():
        item = random.randrange(train.n_items)
        while item in seen[user]:
            item = random.randrange(train.n_items)
        drawn.append(item)
    return drawn


def plain_pairs(train: Interactions) -> Iterator[Batch]:
    """The batches of one epoch, put together pair by pair, as a DataLoader does."""
    columns = (torch.tensor(column) for column in (train.users, train.items, plain_negatives(train)))
    for users, items, negatives in DataLoader(TensorDataset(*columns), batch_size=2048, shuffle=True):
        yield make_batch((users, items), (users, negatives), "cpu")


def sampling(split: Split) -> tuple[Timed, Timed]:
    """A negative for each training pair."""
    users = torch.tensor(split.train.users)
    return partial(TrueNegatives(split.train).draw, users, seeded()), partial(plain_negatives, split.train)


class PlainLightGCN(LightGCN):
    """Propagates for the positives, then again for the negatives, through torch.sparse and its autograd."""

    def __init__(self, train: Interactions, **how):
        super().__init__(train, **how)
        counts = self.graph.offsets.diff()
        places = torch.stack([torch.arange(len(counts)).repeat_interleave(counts), self.graph.columns])
        self.adjacency = torch.sparse_coo_tensor(
            places, self.graph.values, (len(counts),) * 2, check_invariants=True
        ).coalesce()

    def layers(self):
        layers = [torch.cat([self.user_factors.weight, self.item_factors.weight])]
        for _ in range(self.n_layers):
            layers.append(torch.sparse.mm(self.adjacency, layers[-1]))
        return layers

    def forward(self, users, items):
        logits = []
        for half_users, half_items in zip(users.chunk(2), items.chunk(2), strict=True):
            user_table, item_table = self.propagate()
            logits.append((user_table[half_users] * item_table[half_items]).sum(-1))
        return torch.cat(logits)


# Users: their whole ranking, and CDAE's step.


@torch.no_grad()
def plain_evaluation(model, split: Split, k: tuple[int, ...]) -> list[float]:
    """Mean recall and NDCG at each K: one user after the other, scored, sorted and looked through."""
    known, truth, found = seen_items(split.known), seen_items(split.truth), []
    for user, wanted in enumerate(truth):
        if not wanted:
            continue
        scores = model.score_all(torch.tensor([user]))[0]
        ranking = [item for item in scores.argsort(descending=True).tolist() if item not in known[user]]
        found.append([])
        for length in k:
            gains = [1 / np.log2(rank + 2) for rank, item in enumerate(ranking[:length]) if item in wanted]
            ideal = sum(1 / np.log2(rank + 2) for rank in range(min(length, len(wanted))))
            found[-1] += [len(gains) / len(wanted), sum(gains) / ideal]
    return np.mean(found, axis=0).tolist()


def ranking(split: Split) -> tuple[Timed, Timed]:
    """The same metrics, by both ways to the last digit that matters."""
    model = MF(split.train, generator=seeded())
    ours, plain = partial(evaluate, model, split, split.k), partial(plain_evaluation, model, split, split.k)
    np.testing.assert_allclose(ours().filter(like="@").mean(), plain(), atol=1e-6)
    return ours, plain


class PlainCDAE(CDAE):
    """Encodes dense rows of users x items, empty cells too."""

    def __init__(self, train: Interactions, **how):
        super().__init__(train, **how)
        self.seen = torch.as_tensor(train.to_csr().toarray())

    def forward(self, users, items):
        distinct, position = users.unique(return_inverse=True)
        seen = self.seen[distinct]
        scale = (seen.sum(1, keepdim=True) * self.item_counts).clamp(min=1) ** -0.25
        rows = torch.nn.functional.dropout(seen * scale, self.corruption, self.training)
        hidden = torch.tanh(rows @ self.item_encoder.weight + self.user_vectors(distinct) + self.bias)
        return self.decode_all(hidden)[position, items]


def plain_rows(train: Interactions) -> Iterator[Batch]:
    """All users at once, with their positives and as many negatives."""
    users, items = torch.tensor(train.users), torch.tensor(train.items)
    yield make_batch((users, items), (users, torch.as_tensor(plain_negatives(train))), "cpu")


# The table.


def seconds(timed: Timed, repeats: int) -> float:
    """The median time of some calls, after one that warms up."""
    taken = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        timed()
        taken.append(time.perf_counter() - started)
    return median(taken[1:])


def measure(split: Split, repeats: int) -> dict[str, tuple[float, float]]:
    """Our seconds and the plain loop's, by what is done."""
    compared = {
        EPOCH: epoch_of(GMF, GMF, plain_pairs, split),
        GRAPH_EPOCH: epoch_of(LightGCN, PlainLightGCN, plain_pairs, split),
        RANKING: ranking(split),
        "a negative for each training pair": sampling(split),
        "one epoch (one step) of CDAE + DeCA": epoch_of(CDAE, PlainCDAE, plain_rows, split),
    }
    return {name: (seconds(ours, repeats), seconds(plain, 1)) for name, (ours, plain) in compared.items()}


def as_markdown(found: dict[str, tuple[float, float]], about: str) -> str:
    """The table, and under it what was measured where."""
    lines = ["| | here, s | plain loop, s | ratio | limit, s |", "|---|---|---|---|---|"]
    for name, (ours, plain) in found.items():
        lines.append(f"| {name} | {ours:.3f} | {plain:.2f} | {plain / ours:.0f} | {LIMITS.get(name, '')} |")
    return "\n".join([*lines, "", about, ""])


def main() -> int:
    """Measure, print, and say whether every limit holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument(
        "--repeats",
        type=int,
        default=7,
        help="of ours, beside a warm-up; the plain loops run twice, the second time timed",
    )
    parser.add_argument(
        "--factor", type=float, default=1.0, help="multiplies the limits, for a machine that is busy"
    )
    options = parser.parse_args()
    split = movielens()
    found = measure(split, options.repeats)
    origin = provenance(split, CLEAN.judging, CLEAN.name, [0])
    table = as_markdown(found, f"{origin}, {torch.get_num_threads()} threads; medians of {options.repeats}.")
    print(table)
    if options.out:
        write_text(options.out, "# Speed\n\n`python benchmarks/speed.py --out results/speed.md`\n\n" + table)
    broken = [name for name, limit in LIMITS.items() if found[name][0] > options.factor * limit]
    for name in broken:
        print(
            f"{name} takes {found[name][0]:.2f} s; the limit is {options.factor * LIMITS[name]:g} s",
            file=sys.stderr,
        )
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
