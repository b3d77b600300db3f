"""Properties of samplers, splits, metrics, objective and models, tried on inputs that nobody thought of."""

import csv
import math
import tempfile
from collections import defaultdict
from dataclasses import replace
from functools import cache
from itertools import permutations
from pathlib import Path

import ir_measures
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from ir_measures import AP, RR, P, R, Success, nDCG

from deca_nb.batches import PairBatches, RowBatches, TrueNegatives
from deca_nb.evaluation import (
    MostPopular,
    evaluate,
    evaluate_lists,
    found_metric,
    metric_columns,
    recall_ceiling,
    summarise,
    truth_by_user,
)
from deca_nb.interactions import (
    InputError,
    Interactions,
    Split,
    chronological_parts,
    random_parts,
    read_interactions,
)
from deca_nb.models import CDAE, LightGCN, build_model
from deca_nb.names import find, listed
from deca_nb.objective import (
    bernoulli_kl,
    deca_loss,
    dn_log_likelihood,
    dp_log_likelihood,
    floored_log,
    from_logits,
    label_fit,
    log_likelihood,
    real_positive_probability,
)
from deca_nb.ranking import top_items
from deca_nb.recipe import numbers_of
from deca_nb.recommender import Recommender
from deca_nb.worlds import World

settings.register_profile(
    "house", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")
few = settings(max_examples=15)

each_model = pytest.mark.parametrize("model", listed("model"))
each_method = pytest.mark.parametrize("method", ["Normal", "DeCA", "DeCA(p)", "DP", "DN"])


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tensors this small are not worth a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def seeded(seed: int = 0) -> torch.Generator:
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


def from_matrix(matrix) -> Interactions:
    """The pairs where a users x items matrix is not 0."""
    users, items = np.nonzero(matrix)
    return Interactions(users, items, pd.RangeIndex(len(matrix)), pd.RangeIndex(len(matrix[0])))


@st.composite
def matrices(draw, least_users: int = 2, least_items: int = 2):
    """Users x items, True where there is an interaction; at least one."""
    shape = draw(st.tuples(st.integers(least_users, 8), st.integers(least_items, 10)))
    matrix = draw(arrays(bool, shape))
    assume(matrix.any())
    return matrix


# Worlds.


@given(
    noise=st.floats(0, 0.3),
    share=st.floats(0, 1),
    unaware=st.floats(0.05, 0.9),
    density=st.floats(0.01, 0.6),
    seed=st.integers(0, 2**32),
)
@example(noise=0.09, share=0, unaware=0.9, density=0.095, seed=0)
@example(noise=5e-324, share=1, unaware=0.5, density=0.25, seed=0)
def test_a_world_has_the_noise_it_is_given(noise, share, unaware, density, seed):
    numbers = {"noise": noise, "popularity_noise": share, "unaware": unaware, "density": density}
    try:
        world = World(20, 30, seed=seed, **numbers)
    except InputError:
        assume(False)
    users, items = np.arange(20)[:, None], np.arange(30)
    h, h_prime = world.h(users, items), world.h_prime(users, items)
    np.testing.assert_allclose(h.mean(), noise, rtol=1e-9, atol=1e-12)
    above = h_prime if share else h_prime.mean()  # where noise follows fame, each click speaks for liking
    assert (h < above).all()


# Negatives.


@given(matrices(), st.integers(0, 2**32))
def test_negatives_are_free_items_and_every_one_of_them(matrix, seed):
    sampler, (n_users, n_items) = TrueNegatives(from_matrix(matrix)), matrix.shape
    for user in range(n_users):
        free = np.flatnonzero(~matrix[user])
        assert sampler.kth(torch.full((len(free),), user), torch.arange(len(free))).tolist() == free.tolist()
    users, items = sampler.draw(torch.arange(n_users).repeat_interleave(50 * n_items), seeded(seed))
    drawn = np.zeros_like(matrix)
    drawn[users, items] = True
    assert (drawn == ~matrix).all()


@given(matrices(), st.integers(0, 2**32), st.integers(1, 9))
def test_an_epoch_of_pairs_has_each_positive_once_beside_a_negative(matrix, seed, batch_size):
    train = from_matrix(matrix)
    batches = PairBatches(train, TrueNegatives(train), batch_size)
    epoch = list(batches.epoch(seeded(seed)))
    assert len(epoch) == len(batches)
    assert sorted(
        torch.cat([(b.users * train.n_items + b.items)[b.observed > 0] for b in epoch]).tolist()
    ) == sorted(train.keys())
    free = ~matrix.all(1)
    for batch in epoch:
        positive = batch.observed > 0
        assert (
            batch.users[positive][torch.as_tensor(free)[batch.users[positive]]].tolist()
            == batch.users[~positive].tolist()
        )
        assert not matrix[batch.users[~positive], batch.items[~positive]].any()


@given(matrices(), st.integers(0, 2**32), st.integers(1, 9))
def test_an_epoch_of_rows_has_each_user_once_with_free_cells_of_the_batch(matrix, seed, batch_size):
    assume(not matrix.all(1).any())
    train = from_matrix(matrix)
    epoch = list(RowBatches(train, batch_size).epoch(seeded(seed)))
    assert sorted(
        torch.cat([(b.users * train.n_items + b.items)[b.observed > 0] for b in epoch]).tolist()
    ) == sorted(train.keys())
    for batch in epoch:
        positive = batch.observed > 0
        assert int(positive.sum()) * 2 == len(positive)
        assert set(batch.users[~positive].tolist()) <= set(batch.users[positive].tolist())
        assert not matrix[batch.users[~positive], batch.items[~positive]].any()


# Splits and ids.


@given(matrices(), st.data())
def test_a_chronological_split_has_exact_tenths_of_each_user_in_order(matrix, data):
    pairs = from_matrix(matrix)
    times = data.draw(arrays(np.int64, len(pairs), elements=st.integers(-5, 5)))
    parts = chronological_parts(replace(pairs, timestamps=times))
    for user in np.unique(pairs.users):
        of_user = pairs.users == user
        n = int(of_user.sum())
        ends = [max(8 * n // 10, 1), max(9 * n // 10, 1), n]  # one click at least is trained on
        assert np.bincount(parts[of_user], minlength=3).tolist() == np.diff(ends, prepend=0).tolist()
        by_time = np.flatnonzero(of_user)[np.argsort(times[of_user], kind="stable")]
        assert (np.diff(parts[by_time]) >= 0).all(), (
            "later rows, and among equal times later lines, come later"
        )


@given(st.integers(1, 500), st.integers(0, 2**32))
def test_a_random_split_has_exact_tenths(n, seed):
    pairs = Interactions(np.arange(n), np.arange(n), pd.RangeIndex(n), pd.RangeIndex(n))
    parts = random_parts(pairs, seed)
    assert np.bincount(parts, minlength=3).tolist() == [
        8 * n // 10,
        9 * n // 10 - 8 * n // 10,
        n - 9 * n // 10,
    ]
    assert (parts == random_parts(pairs, seed)).all()


whole_numbers = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), min_size=1, max_size=6)


@st.composite
def frames(draw, ids):
    """Distinct pairs of at least two users and two items."""
    names = (
        draw(st.lists(ids, min_size=2, max_size=5, unique_by=str)),
        draw(st.lists(ids, min_size=2, max_size=5, unique_by=str)),
    )
    pairs = draw(st.lists(st.tuples(*map(st.sampled_from, names)), min_size=2, max_size=12, unique=True))
    assume(all(len(set(column)) > 1 for column in zip(*pairs, strict=True)))
    ratings = draw(st.lists(st.floats(-1e6, 1e6), min_size=len(pairs), max_size=len(pairs)))
    users, items = zip(*pairs, strict=True)
    return pd.DataFrame({"user": list(users), "item": list(items), "rating": ratings})


@given(st.one_of(frames(whole_numbers), frames(texts)))
@example(pd.DataFrame({"user": ["007", "7"], "item": ["1", "2"], "rating": [1.0, 2.0]}))
@example(pd.DataFrame({"user": ["NA", "nan", ' "'], "item": [",", "\t", "x"], "rating": [1.0, 2.0, 3.0]}))
def test_ids_come_back_as_they_were(frame):
    back = Interactions.from_frame(frame, rating="rating").to_frame()
    assert back.astype(str).values.tolist() == frame.astype(str).values.tolist()
    again = Interactions.from_frame(back, rating="rating")
    assert again.to_frame().equals(back)


@pytest.mark.parametrize("suffix", ["csv", "tsv.gz", "inter", "parquet"])
@given(st.one_of(frames(whole_numbers), frames(texts)))
@few
def test_ids_come_back_from_files_as_they_were(suffix, frame):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x.{suffix}"
        if suffix == "parquet":
            frame.to_parquet(path)
        else:
            tabs = suffix != "csv"  # after tabs nothing holds a field together
            assume(not (tabs and any("\t" in str(one) for one in frame[["user", "item"]].to_numpy().ravel())))
            how = {"sep": "\t", "quoting": csv.QUOTE_NONE} if tabs else {}
            frame.to_csv(path, index=False, **how)
        back = read_interactions(path).to_frame()
    assert (
        back[["user", "item"]].astype(str).values.tolist()
        == frame[["user", "item"]].astype(str).values.tolist()
    )
    assert back["rating"].tolist() == frame["rating"].tolist()


# Objective.

logits = arrays(np.float64, (4, 25), elements=st.floats(-30, 30)).map(torch.from_numpy)
costs = st.tuples(st.floats(0, 1000), st.floats(0, 1000))


@given(logits)
def test_kl_is_that_of_torch_and_never_negative(z):
    p, q = (torch.distributions.Bernoulli(logits=row) for row in z[:2])
    kl = bernoulli_kl(from_logits(z[0]), from_logits(z[1]))
    assert (kl > -1e-12).all()
    torch.testing.assert_close(kl, torch.distributions.kl_divergence(p, q), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(
        bernoulli_kl(z[0].sigmoid(), z[0].sigmoid()), torch.zeros(25, dtype=torch.float64)
    )
    near = z.clamp(-15, 15)
    plain, from_z = bernoulli_kl(*near[:2].sigmoid()), bernoulli_kl(*map(from_logits, near[:2]))
    torch.testing.assert_close(plain, from_z, rtol=1e-6, atol=1e-6)


@given(logits, costs)
def test_dp_and_dn_are_the_whole_likelihood_and_a_fit_to_the_labels(z, cost):
    f, h, h_prime = map(from_logits, z[:3])
    observed, (c1, c2) = (z[3] > 0).double(), cost
    halves = dp_log_likelihood(f, h, observed, c1) + dn_log_likelihood(f, h_prime, observed, c2)
    torch.testing.assert_close(
        halves,
        log_likelihood(f, h, h_prime, observed) + label_fit(f, observed, c1, c2),
        rtol=1e-12,
        atol=1e-12,
    )


@given(logits)
def test_the_likelihood_is_an_expectation_over_both_truths(z):
    f, h, h_prime = z[:3].clamp(-15, 15).sigmoid()
    observed = (z[3] > 0).double()
    of = lambda p: torch.distributions.Bernoulli(p).log_prob(observed)  # noqa: E731
    torch.testing.assert_close(
        log_likelihood(f, h, h_prime, observed), f * of(h_prime) + (1 - f) * of(h), rtol=1e-6, atol=1e-6
    )


@given(logits)
def test_the_posterior_is_bayes_rule(z):
    f, h, h_prime = z[:3].clamp(-15, 15).sigmoid()
    torch.testing.assert_close(
        real_positive_probability(f, h, h_prime),
        f * h_prime / (f * h_prime + (1 - f) * h),
        rtol=1e-6,
        atol=1e-9,
    )


@given(logits, st.floats(0, 1))
@few
def test_losses_and_gradients_are_finite_at_any_logit(z, alpha):
    z = (z.float() * 1.7).requires_grad_()  # up to +-51
    for log in (torch.nn.functional.logsigmoid, floored_log):
        f, g, h, h_prime = (from_logits(row, log) for row in z)
        observed = (torch.arange(25) % 2).float()
        likelihoods = (
            log_likelihood(f, h, h_prime, observed),
            dp_log_likelihood(f, h, observed, 1000),
            dn_log_likelihood(f, h_prime, observed, 1000),
        )
        for likelihood in likelihoods:
            loss = deca_loss(likelihood, f, g, alpha)
            (gradient,) = torch.autograd.grad(loss.sum(), z, retain_graph=True)
            assert loss.isfinite().all() and gradient.isfinite().all()


# Evaluation.


@st.composite
def rankings(draw, tied: bool = True):
    """Scores (users, items), and a split with some known and some wanted pairs."""
    wanted = draw(matrices())
    known = draw(arrays(bool, wanted.shape))
    values = st.integers(0, 3) if tied else st.integers(0, 2**20)
    scores = draw(arrays(np.int64, wanted.shape, elements=values, unique=not tied))
    train = from_matrix(known)
    return torch.as_tensor(scores, dtype=torch.float64), Split(train, train, from_matrix(wanted), train)


def by_row(scores: torch.Tensor):
    """A scorer that looks them up."""
    return lambda users: scores[users]


OF_USERS = [name for name in listed("metric") if found_metric(name).of == "user"]
OF_LISTS = [name for name in listed("metric") if found_metric(name).of == "lists"]


def metrics(scores, split: Split, **how) -> pd.DataFrame:
    """Every metric of each user at 1, 3 and 20."""
    per_user = evaluate(by_row(scores), split, k=(1, 3, 20), metrics=OF_USERS, **how).set_index("user")
    return per_user[metric_columns(per_user)]


def close(left: pd.DataFrame, right: pd.DataFrame, atol: float = 1e-12) -> bool:
    """Whether two tables hold the same numbers."""
    return np.allclose(left.to_numpy(), right.loc[left.index].to_numpy(), rtol=0, atol=atol)


def repeated(split: Split, times: int) -> Split:
    """The same users again and again, each as a user of its own."""
    parts = {
        name: np.tile(getattr(split, name).to_csr().toarray(), (times, 1))
        for name in ("train", "valid", "truth", "known")
    }
    return Split(**{name: from_matrix(matrix) for name, matrix in parts.items()})


each_way = pytest.mark.parametrize("ties", listed("ties"))


@each_way
@given(rankings())
@few
def test_metrics_lie_between_zero_and_the_ceiling(ties, ranking):
    scores, split = ranking
    found, ceiling = metrics(scores, split, ties=ties), truth_by_user(split)
    assert ((found >= 0) & (found <= 1 + 1e-12)).all(axis=None)
    for k in (1, 3, 20):
        assert (found[f"recall@{k}"] <= np.minimum(ceiling["findable"], k) / ceiling["n_truth"] + 1e-12).all()
        assert found[f"recall@{k}"].mean() <= recall_ceiling(ceiling, k) + 1e-12


@given(rankings())
def test_wanted_first_is_perfect_and_wanted_last_is_nothing(ranking):
    _, split = ranking
    wanted = torch.as_tensor(split.truth.to_csr().toarray())
    free = replace(split, known=split.known.select(~np.isin(split.known.keys(), split.truth.keys())))
    n_truth = split.truth.user_counts()[np.unique(split.truth.users)]
    best = metrics(wanted, free)
    for k in (1, 3, 20):
        assert np.allclose(best[f"recall@{k}"], np.minimum(k, n_truth) / n_truth)
        assert np.allclose(best[f"precision@{k}"], np.minimum(k, n_truth) / k)
        assert all(np.allclose(best[f"{name}@{k}"], 1) for name in ("ndcg", "hit", "mrr", "map"))
    worst = metrics(-wanted, replace(free, known=free.known.select(slice(0, 0))))
    hopeless = split.n_items - n_truth >= 3
    assert (worst[[column for column in worst if not column.endswith("@20")]].to_numpy()[hopeless] == 0).all()


@each_way
@given(rankings(), st.integers(1, 4))
@few
def test_neither_the_batch_nor_the_scale_of_scores_matters(ties, ranking, batch_size):
    scores, split = ranking
    found = metrics(scores, split, ties=ties)
    assert close(found, metrics(3 * scores - 7, split, ties=ties))
    if ties != "random":
        assert close(found, metrics(scores, split, ties=ties, batch_size=batch_size))


@given(rankings(), st.randoms(use_true_random=False))
def test_neither_the_order_of_users_nor_that_of_items_matters(ranking, random):
    scores, split = ranking
    users, items = list(range(split.n_users)), list(range(split.n_items))
    random.shuffle(users)
    random.shuffle(items)
    users, items = np.array(users), np.array(items)
    moved = torch.empty_like(scores)
    moved[users[:, None], items[None]] = scores
    parts = {name: getattr(split, name) for name in ("train", "valid", "truth", "known")}
    parts = {
        name: replace(part, users=users[part.users], items=items[part.items]) for name, part in parts.items()
    }
    found, again = metrics(scores, split), metrics(moved, replace(split, **parts))
    assert close(found.rename(index=dict(enumerate(users))), again)


@given(rankings())
def test_ties_by_expectation_lie_between_the_worst_and_the_best(ranking):
    scores, split = ranking
    worst, expected = (metrics(scores, split, ties=ties) for ties in ("pessimistic", "expected"))
    best = metrics(scores + torch.as_tensor(split.truth.to_csr().toarray()) / 2, split)
    for ties in ("expected", "lowest-id", "random"):
        found = metrics(scores, split, ties=ties)
        assert (worst <= found + 1e-12).all(axis=None) and (found <= best + 1e-12).all(axis=None)
    by_lot = metrics(scores.repeat(400, 1), repeated(split, 400), ties="random")
    by_lot = by_lot.groupby(by_lot.index % split.n_users).mean()
    assert (abs(by_lot - expected) < 5 * 0.5 / math.sqrt(400)).all(axis=None), (
        "5 standard errors of a mean of values in [0, 1]"
    )


@given(rankings(tied=False))
def test_without_ties_the_metrics_are_those_of_trec_eval(ranking):
    scores, split = ranking
    known = split.known.to_csr().toarray() > 0
    qrels = [
        ir_measures.Qrel(str(user), str(item), 1)
        for user, item in zip(split.truth.users, split.truth.items, strict=True)
    ]
    ranks = scores.argsort(1).argsort(1)  # what trec_eval keeps exactly
    run = [
        ir_measures.ScoredDoc(str(user), str(item), float(ranks[user, item]))
        for user, item in zip(*np.nonzero(~known), strict=True)
    ]
    theirs = defaultdict(dict)
    n_truth = split.truth.user_counts()
    names = {R: "recall", nDCG: "ndcg", P: "precision", Success: "hit", RR: "mrr", AP: "map"}
    for kind, name in names.items():
        for k in (1, 3, 20):
            for value in ir_measures.iter_calc([kind @ k], qrels, run):
                n = n_truth[int(value.query_id)]
                scale = n / min(k, n) if kind is AP else 1  # trec_eval divides by all truth
                theirs[int(value.query_id)][f"{name}@{k}"] = value.value * scale
    for ties in listed("ties"):
        found = metrics(scores, split, ties=ties)
        ranked = found.index.isin(np.flatnonzero(~known.all(1)))
        assert (found[~ranked] == 0).all(axis=None), "nothing to rank"
        assert close(
            found[ranked],
            pd.DataFrame.from_dict(theirs, orient="index").reindex(columns=found.columns),
            atol=1e-9,
        )


def by_sorting(scores: np.ndarray, wanted: np.ndarray, known: np.ndarray, k: int) -> list[float]:
    """The metrics of `OF_USERS` of one user whose scores all differ, one by one."""
    order = sorted(np.flatnonzero(~known), key=lambda item: -scores[item])[:k]
    at, n = [rank for rank, item in enumerate(order, 1) if wanted[item]], int(wanted.sum())
    ideal = sum(1 / math.log2(1 + rank) for rank in range(1, min(k, n) + 1))
    gain = sum(1 / math.log2(1 + rank) for rank in at)
    pure = sum((i + 1) / rank for i, rank in enumerate(at))
    found = {"recall": len(at) / n, "ndcg": gain / ideal, "precision": len(at) / k, "hit": float(bool(at))}
    found |= {"mrr": 1 / at[0] if at else 0.0, "map": pure / min(k, n)}
    return [found[name] for name in OF_USERS]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), min_size=1, max_size=5),
    st.integers(1, 6),
)
def test_expected_metrics_are_means_over_all_orders(items, k):
    scores, wanted, known = (np.array(column) for column in zip(*items, strict=True))
    assume(wanted.any())
    split = Split(*(from_matrix(matrix[None]) for matrix in (known, known, wanted, known)))
    found = evaluate(by_row(torch.as_tensor(scores[None], dtype=torch.float64)), split, k=k, metrics=OF_USERS)
    orders = [
        by_sorting(scores + np.array(order) / 10, wanted, known, k)
        for order in permutations(range(len(items)))
    ]
    assert found[[f"{name}@{k}" for name in OF_USERS]].to_numpy(float)[0] == pytest.approx(
        np.mean(orders, axis=0), abs=1e-12
    )


