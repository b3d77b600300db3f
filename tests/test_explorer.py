"""The explorer's Python side: what the widgets hold, what a button starts, what a page is made of.

tests/test_browser.py looks at what they draw.
"""

import json
import re
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from deca_nb.answers import AnsweredLists
from deca_nb.explore import EXPLORED
from deca_nb.explorer import (
    QUICK,
    SEEDS,
    TURNS,
    WATCHED,
    Curves,
    Landscape,
    Lists,
    NoiseFound,
    OnePair,
    Surface,
    WorldExplorer,
    check_surface,
    clicks_of,
    explore,
    loss,
    minimum,
    one_pair,
    page,
    pull,
    push,
    read_surface,
    side_by_side,
    surface,
    train_world,
    user_tables,
    with_sliders,
)
from deca_nb.interactions import InputError, Interactions
from deca_nb.recommender import Recommender
from deca_nb.statistics import auc
from deca_nb.worlds import World

share = st.floats(0.01, 0.99)
cost = st.floats(0.1, 1000)
SHORT = replace(QUICK, epochs=2)


@pytest.fixture(scope="module")
def run() -> dict:
    """Two epochs of each method."""
    return train_world({"noise": 0.035}, SHORT)


@pytest.fixture(scope="module")
def recommenders() -> tuple[Recommender, Recommender]:
    """Normal training and DeCA on one small world."""
    split = World(60, 50).sample()
    return tuple(
        Recommender("MF", method, epochs=3, learning_rate=0.02, batch_size=256).fit(split.train, split.valid)
        for method in ("Normal", "DeCA")
    )


@pytest.fixture
def table() -> pd.DataFrame:
    """A surface of two by two cells, in one of which the paper prints a number."""
    about = {"data": "world", "model": "GMF", "method": "DeCA", "metric": "recall@20"}
    cells = [(1.0, 1.0, 0.1), (1.0, 10.0, 0.2), (10.0, 1.0, 0.3), (10.0, 10.0, 0.4)]
    rows = [
        about
        | {"c1": c1, "c2": c2, "mean": mean, "low": mean - 0.05, "high": mean + 0.05, "published": np.nan}
        for c1, c2, mean in cells
    ]
    rows[3]["published"] = 0.109
    return check_surface(pd.DataFrame(rows))


# One pair.


@given(c1=cost, c2=cost, alpha=st.floats(0, 1), h=share, h_prime=share, g=share)
def test_every_minimum_is_where_push_and_pull_balance(c1, c2, alpha, h, h_prime, g):
    found = one_pair(c1, c2, alpha, h, h_prime, g)
    for name, slope in found["slopes"].items():
        f = found["minima"][name]
        if 1e-6 < f < 1 - 1e-6:
            assert abs(push(f, slope) + pull(f, g, alpha)) < 1e-9 * max(1, abs(slope))
            for other in (f / 2, (1 + f) / 2):
                assert loss(f, slope, g, alpha) <= loss(other, slope, g, alpha) + 1e-12


@given(slope=st.floats(-1000, 1000), g=share, alpha=st.floats(0, 1))
def test_a_minimum_lies_on_the_side_of_g_to_which_the_slope_points(slope, g, alpha):
    assert np.sign(round(minimum(slope, g, alpha) - g, 12)) in (0, np.sign(slope))


def test_taking_turns_is_the_mean_of_both_tasks():
    found = one_pair(c1=3, c2=5, h=0.3, h_prime=0.4)["slopes"]
    for seen in ("click", "no click"):
        assert found[f"in turn {seen}"] == pytest.approx(
            (found[f"{TURNS[0]} {seen}"] + found[f"{TURNS[1]} {seen}"]) / 2
        )


