"""Numbers: gradients, extreme inputs, torch's default type, and the number of threads.

Every model and every method that is trained step by step is tried; a new one as soon as it has a name.
"""

from dataclasses import fields, replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import model_for, trained_pairs
from torch.autograd import gradcheck

from deca_nb.baselines import RCE
from deca_nb.batches import Batch, balanced_mean
from deca_nb.channel import Biased
from deca_nb.interactions import CLEAN, PAPER, Interactions
from deca_nb.models import PairModel
from deca_nb.names import find, listed
from deca_nb.objective import (
    bernoulli_kl,
    deca_loss,
    deca_mean,
    dn_log_likelihood,
    dp_log_likelihood,
    exact_log,
    first_step_log_likelihood,
    floored_log,
    from_logits,
    label_fit,
    label_log,
    log_likelihood,
    population_probability,
    real_positive_probability,
)
from deca_nb.recipe import make_recipe
from deca_nb.recommender import Recommender
from deca_nb.training import Method, Run, n_threads
from deca_nb.worlds import World

MODELS = listed("model")
METHODS = [name for name in listed("method") if not find("method", name).is_model]
STEPWISE = [name for name in METHODS if find("method", name).has_steps]
TYPES = {"float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}
each_model = pytest.mark.parametrize("model", MODELS)
each_method = pytest.mark.parametrize("method", METHODS)
each_stepwise = pytest.mark.parametrize("method", STEPWISE)
each_log = pytest.mark.parametrize("log", [exact_log, floored_log], ids=lambda log: log.__name__)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tensors this small are not worth a second thread."""
    with n_threads(1):
        yield


def numbers_for(method: str, **numbers) -> dict:
    """Those of the numbers that the method has."""
    held = {field.name for field in fields(find("method", method).Settings)}
    return {name: value for name, value in numbers.items() if name in held}


def grid(n_users: int = 6, n_items: int = 5) -> Interactions:
    """A small fixed set of clicks: of each user some, of no user all."""
    clicked = np.add.outer(2 * np.arange(n_users), np.arange(n_items)) % 3 == 0
    users, items = np.nonzero(clicked)
    noise = np.zeros(len(users), bool)
    return Interactions(users, items, pd.RangeIndex(n_users), pd.RangeIndex(n_items), noise=noise)


def every_pair(n_users: int, n_items: int, observed: torch.Tensor, dtype=torch.float32) -> Batch:
    """All pairs as one batch, the positives first."""
    users, items = (
        part.flatten() for part in torch.meshgrid(torch.arange(n_users), torch.arange(n_items), indexing="ij")
    )
    order = observed.flatten().argsort(descending=True, stable=True)
    n_positive = int(observed.sum())
    return Batch(users[order], items[order], observed.flatten()[order].to(dtype), torch.arange(n_positive))


def untrained(model: str, method: str, parts=CLEAN.training, sizes=None, **numbers) -> Method:
    """The method with weights as it starts, in evaluation mode, on the small grid."""
    numbers = numbers_for(method, **numbers) | (sizes or {})
    recipe = make_recipe(model_for(method, model), method, numbers, parts=parts, seed=1)
    return Run(recipe, grid()).untrained().eval()


# Gradients.

COSTS = {"c1": 3.0, "c2": 0.7, "alpha": 0.3, "power": 0.0, "drop_rate": 0.2, "rise_steps": 1, "push": 0.0}
SIZES = {name: {"embedding_dim": 4} for name in MODELS}
SIZES["CDAE"] |= {"corruption": 0.0}  # what is dropped changes from call to call


def z(n: int, seed: int = 0) -> list[torch.Tensor]:
    """So many vectors of logits, in float64."""
    draws = torch.randn(n, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return [row.clone().requires_grad_() for row in 2 * draws]


OBSERVED = torch.tensor([1, 0, 1, 0, 0, 1, 0], dtype=torch.float64)
OBJECTIVES = {
    "Eq. 17": lambda f, g, h, k: log_likelihood(f, h, k, OBSERVED),
    "Eq. 14": lambda f, g, h, k: dp_log_likelihood(f, h, OBSERVED, 3.0),
    "Eq. 15": lambda f, g, h, k: dn_log_likelihood(f, k, OBSERVED, 0.7),
    "Eq. 18": lambda f, g, h, k: label_fit(f, OBSERVED, 3.0, 0.7),
    "Eq. 3": lambda f, g, h, k: bernoulli_kl(f, g),
    "Eq. 9": lambda f, g, h, k: deca_loss(log_likelihood(f, h, k, OBSERVED), f, g, 0.3),
    "Eq. 16": lambda f, g, h, k: real_positive_probability(f, h, k),
    "first step": lambda f, g, h, k: first_step_log_likelihood(f, h, k),
    "prior shift": lambda f, g, h, k: population_probability(f, 0.1),
}


@each_log
@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_gradient_of_each_objective_is_that_of_finite_differences(name, log):
    assert gradcheck(lambda *logits: OBJECTIVES[name](*(from_logits(one, log) for one in logits)), z(4))


@each_log
def test_the_gradient_of_the_fused_loss_is_that_of_finite_differences(log):
    weight = torch.rand(7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def fused(f, g, h, h_prime):
        halves = (label_log(one, OBSERVED, log) for one in (h, h_prime))
        return deca_mean(f, g, *halves, weight, 0.3, log)

    assert gradcheck(fused, z(4))


RELEASED = [(PAPER.training, model, method) for model in MODELS for method in ("DeCA", "DeCA(p)")]
CASES = [(CLEAN.training, *pair) for pair in trained_pairs(MODELS, STEPWISE)] + RELEASED


@pytest.mark.parametrize(
    ("parts", "model", "method"), CASES, ids=lambda one: one if isinstance(one, str) else one.log
)
def test_the_gradient_of_each_method_is_that_of_finite_differences(parts, model, method):
    found = untrained(model, method, parts, SIZES[model], **COSTS).double()
    observed = torch.as_tensor(grid().to_csr().toarray() > 0)
    batch = every_pair(*observed.shape, observed, torch.float64)
    weights = [weight for weight in found.parameters() if weight.requires_grad]
    for step in range(3):
        assert gradcheck(lambda *_: found.loss(batch, step), weights, fast_mode=True)  # noqa: B023


def test_the_belief_of_rce_is_held_fixed():
    found = untrained("GMF", "R-CE", power=0.5).double()
    assert isinstance(found, RCE)
    observed = torch.as_tensor(grid().to_csr().toarray() > 0)
    batch = every_pair(*observed.shape, observed, torch.float64)
    weights = list(found.parameters())
    logits = found.f(batch.users, batch.items)
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.observed, reduction="none")
    belief = torch.tensor(losses.detach().neg().exp().sqrt().tolist(), dtype=torch.float64)
    wanted = torch.autograd.grad(balanced_mean(belief * losses, batch.observed), weights)
    given = torch.autograd.grad(found.loss(batch, 0), weights)
    for one, other in zip(given, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


# Extremes.


def saturate(model: PairModel, size: float):
    """Gives a factor model logits of +-size: plus where user and item are both even or both odd."""
    for rows in (model.user_factors.weight, model.item_factors.weight):
        torch.nn.init.zeros_(rows)
        rows.data[:, 0] = size**0.5 * (1.0 - 2.0 * (torch.arange(len(rows), dtype=torch.float32) % 2))


@pytest.mark.parametrize("cost", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("parts", [CLEAN.training, PAPER.training], ids=["clean", "paper"])
@pytest.mark.parametrize("method", [name for name in STEPWISE if model_for(name) == "MF"])
def test_loss_and_gradient_are_finite_at_the_ends(method, parts, cost):
    found = untrained("MF", method, parts, c1=cost, c2=cost, alpha=0.5)
    for name, model in found.named_children():
        if isinstance(model, Biased):
            torch.nn.init.zeros_(model.bias)
            model = model.inner
        if isinstance(model, PairModel):
            saturate(model, 100.0)
        if name in ("g", "h"):
            model.user_factors.weight.data.neg_()
    users, items = torch.meshgrid(torch.arange(6), torch.arange(5), indexing="ij")
    assert set(found.f(users.flatten(), items.flatten()).tolist()) == {-100.0, 100.0}
    batch = every_pair(6, 5, (users // 2 + items) % 2 == 0)
    batch = replace(batch, rows=batch.rows % len(grid()))  # a method may keep something by row
    for step in range(3):
        found.zero_grad()
        loss = found.loss(batch, step)
        loss.backward()
        assert loss.isfinite()
        for name, weight in found.named_parameters():
            assert weight.grad is None or weight.grad.isfinite().all(), (step, name)
    assert found.real_positive_probability(batch.users, batch.items).isfinite().all()


# torch's default type.


@cache
def world():
    """A few users and items."""
    return World(n_users=40, n_items=30, density=0.2, cold_users=0.1, seed=3).sample()


def fitted(model: str, method: str) -> dict[str, np.ndarray]:
    """What a short training comes to: weights, scores, and how likely each click was meant."""
    numbers = numbers_for(method, epochs=1, batch_size=256, learning_rate=0.01)
    noise = {"noise": "given", "base": 0.02, "spread": 1.0} if "Channel" in method and model != "MF" else {}
    run = Run(make_recipe(model, method, numbers | noise), world().train)
    trained = run.fit().method
    found = dict(trained.state_dict())
    with torch.no_grad():
        found["scores"] = trained.f.score_all(torch.arange(world().n_users))
    if method not in listed("ranker"):
        clicks = (torch.tensor(ids) for ids in (world().train.users, world().train.items))
        found["probability"] = trained.real_positive_probability(*clicks)
    return {name: value.numpy() for name, value in found.items()}


def served(model: str) -> dict[str, np.ndarray]:
    """What a user sees of it: metrics, lists, and lists for somebody new."""
    made = Recommender(model, "DeCA", device="cpu", threads=1, epochs=1).fit(world().train, world().valid)
    found = {"recall": made.evaluate(world())["recall@20"], "lists": made.recommend(k=5)["score"]}
    found["new"] = (
        made.recommend_for(world().train.item_ids[:2], k=3)["score"] if model != "NeuMF" else found["lists"]
    )
    return {name: column.to_numpy() for name, column in found.items()}


def same_under_every_type(outcome, *names: str):
    """The outcome has the same bits under every default type of torch."""
    before, expected = torch.get_default_dtype(), outcome(*names)
    for dtype in TYPES.values():
        torch.set_default_dtype(dtype)
        try:
            found = outcome(*names)
        finally:
            torch.set_default_dtype(before)
        for name, value in expected.items():
            assert found[name].dtype == value.dtype, (dtype, name)
            np.testing.assert_array_equal(found[name], value, err_msg=f"{dtype} {name}")


PAIRS = trained_pairs(MODELS, METHODS)
PAIRS += [("MF", name) for name in listed("ranker")]


@pytest.mark.parametrize(("model", "method"), PAIRS)
def test_the_default_type_of_torch_changes_no_training(model, method):
    same_under_every_type(fitted, model, method)


@each_model
def test_the_default_type_of_torch_changes_no_list(model):
    same_under_every_type(served, model)


# Threads.

CLOSE = 1e-4  # how far two threads may lead from one, in any weight, after an epoch


@cache
def weights_on(model: str, method: str, threads: int, again: int) -> dict[str, torch.Tensor]:
    """The weights after an epoch with that many threads."""
    train = World(n_users=200, n_items=120, density=0.1, seed=3).sample().train
    numbers = numbers_for(method, epochs=1, batch_size=4096, learning_rate=0.01)
    recipe = make_recipe(model, method, numbers, threads=threads)
    return Run(recipe, train).fit().method.state_dict()


@pytest.mark.parametrize("method", ["DeCA"])
@pytest.mark.parametrize("model", ["NeuMF", "LightGCN", "CDAE"])  # which take several threads in a step
def test_two_threads_repeat_themselves_and_come_close_to_one(model, method):
    one, two, again = (weights_on(model, method, *which) for which in ((1, 0), (2, 0), (2, 1)))
    assert all(torch.equal(two[name], again[name]) for name in two)
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=CLOSE, msg=f"{model} {method} {name}")