@each_way
@given(rankings(), st.integers(1, 12), st.integers(1, 4))
@few
def test_lists_hold_what_the_policy_puts_in(ties, ranking, k, batch_size):
    scores, split = ranking
    found = evaluate_lists(by_row(scores), split, k=k, ties=ties)
    counts, users = split.train.item_counts(), np.unique(split.truth.users)
    room = np.minimum(k, split.n_items - split.known.to_csr().getnnz(1)[users])
    assert list(found.index) == [f"{name}@{k}" for name in OF_LISTS]
    assert 0 <= found[f"coverage@{k}"] <= min(1, room.sum() / split.n_items) + 1e-12
    assert (
        np.isnan(found[f"popularity@{k}"])
        if not room.any()
        else counts.min() <= found[f"popularity@{k}"] <= counts.max() + 1e-12
    )
    if ties != "random":
        again = evaluate_lists(by_row(scores), split, k=k, ties=ties, batch_size=batch_size)
        assert np.allclose(found, again, rtol=0, atol=1e-12, equal_nan=True)


@given(rankings(), st.integers(1, 12), st.booleans())
def test_lists_are_in_order_and_ties_by_key_then_id(ranking, k, keyed):
    scores, split = ranking
    keys = scores.flip(1) if keyed else None
    items, values = top_items(scores, k, keys)
    for row, (found, value) in enumerate(zip(items.tolist(), values.tolist(), strict=True)):
        rank = lambda item: (-scores[row, item], keys[row, item] if keyed else 0, item)  # noqa: B023, E731
        assert found == sorted(range(split.n_items), key=rank)[:k] and value == scores[row, found].tolist()


