"""Plain loops that do the same as the package: pair by pair, user by user, layer by layer, as first written.

What is fast is measured beside them, in the same run, so that the ratio says more than one machine's seconds.
"""

import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from deca_nb.batches import Batch, balanced_mean, make_batch
from deca_nb.interactions import Interactions, Split
from deca_nb.models import CDAE, GMF, MF, LightGCN, NeuMF
from deca_nb.names import find
from deca_nb.objective import bernoulli_kl, dn_log_likelihood, dp_log_likelihood, from_logits
from deca_nb.training import Method

# Pairs: the positives beside one drawn negative each.


def seen_items(train: Interactions) -> list[set[int]]:
    """The items that each user has."""
    seen = [set() for _ in range(train.n_users)]
    for user, item in zip(train.users.tolist(), train.items.tolist(), strict=True):
        seen[user].add(item)
    return seen


def negatives(train: Interactions) -> list[int]:
    """A negative for each positive, by trying items until one is new."""
    seen, drawn = seen_items(train), []
    for user in train.users.tolist():
        item = random.randrange(train.n_items)
        while item in seen[user]:
            item = random.randrange(train.n_items)
        drawn.append(item)
    return drawn


def pairs(train: Interactions, batch_size: int) -> Iterator[Batch]:
    """The batches of one epoch, put together pair by pair, as a DataLoader does."""
    columns = (torch.tensor(column) for column in (train.users, train.items, negatives(train)))
    for users, items, drawn in DataLoader(TensorDataset(*columns), batch_size=batch_size, shuffle=True):
        yield make_batch((users, items), (users, drawn))


def rows(train: Interactions, batch_size: int) -> Iterator[Batch]:
    """The batches of one epoch: users in random order, with their positives and as many negatives."""
    drawn, users = torch.as_tensor(negatives(train)), torch.tensor(train.users)
    items, order = torch.tensor(train.items), torch.randperm(train.n_users)
    for part in order.split(batch_size):
        here = torch.isin(users, part)
        yield make_batch((users[here], items[here]), (users[here], drawn[here]))


# Models, as their equations say.


class PlainMF(MF):
    """Looks up a row for each pair."""

    def forward(self, users, items):
        return (self.user_factors(users) * self.item_factors(items)).sum(-1)


class PlainGMF(GMF):
    """Looks up a row for each pair."""

    def forward(self, users, items):
        return self.output(self.user_factors(users) * self.item_factors(items)).squeeze(-1)


class PlainNeuMF(NeuMF):
    """Puts the features of each pair side by side."""

    def forward(self, users, items):
        hidden = torch.cat([self.user_features(users), self.item_features(items)], -1)
        for layer in self.layers:
            hidden = torch.relu(layer(hidden))
        product = self.user_factors(users) * self.item_factors(items)
        return self.output(torch.cat([product, hidden], -1)).squeeze(-1)


class PlainLightGCN(LightGCN):
    """Propagates for the positives, then again for the negatives, through torch.sparse and its autograd."""

    def __init__(self, train: Interactions, **how):
        super().__init__(train, **how)
        counts, items = self.from_items.offsets.diff(), self.from_items.columns
        users = torch.arange(self.n_users).repeat_interleave(counts)
        items, nodes = items + self.n_users, self.n_users + self.n_items
        places = torch.stack([torch.cat([users, items]), torch.cat([items, users])])
        self.adjacency = torch.sparse_coo_tensor(
            places, self.from_items.values.repeat(2), (nodes, nodes), check_invariants=True
        ).coalesce()

    def tables_after(self) -> tuple[torch.Tensor, ...]:
        """The tables of users and items after propagation."""
        layers = [torch.cat([self.user_factors.weight, self.item_factors.weight])]
        for _ in range(self.n_layers):
            layers.append(torch.sparse.mm(self.adjacency, layers[-1]))
        return (sum(layers) / len(layers)).split([self.n_users, self.n_items])

    def forward(self, users, items):
        logits = []
        for half_users, half_items in zip(users.chunk(2), items.chunk(2), strict=True):
            user_table, item_table = self.tables_after()
            logits.append((user_table[half_users] * item_table[half_items]).sum(-1))
        return torch.cat(logits)