def test_each_slider_is_linked_to_its_number():
    drawing = OnePair(c1=3.0)
    box = with_sliders(drawing)
    controls = box.children[0].children
    assert [control.description for control in controls] == ["C1", "C2", "alpha", "h", "h'", "g"]
    assert [control.value for control in controls] == [3.0, 10.0, 0.5, 0.2, 0.6, 0.5]
    assert box.children[1] is drawing
    assert drawing.drawn() == {"c1": 3.0, "c2": 10.0, "alpha": 0.5, "h": 0.2, "h_prime": 0.6, "g": 0.5}


# A surface.


def test_a_surface_has_its_largest_costs_above_and_to_the_right(table):
    found = surface(table, data="world", model="GMF", method="DeCA", metric="recall@20")
    assert found.to_numpy().tolist() == [[0.3, 0.4], [0.1, 0.2]]


def test_a_surface_survives_its_file(table, tmp_path):
    table.assign(more=1).to_csv(tmp_path / "surface.csv", index=False)
    pd.testing.assert_frame_equal(read_surface(tmp_path / "surface.csv"), table)


SPOILED = [
    (lambda table: table.drop(columns=["high", "mean"]), "no column mean, high"),
    (lambda table: table[:0], "no rows"),
    (lambda table: pd.concat([table, table[:1]]), "two rows for one cell"),
]


@pytest.mark.parametrize("spoil, said", SPOILED)
def test_a_surface_that_cannot_be_drawn_is_refused(table, spoil, said):
    with pytest.raises(InputError, match=said):
        Surface(spoil(table))


def test_a_surface_is_sent_without_missing_numbers(table):
    rows = Surface(table).drawn()["rows"]
    assert [row["published"] for row in rows] == [None, None, None, 0.109]
    json.dumps(rows, allow_nan=False)


# A world of your own.


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=2, max_size=30).filter(
        lambda pairs: len({noisy for _, noisy in pairs}) == 2
    )
)
def test_noise_auc_counts_pairs(pairs):
    real, noisy = ([score for score, flag in pairs if flag == which] for which in (False, True))
    counted = np.mean([(a > b) + (a == b) / 2 for a in real for b in noisy])
    assert auc(
        -np.array([score for score, _ in pairs], float), np.array([flag for _, flag in pairs])
    ) == pytest.approx(counted)


def test_a_run_has_every_method_and_number(run):
    assert list(run["curves"]) == list(WATCHED)
    for curve in run["curves"].values():
        assert set(curve) == {"recall@20", "noise AUC", "memorised noise"}
        for lines in curve.values():
            low, mean, high = (np.array(lines[line]) for line in ("low", "mean", "high"))
            assert len(mean) == 2 and (0 <= low).all() and (high <= 1).all()
            assert (low < mean).all() and (mean < high).all()
    json.dumps(run, allow_nan=False)


def test_the_band_spans_the_seeds_by_themselves(run):
    each = [train_world({"noise": 0.035}, SHORT, seeds=[seed])["curves"] for seed in SEEDS]
    for name, curve in run["curves"].items():
        for metric, lines in curve.items():
            alone = np.array([curves[name][metric]["mean"] for curves in each])
            expected = {"mean": alone.mean(0), "low": alone.min(0), "high": alone.max(0)}
            assert {line: pytest.approx(values, abs=1e-4) for line, values in expected.items()} == lines


def test_the_costs_change_deca_alone(run):
    other = train_world({"noise": 0.035}, replace(SHORT, c1=1000.0))
    changed = [name for name in WATCHED if other["curves"][name] != run["curves"][name]]
    assert changed == ["DeCA"] and other["levels"] == run["levels"]


def test_a_run_that_is_stopped_keeps_what_there_is():
    seen = []
    run = train_world(
        {"noise": 0.035}, SHORT, on_epoch=lambda run: seen.append(1), asked=lambda: len(seen) >= 2
    )
    assert [len(curve["recall@20"]["mean"]) for curve in run["curves"].values()] == [2]


