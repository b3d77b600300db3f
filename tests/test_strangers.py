"""Readers, cuts and samplers, tried on files and clicks that nobody thought of."""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deca_nb.baselines import ByPopularity
from deca_nb.batches import AnyItem
from deca_nb.interactions import CUTS, InputError, Interactions, core, read_interactions, read_split

quick = settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
SUFFIXES = ["csv", "tsv", "jsonl", "inter", "parquet", "csv.gz"]


@st.composite
def clicks(draw, least: int = 6):
    """Distinct pairs with times, some of them equal."""
    shape = draw(st.tuples(st.integers(2, 6), st.integers(3, 8)))
    matrix = draw(arrays(bool, shape))
    assume(matrix.sum() >= least)
    users, items = np.nonzero(matrix)
    times = draw(arrays(np.int64, len(users), elements=st.integers(0, 9)))
    ids = pd.RangeIndex(shape[0]), pd.RangeIndex(shape[1])
    return Interactions(users, items, *ids, timestamps=times)


def read(data: bytes, suffix: str) -> Interactions | str:
    """What a file of these bytes holds, or the sentence that refuses it."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / f"x.{suffix}"
        path.write_bytes(data)
        try:
            return read_interactions(path)
        except InputError as error:
            return str(error)


# Readers.

WORDS = [b"user", b"item", b"rating", b"timestamp", b",", b"\t", b"\n", b"\r\n", b'"', b"1", b"-7", b"3.5"]
WORDS += [b"nan", b"inf", b"1e999", b"\xff", b"\x00", b"{", b"}", b":", b"null", b"2024-01-02", b" ", b"PAR1"]
texts = st.lists(st.sampled_from(WORDS), max_size=30).map(b"".join)
headed = st.tuples(st.sampled_from([b"user,item\n", b"user\titem\n", b"user,item,rating,timestamp\n"]), texts)


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(st.one_of(st.binary(max_size=60), texts, headed.map(b"".join)))
@quick
def test_any_bytes_are_clicks_or_one_sentence(suffix, data):
    found = read(data, suffix)
    if isinstance(found, str):
        assert found.strip() and "\n" not in found
        return
    assert len(found) and found.n_users and found.n_items
    assert 0 <= found.users.min() and found.users.max() < found.n_users
    assert 0 <= found.items.min() and found.items.max() < found.n_items
    assert len(set(zip(found.users.tolist(), found.items.tolist(), strict=True))) == len(found)
    assert found.ratings is None or np.isfinite(found.ratings).all()


# Cuts.


@pytest.mark.parametrize("kind", CUTS)
@given(clicks(), st.integers(0, 2**32))
@quick
def test_a_cut_gives_each_click_one_part_and_repeats_itself(kind, pairs, seed):
    parts, _ = CUTS[kind](pairs, seed)
    assert parts.shape == (len(pairs),) and set(np.unique(parts)) <= {0, 1, 2}
    assert (parts == CUTS[kind](pairs, seed)[0]).all()


@given(clicks())
@quick
def test_a_cut_for_all_looks_at_no_later_click(pairs):
    parts, _ = CUTS["global"](pairs, 0)
    latest = [pairs.timestamps[parts == part].max(initial=-1) for part in (0, 1)]
    earliest = [pairs.timestamps[parts == part].min(initial=10) for part in (1, 2)]
    assert latest[0] <= min(earliest) and latest[1] <= earliest[1]


@given(clicks())
@quick
def test_leaving_one_out_tests_the_last_click_of_each_user(pairs):
    parts, _ = CUTS["leave-one-out"](pairs, 0)
    for user in np.unique(pairs.users):
        of_user = pairs.users == user
        tested = of_user & (parts == 2)
        assert tested.sum() <= 1 and (of_user & (parts == 0)).any()
        assert not tested.any() or pairs.timestamps[tested][0] == pairs.timestamps[of_user].max()


@pytest.mark.parametrize("kind", [kind for kind in CUTS if kind != "random"])  # that one draws by row
@given(clicks(8), st.randoms(use_true_random=False))
@settings(quick, max_examples=8)
def test_the_order_of_the_rows_of_a_file_does_not_matter(kind, pairs, random):
    frame = pairs.to_frame()
    order = list(range(len(frame)))
    random.shuffle(order)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in (("a", frame), ("b", frame.iloc[order])):
            path = Path(folder) / name / "x.csv"
            path.parent.mkdir()
            rows.to_csv(path, index=False)
            try:
                split = read_split(path, split=kind)
            except InputError as error:
                found.append(str(error).replace(str(path), ""))
                continue
            parts = (split.train, split.valid, split.known)
            found.append([set(map(tuple, part.to_frame()[["user", "item"]].to_numpy())) for part in parts])
    assert found[0] == found[1]


@given(clicks(), st.integers(1, 3), st.integers(1, 3))
@quick
def test_the_core_is_the_largest_part_with_enough_clicks(pairs, min_user, min_item):
    matrix = pairs.to_csr().toarray() > 0
    while True:  # by hand: whoever has too few goes, until nobody does
        left = matrix & (matrix.sum(1) >= min_user)[:, None]
        left &= left.sum(0) >= min_item
        if (left == matrix).all():
            break
        matrix = left
    try:
        found, _ = core(pairs, min_user, min_item)
    except InputError:
        assert not matrix.any()
        return
    kept = found.to_frame()[["user", "item"]].to_numpy().tolist()
    assert sorted(kept) == np.argwhere(matrix).tolist()


# Samplers.


@given(clicks(), st.integers(0, 2**32))
@quick
def test_popular_negatives_are_free_and_as_frequent_as_their_clicks(pairs, seed):
    sampler, seen = ByPopularity(pairs), pairs.to_csr().toarray() > 0
    counts = pairs.item_counts()
    for user in range(pairs.n_users):
        units = torch.arange(int(sampler.free[user]))
        items = sampler.kth(torch.full_like(units, user), units)
        wanted = np.where(seen[user], 0, counts)
        assert np.bincount(items, minlength=pairs.n_items).tolist() == wanted.tolist()
    generator = torch.Generator().manual_seed(seed)
    users, items = sampler.draw(torch.arange(pairs.n_users).repeat(5), generator)
    assert not seen[users, items].any()


@given(clicks(), st.integers(0, 2**32))
@quick
def test_any_item_may_be_any_item(pairs, seed):
    generator = torch.Generator().manual_seed(seed)
    asked = torch.zeros(60 * pairs.n_items, dtype=torch.int64)
    users, items = AnyItem(pairs).draw(asked, generator)
    assert users is asked and set(items.tolist()) == set(range(pairs.n_items))