@given(rankings())
def test_groups_of_users_add_up(ranking):
    scores, split = ranking
    table = summarise(evaluate(by_row(scores), split, k=3))
    assert (
        table.loc["all", "n"]
        == table.loc["warm", "n"] + table.loc["cold", "n"]
        == len(np.unique(split.truth.users))
    )
    parts = (table["n"] * table["recall@3"].fillna(0)).loc[["warm", "cold"]].sum()
    assert math.isclose(parts, table.loc["all", "n"] * table.loc["all", "recall@3"], abs_tol=1e-9)


@given(matrices(), st.integers(1, 12))
def test_most_popular_counts(matrix, k):
    train = from_matrix(matrix)
    scores = MostPopular(train).score_all(torch.arange(len(matrix)))
    assert (scores.numpy() == matrix.sum(0)).all() and scores.shape == matrix.shape


# Models.


@cache
def small_world(seed: int = 0) -> Split:
    """A few users and items, some of them cold."""
    return World(n_users=30, n_items=24, density=0.15, cold_users=0.1, seed=seed).sample()


def fit(model: str, method: str, seed: int = 0) -> Recommender:
    """A small recommender after two epochs."""
    split, own = small_world(), numbers_of(find("method", method).Settings)
    numbers = {"epochs": 2, "batch_size": 32, "learning_rate": 0.05} | {
        cost: 10 for cost in ("c1", "c2") if cost in own
    }
    return Recommender(model, method, seed=seed, device="cpu", **numbers).fit(split.train, split.valid)