def test_seeds_stop_in_one_epoch_whenever_they_are_asked():
    answers = iter([False] * 2 + [True] * 9)  # asked before the method, then once an epoch
    settings = replace(QUICK, epochs=5)
    run = train_world({"noise": 0.035}, settings, names=["DeCA"], asked=lambda: next(answers))
    assert {len(values) for lines in run["curves"]["DeCA"].values() for values in lines.values()} == {2}


def test_the_button_trains_with_what_the_sliders_say(run):
    explorer = WorldExplorer([run])
    for name, value in {"noise": 0.02, "popularity_noise": 1.0, "c1": 100.0, "c2": 1.0, "alpha": 0.0}.items():
        explorer.controls[name].value = value
    explorer.epochs.value = 5
    shown = []
    explorer.curves.observe(
        lambda change: shown.append((explorer.train_button.disabled, explorer.stop_button.disabled)), "shown"
    )
    explorer.train()
    expected = train_world(
        {"noise": 0.02, "popularity_noise": 1.0}, replace(QUICK, epochs=5, c1=100.0, c2=1.0, alpha=0.0)
    )
    assert explorer.curves.shown == explorer.curves.runs[-1] == expected
    assert shown == [(True, False)] * 15
    assert (explorer.train_button.disabled, explorer.stop_button.disabled) == (False, True)
    assert (
        explorer.status.value == "done after 15 epochs of 15"
        and explorer.progress.value == explorer.progress.max == 15
    )


def test_the_same_run_is_listed_once(run):
    explorer = WorldExplorer([run])
    explorer.epochs.value = 5
    explorer.train()
    explorer.train()
    assert len(explorer.curves.runs) == 2


def test_the_stop_button_stops(run):
    explorer = WorldExplorer([run])
    explorer.epochs.value = 5
    explorer.curves.observe(lambda change: explorer.stop_button.click(), "shown")
    explorer.train()
    assert explorer.status.value == "stopped after 2 epochs of 15"
    explorer.curves.unobserve_all()
    explorer.train()
    assert explorer.status.value == "done after 15 epochs of 15"


def test_a_run_that_fails_gives_the_button_back(run):
    explorer = WorldExplorer([run])
    explorer.controls["noise"].max, explorer.controls["noise"].value = 0.5, 0.5
    with pytest.raises(InputError, match="density"):
        explorer.train()
    assert not explorer.train_button.disabled and "density" in explorer.status.value


def test_a_second_click_starts_nothing(run, monkeypatch):
    explorer, started = WorldExplorer([run]), []
    monkeypatch.setattr("threading.Thread.start", lambda thread: started.append(thread))
    explorer.train_button.click()
    explorer.train_button.click()
    assert len(started) == 1 and not explorer.stop_button.disabled


# Your data.


def test_clicks_are_sorted_by_doubt(recommenders):
    deca = recommenders[1]
    for user in (0, 7):
        clicks = clicks_of(deca, user)
        mine = deca.train.users == user
        assert clicks["score"].is_monotonic_increasing
        assert sorted(clicks["title"].astype(int)) == sorted(deca.train.items[mine])
        assert clicks["popularity"].tolist() == deca.train.item_counts()[clicks["title"].astype(int)].tolist()


def test_lists_side_by_side_are_the_two_recommendations(recommenders):
    both = side_by_side(*recommenders, 7, k=5)
    for recommender, column in zip(recommenders, both.columns[1:3], strict=True):
        assert both[column].astype(int).tolist() == recommender.recommend([7], 5)["item"].tolist()
    left = both.iloc[:, 1].tolist()
    ranks = [left.index(item) + 1 if item in left else None for item in both.iloc[:, 2]]
    assert ranks == [None if pd.isna(rank) else rank for rank in both.iloc[:, 3]]


def test_another_user_is_made_when_asked_for(recommenders):
    lists = Lists(*recommenders, [3, 5])
    assert list(lists.tables) == ["3", "5"] and lists.user == "3"
    lists.user = "7"
    assert lists.tables["7"] == user_tables(*recommenders, 7)
    lists.user = "nobody"
    assert list(lists.tables) == ["3", "5", "7"]