class PlainCDAE(CDAE):
    """Encodes dense rows of users x items, empty cells too, and decodes every cell of them."""

    def __init__(self, train: Interactions, **how):
        super().__init__(train, **how)
        self.seen = torch.as_tensor(train.to_csr().toarray())

    def forward(self, users, items):
        distinct, position = users.unique(return_inverse=True)
        seen = self.seen[distinct]
        scale = (seen.sum(1, keepdim=True) * self.item_counts).clamp(min=1) ** -0.25
        dropped = nn.functional.dropout(seen * scale, self.corruption, self.training)
        hidden = torch.tanh(dropped @ self.item_encoder.weight + self.user_vectors(distinct) + self.bias)
        return self.decode_all(hidden)[position, items]


MODELS = {"MF": PlainMF, "GMF": PlainGMF, "NeuMF": PlainNeuMF, "LightGCN": PlainLightGCN, "CDAE": PlainCDAE}


def with_plain_models(method: Method, train: Interactions) -> Method:
    """The method, its models replaced by plain ones of the same weights."""
    plainly = {find("model", name): cls for name, cls in MODELS.items()}
    for name, part in list(method.named_children()):
        model = plainly[type(part)](train)
        model.load_state_dict(part.state_dict())
        model.requires_grad_(any(weight.requires_grad for weight in part.parameters()))
        setattr(method, name, model)
    return method.train()


# A step, as chapters 05, 07 and 08 write it.


def loss(method: Method, batch: Batch, step: int) -> torch.Tensor:
    """The loss of normal training, or Eq. 9 with Eq. 14 and Eq. 15 in turn, of whole distributions."""
    logits = method.f(batch.users, batch.items)
    if not hasattr(method, "h"):
        each = nn.functional.binary_cross_entropy_with_logits(logits, batch.observed, reduction="none")
        return balanced_mean(each, batch.observed)
    f, g = from_logits(logits), from_logits(method.g(batch.users, batch.items))
    c1, c2, alpha = method.settings.c1, method.settings.c2, method.settings.alpha
    if step % 2 == 0:
        likelihood = dp_log_likelihood(f, from_logits(method.h(batch.users, batch.items)), batch.observed, c1)
    else:
        likelihood = dn_log_likelihood(
            f, from_logits(method.h_prime(batch.users, batch.items)), batch.observed, c2
        )
    each = -likelihood + alpha * bernoulli_kl(g, f) + (1 - alpha) * bernoulli_kl(f, g)
    return balanced_mean(each, batch.observed)


def penalty(model: nn.Module, batch: Batch, l2: float) -> torch.Tensor:
    """The squared norms of the batch's rows, table by table, and of the weights that are no rows."""
    tables = [(module, batch.users) for module in model.tables("user")]
    tables += [(module, batch.items) for module in model.tables("item")]
    in_tables = {id(module.weight) for module, _ in tables}
    parts = [module(index.unique()) for module, index in tables]
    parts += [weight for weight in model.parameters() if id(weight) not in in_tables]
    return l2 / model.n_users * sum(part.square().sum() for part in parts)


def steps(method: Method, batches: Iterator[Batch], learning_rate: float, l2: float) -> Iterator[None]:
    """Trains, and yields after each step."""
    trained = [weight for weight in method.parameters() if weight.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=learning_rate)
    for step, batch in enumerate(batches):
        optimiser.zero_grad()
        (loss(method, batch, step) + penalty(method.f, batch, l2)).backward()
        optimiser.step()
        yield


# A whole evaluation.


@torch.no_grad()
def evaluation(model, split: Split, k: tuple[int, ...]) -> list[float]:
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