fitted = cache(fit)


def state(recommender: Recommender) -> dict[str, torch.Tensor]:
    """Every weight of every module."""
    return recommender.trained.state_dict()


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    """Whether two states are equal to the last bit."""
    return list(left) == list(right) and all(torch.equal(left[name], right[name]) for name in left)


@each_model
@given(
    matrix=matrices(), seed=st.integers(0, 2**32), users=st.lists(st.integers(0, 1), min_size=1, max_size=4)
)
@few
def test_a_row_of_scores_is_what_forward_gives_pair_by_pair(model, matrix, seed, users):
    net = build_model(find("model", model), from_matrix(matrix), seeded(seed)).eval()
    users = torch.tensor(users)
    with torch.no_grad():
        scores = net.score_all(users)
        pairs = net(
            users.repeat_interleave(net.n_items), torch.arange(net.n_items).repeat(len(users))
        ).view_as(scores)
    torch.testing.assert_close(scores, pairs, rtol=1e-4, atol=1e-5)


@each_method
@each_model
def test_scores_are_those_of_forward_after_training(model, method):
    net, everyone = fitted(model, method).trained.f, torch.arange(30)
    with torch.no_grad():
        scores = net.score_all(everyone)
        pairs = net(everyone.repeat_interleave(24), torch.arange(24).repeat(30)).view(30, 24)
    torch.testing.assert_close(scores, pairs, rtol=1e-4, atol=1e-5)