def test_two_of_one_kind_are_told_apart(recommenders):
    both = side_by_side(recommenders[0], recommenders[0], 7, k=5)
    assert (
        list(both.columns[1:3]) == ["MF + Normal (first)", "MF + Normal (second)"]
        and (both.iloc[:, 1] == both.iloc[:, 2]).all()
    )


def test_users_are_shown_as_given():
    train = pd.DataFrame({"user": [" a ", " a ", "10", "10", "9"], "item": [1, 2, 1, 3, 2]})
    valid = pd.DataFrame({"user": ["later", "9"], "item": [1, 3]})
    parts = [Interactions.from_frame(part) for part in (train, valid)]
    pair = [Recommender("MF", method, epochs=1).fit(*parts) for method in ("Normal", "DeCA")]
    lists = Lists(*pair, iter(["9", " a "]))
    assert lists.users == ["9", " a "] and lists.user == "9"
    lists.user = "later"  # known from validation alone
    lists.user = "10"
    assert lists.users == ["9", " a ", "10"]
    with pytest.raises(InputError, match="at least one user"):
        Lists(*pair, [])


def test_a_user_without_clicks_is_refused(recommenders):
    with pytest.raises(InputError, match="user nobody has no clicks"):
        clicks_of(recommenders[0], "nobody")


# The page.


def test_the_chapter_keeps_the_code_of_today():
    """The site draws with the code that the chapters' widgets were saved with."""
    drawn = {
        "13_explorer": (Landscape, OnePair, Surface, Curves, Lists, NoiseFound),
        "16_answers": (AnsweredLists,),
    }
    for name, drawings in drawn.items():
        kept = json.loads((ROOT / f"nbs/{name}.ipynb").read_text())["metadata"]["widgets"]
        states = kept["application/vnd.jupyter.widget-state+json"]["state"].values()
        assert {state["state"]["_esm"] for state in states if "_esm" in state["state"]} == {
            drawing._esm for drawing in drawings
        }
        assert {state["state"]["_css"] for state in states if "_css" in state["state"]} == {OnePair._css}


def test_a_page_fetches_nothing_and_cannot_be_broken_by_a_title(recommenders, run, table):
    lists = Lists(*recommenders, [3])
    lists.tables = {
        "3": [{"caption": "</script><b>", "columns": ["<i>"], "rows": [["<script>alert(1)</script>"]]}]
    }
    made = page(OnePair(), Surface(table), Curves([run]), lists, title="<b>mine</b>")
    assert "<b>mine" not in made and "alert(1)</script>" not in made
    assert made.count("</script>") == 2 and made.count("http") == made.count("http://www.w3.org/2000/svg")
    parts = json.loads(made.split('id="parts">')[1].split("</script>")[0])
    assert parts[3]["state"]["tables"] == lists.tables


def test_explore_writes_the_closed_form_by_default(tmp_path):
    explore(tmp_path / "explorer.html")
    assert (tmp_path / "explorer.html").read_text(encoding="utf-8") == page(OnePair())


@pytest.mark.alone
def test_a_world_is_trained_while_one_waits():
    started = time.perf_counter()
    train_world({"noise": 0.035, "popularity_noise": 0.5})
    assert time.perf_counter() - started < 4 * 2  # two seconds on an idle machine; this one may be busy


def test_a_page_is_made_with_the_numbers_of_chapter_13():
    cells = json.loads((ROOT / "nbs/13_explorer.ipynb").read_text(encoding="utf-8"))["cells"]
    source = {cell["id"]: "".join(cell["source"]) for cell in cells}
    said = [line for cell in ("parameters", "movielens") for line in source[cell].splitlines()]
    for name, value in EXPLORED.items():
        told = [float(found) for line in said for found in re.findall(rf"\b{name}=([\d.]+)", line)]
        assert told and set(told) == {value}, name