@given(matrix=matrices(), seed=st.integers(0, 2**32), data=st.data())
@few
def test_the_scores_of_cdae_do_not_depend_on_who_else_is_in_the_batch(matrix, seed, data):
    net = CDAE(from_matrix(matrix), generator=seeded(seed)).eval()
    everyone = torch.arange(len(matrix))
    order = torch.tensor(data.draw(st.permutations(range(len(matrix)))))
    with torch.no_grad():
        together, alone = net.score_all(everyone), torch.cat([net.score_all(user[None]) for user in everyone])
        torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(net.score_all(order), together[order], rtol=1e-5, atol=1e-6)


@given(matrix=matrices(), seed=st.integers(0, 2**32), scale=st.floats(0.01, 10))
@few
def test_lightgcn_keeps_its_balance_and_a_quarter_of_who_never_clicked(matrix, seed, scale):
    clicks, rows = from_matrix(matrix), seeded(seed)
    net = LightGCN(clicks, embedding_dim=5)
    with torch.no_grad():
        for table in (net.user_factors.weight, net.item_factors.weight):
            table.copy_(scale * torch.randn(table.shape, generator=rows))
        user_rows, item_rows = net.propagate()
        root_u, root_i = (
            torch.tensor(counts).float().sqrt() for counts in (clicks.user_counts(), clicks.item_counts())
        )
        of_users, of_items, slack = root_u @ user_rows, root_i @ item_rows, 1e-4 * scale
        torch.testing.assert_close(of_users, of_items, rtol=1e-4, atol=slack)  # whatever the rows ...
        assert of_users @ of_items >= -slack * scale  # ... the weighted mean of the logits is not negative
        idle = torch.tensor(clicks.user_counts() == 0)
        assert torch.equal(user_rows[idle], net.user_factors.weight[idle] / 4)


def test_equal_scores_are_recommended_lowest_inner_id_first():
    split = small_world()
    recommender = Recommender("GMF", "Normal", epochs=1, device="cpu").fit(split.train)
    with torch.no_grad():
        for weight in recommender.trained.f.parameters():
            weight.zero_()
    found = recommender.recommend(k=6)
    known = split.train.to_csr().toarray() > 0
    for user, rows in found.groupby("user"):
        free = np.flatnonzero(~known[split.train.user_ids.get_loc(user)])
        assert rows["item"].tolist() == split.train.item_ids[free[:6]].tolist()
    with pytest.warns(UserWarning, match="no click that was learned from"):
        popular = recommender.recommend("nobody", k=24)
    counts = pd.Series(split.train.item_counts(), split.train.item_ids).sort_values(
        ascending=False, kind="stable"
    )
    assert popular["item"].tolist() == counts.index.tolist() and popular["score"].tolist() == counts.tolist()


def test_a_new_user_gets_equal_scores_lowest_inner_id_first():
    split = small_world()
    graph = Recommender("LightGCN", "Normal", epochs=1, device="cpu").fit(split.train)
    with torch.no_grad():
        for weight in graph.trained.f.parameters():
            weight.zero_()
    ids = split.train.item_ids
    assert graph.recommend_for([ids[2]], k=5)["item"].tolist() == ids[[0, 1, 3, 4, 5]].tolist()


@pytest.mark.parametrize("model", ["GMF", "LightGCN"])
def test_scores_that_are_no_numbers_are_refused(model):
    split = small_world()
    recommender = Recommender(model, "Normal", epochs=1, device="cpu").fit(split.train)
    with torch.no_grad():
        for weight in recommender.trained.f.parameters():
            weight.fill_(torch.nan)
    with pytest.raises(InputError, match="NaN"):
        recommender.recommend()
    if model == "LightGCN":
        with pytest.raises(InputError, match="NaN"):
            recommender.recommend_for([split.train.item_ids[0]])


@each_method
@each_model
def test_saving_and_loading_changes_nothing(model, method, tmp_path):
    made, split = fitted(model, method), small_world()
    made.save(tmp_path)
    loaded = Recommender.load(tmp_path, device="cpu")
    assert same(state(loaded), state(made))
    assert loaded.evaluate(split).equals(made.evaluate(split))
    assert loaded.real_positive_probability().equals(made.real_positive_probability())
    assert loaded.recommend().equals(made.recommend())
    assert loaded.history.equals(made.history) and (loaded.recipe, loaded.judging) == (
        made.recipe,
        made.judging,
    )


@each_method
@each_model
def test_a_run_repeats_itself_and_leaves_the_global_generators_alone(model, method):
    split, first = small_world(), fitted(model, method)
    torch.manual_seed(1)
    np.random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    again = fit(model, method)
    again.evaluate(split, ties="random")
    assert torch.equal(before[0], torch.get_rng_state()) and (before[1] == np.random.get_state()[1]).all()
    assert same(state(first), state(again))
    assert first.history.drop(columns="seconds").equals(again.history.drop(columns="seconds"))
    assert not same(state(first), state(fitted(model, method, seed=1)))


def test_every_method_is_among_those_tried():
    assert {"Normal", "DeCA", "DeCA(p)", "DP", "DN"} <= set(listed("method"))
