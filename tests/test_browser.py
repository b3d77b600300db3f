"""The explorer in Chromium.

The drawings are their Python twins, keys move them, a page of them needs no kernel, and chapter 13 works in
JupyterLab.
"""

import json
import math
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

sys.path.append(str(ROOT / "tools"))
from book import needed, read
from test_explorer import SHORT, recommenders, run, table  # noqa: F401

from deca_nb.answers import AnsweredLists
from deca_nb.explorer import (
    COSTS,
    MEASURED,
    SEEDS,
    SEEN,
    TRUE_LOGITS,
    TURNS,
    WATCHED,
    Curves,
    Landscape,
    Lists,
    NoiseFound,
    OnePair,
    Surface,
    explore,
    landscape,
    loss,
    module,
    noise_likelihood,
    one_pair,
    pull,
    push,
    train_world,
)

CHAPTER = ROOT / "nbs" / "13_explorer.ipynb"
USERS = [13, 5, 3]
START = dict(c1=10.0, c2=10.0, alpha=0.5, h=0.2, h_prime=0.6, g=0.5)


@pytest.fixture
def tab(browser):
    """A page that remembers what went wrong in it and what it asked for."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.errors, tab.requests = [], []
    tab.on("console", lambda message: tab.errors.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.on("request", lambda request: tab.requests.append(request.url))
    tab.on("requestfailed", lambda request: tab.errors.append(request.url))
    yield tab
    tab.close()


@pytest.fixture
def page(tab, tmp_path, table, run, recommenders):
    """All four drawings on a page that is opened from the disk."""
    other = train_world({"noise": 0.035}, SHORT, names=["Normal"])
    explore(
        tmp_path / "explorer.html",
        OnePair(),
        Surface(table),
        Curves([run, other | {"name": "another"}]),
        Lists(*recommenders, USERS),
    )
    tab.goto((tmp_path / "explorer.html").as_uri())
    tab.wait_for_selector("#part-3 table")
    return tab


def settings(n: int) -> list[dict]:
    """Random settings over all that the sliders reach, and both ends of alpha."""
    rng = np.random.default_rng(0)
    low, high = np.array([-1, -1, 0, 0.01, 0.01, 0.01]), np.array([3, 3, 1, 0.99, 0.99, 0.99])
    rows = rng.uniform(low, high, (n, 6))
    rows[:, :2] = 10 ** rows[:, :2]
    rows[: n // 5, 2] = rng.integers(0, 2, n // 5)
    return [dict(zip(START, row.tolist(), strict=True)) for row in rows]


def test_the_drawing_is_its_python_twin(tab):
    tab.goto("about:blank")
    asked, places = settings(1000), [1e-6, 0.2, 0.5, 0.9, 1 - 1e-6]
    found = tab.evaluate(
        """async ([source, asked, places]) => {
            const twin = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
            return asked.map((one) => {
                const all = twin.numbers(one), slope = all.slopes["DN click"];
                const at = (f) => [twin.push(f, slope), twin.pull(f, one), twin.loss(f, slope, one)];
                return { ...all, at: places.map(at) };
            });
        }""",
        [module("one_pair"), asked, places],
    )
    for one, theirs in zip(asked, found, strict=True):
        mine, agreement = one_pair(**one), {"g": one["g"], "alpha": one["alpha"]}
        for what in ("slopes", "minima", "turns"):
            assert theirs[what] == pytest.approx(mine[what], rel=1e-9, abs=1e-12), (one, what)
        slope = mine["slopes"]["DN click"]
        expected = [[push(f, slope), pull(f, **agreement), loss(f, slope, **agreement)] for f in places]
        assert np.array(theirs["at"]) == pytest.approx(np.array(expected), rel=1e-7, abs=1e-12), one


def test_the_landscape_is_its_python_twin(tab):
    tab.goto("about:blank")
    asked = [
        {name: value for name, value in one.items() if name not in ("h", "h_prime")} for one in settings(30)
    ]
    rng = np.random.default_rng(1)
    asked = [one | {"link": float(rng.uniform(-1, 1)), "terms": int(rng.integers(1, 4))} for one in asked]
    found = tab.evaluate(
        """async ([source, asked]) => {
            const twin = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
            return asked.map((one) => ["click", "no click"].map((seen) => twin.heights(seen, one)));
        }""",
        [module("landscape"), asked],
    )
    centres = (np.arange(40) + 0.5) / 40
    for one, theirs in zip(asked, found, strict=True):
        for seen, heights in zip(SEEN, theirs, strict=True):
            mine = landscape(centres, centres[:, None], seen, **one)
            assert np.array(heights) == pytest.approx(mine, rel=1e-9, abs=1e-9), (one, seen)


def test_the_landscape_shows_the_ridge_and_what_ends_it(tab, tmp_path):
    explore(tmp_path / "ridge.html", Landscape())
    tab.goto((tmp_path / "ridge.html").as_uri())
    said = tab.locator('[data-highest="click"]')
    assert "f from 0.01 to 0.99, h from 0.99 to 0.99; 40 of 1600" in said.inner_text()
    tab.get_by_label("terms").fill("2")
    tab.get_by_label("terms").dispatch_event("input")
    assert "f from 0.99 to 0.99" in said.inner_text()
    assert tab.locator("[data-terms]").inner_text().startswith("Eq. 17 + 18")
    assert tab.errors == []


def test_the_likelihood_of_noise_is_its_python_twin(tab):
    tab.goto("about:blank")
    rng = np.random.default_rng(2)
    asked = [
        {"noise": n, "spread": s, "h_prime": h, "level": v, "logits": list(TRUE_LOGITS)}
        for n, s, h, v in rng.uniform([0.005, 0, 0.3, -1.5], [0.2, 0.9, 0.95, 1.5], (20, 4)).tolist()
    ]
    kinds = ["quiet items", "noisy items", "Eq. 17"]
    found = tab.evaluate(
        """async ([source, asked, kinds]) => {
            const twin = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
            const of = (kind, one) => twin.guesses.map((guess) => twin.likelihood(kind, guess, one));
            return [twin.guesses, asked.map((one) => kinds.map((kind) => of(kind, one)))];
        }""",
        [module("noise"), asked, kinds],
    )
    guesses = np.array(found[0])
    assert guesses == pytest.approx(np.geomspace(0.003, 0.6, 161))
    for one, theirs in zip(asked, found[1], strict=True):
        for kind, values in zip(kinds, theirs, strict=True):
            assert np.array(values) == pytest.approx(noise_likelihood(kind, guesses, **one), rel=1e-9), kind


def test_the_page_on_noise_says_where_each_likelihood_is_highest(tab, tmp_path):
    explore(tmp_path / "noise.html", NoiseFound())
    tab.goto((tmp_path / "noise.html").as_uri())
    said = tab.locator("[data-found]")
    assert "quiet items 0.020 (true 0.020); noisy items 0.080 (true 0.080)" in said.inner_text()
    tab.get_by_label("level").fill("-1")
    tab.get_by_label("level").dispatch_event("input")
    assert "(true 0.080)" in said.inner_text() and "noisy items 0.080 " not in said.inner_text()
    assert tab.errors == []


def test_the_page_on_answers_shows_the_step_that_was_reached(tab, tmp_path):
    """Between two steps the smaller one; each user's own list; what is not known is a dash."""

    def step(n: int, *titles: str) -> dict:
        rows = [[1 + i, title, None, None if n else 1 + i] for i, title in enumerate(titles)]
        columns = ["rank", "item", "P(like)", "rank before"]
        tables = {
            user: {"caption": f"recommended to user {user}", "columns": columns, "rows": rows[::side]}
            for user, side in (("7", 1), ("<b>8", -1))
        }
        return {"answers": n, "told": f"{n} answers were used.", "tables": tables}

    steps = [step(0, "one", "two"), step(50, "three", "one"), step(90, "four", "<i>five")]
    explore(tmp_path / "answers.html", AnsweredLists(steps))
    tab.goto((tmp_path / "answers.html").as_uri())

    def shown():
        rows = [row.split("\t")[1] for row in tab.locator("tbody tr").all_inner_texts()]
        return tab.locator("[data-told]").inner_text(), tab.locator("caption").inner_text(), rows

    assert shown() == ("0 answers were used.", "recommended to user 7 after 0 answers", ["one", "two"])
    for moved, reached, titles in ((50, 50, ["three", "one"]), (100, 90, ["four", "<i>five"])):
        tab.get_by_label("answers").fill(str(moved))
        tab.get_by_label("answers").dispatch_event("input")
        assert shown() == (
            f"{reached} answers were used.",
            f"recommended to user 7 after {reached} answers",
            titles,
        )
    tab.get_by_label("user").select_option("<b>8")
    assert shown()[1:] == ("recommended to user <b>8 after 90 answers", ["<i>five", "four"])
    assert "–" in tab.locator("tbody").inner_text() and tab.errors == []


# One pair: what is drawn and what is written, against Python.


def height(value: float, least: float, most: float, unit: float) -> float:
    """Where a value stands in a chart, in its own units."""
    low, here, high = (math.asinh(x / unit) for x in (least, value, most))
    return 194 - (here - low) / (high - low) * 168


def points(drawn: str) -> np.ndarray:
    """The points of a path."""
    return np.array([pair.split(",") for pair in drawn.replace("L", " ").replace("M", " ").split()], float)


def assert_drawn(place, **where):
    """The numbers of the table, the curves and their minima are those of the Python twin."""
    found, agreement = one_pair(**where), {"g": where["g"], "alpha": where["alpha"]}
    charts = place.locator("svg[role=img]")
    for n, seen in enumerate(SEEN):
        pushes, losses = charts.nth(2 * n), charts.nth(2 * n + 1)
        for task in TURNS:
            name = f"{task} {seen}"
            least, slope = found["minima"][name], found["slopes"][name]
            assert place.locator(f'[data-number="minimum {name}"]').inner_text() == f"{least:.4f}"
            written = float(place.locator(f'[data-number="push {name}"]').inner_text())
            assert written == pytest.approx(push(0.5, slope), abs=0.0006 if abs(slope) < 400 else 0.06)
            moved = losses.locator(f'[data-minimum="{task}"]').get_attribute("transform")
            assert float(moved[10:].split(",")[0]) == pytest.approx(50 + least * 298, abs=0.01)
            at = points(pushes.locator(f'[data-line="{task}"]').get_attribute("d"))
            together = pull(0.25, **agreement) if task == "in turn" else 0
            assert at[60].tolist() == pytest.approx(
                [50 + 0.25 * 298, height(push(0.25, slope) + together, -300, 300, 0.1)], abs=0.01
            )
            at = points(losses.locator(f'[data-line="{task}"]').get_attribute("d"))
            floor = loss(min(max(least, 1e-6), 1 - 1e-6), slope, **agreement)
            assert at[180].tolist() == pytest.approx(
                [50 + 0.75 * 298, height(max(loss(0.75, slope, **agreement) - floor, 0), 0, 1200, 0.5)],
                abs=0.01,
            )
    for name, turn in found["turns"].items():
        assert f"turns round at {turn:.3f}" in place.locator(f'[data-turn="{name}"]').text_content()


def test_keys_move_the_pair(page):
    place = page.locator("#part-0")
    assert_drawn(place, **START)
    page.locator("[data-slider=c1]").focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    assert_drawn(place, **START | {"c1": 10**0.4})
    page.locator("[data-slider=h]").focus()
    page.keyboard.press("End")
    assert_drawn(place, **START | {"c1": 10**0.4, "h": 0.99})
    assert "turned round" in place.locator("[data-turn=h]").text_content()
    page.locator("[data-slider=alpha]").focus()
    page.keyboard.press("Home")
    page.locator("[data-slider=c2]").focus()
    page.keyboard.press("End")
    assert_drawn(place, **START | {"c1": 10**0.4, "h": 0.99, "alpha": 0.0, "c2": 1000.0})
    assert page.errors == []


ANSWER_TIME = """([slider, number]) => {
    const press = document.querySelector(slider), cell = document.querySelector(number);
    let start = 0;
    press.addEventListener("keydown", () => { start = performance.now(); }, { once: true, capture: true });
    window.answered = new Promise((done) => {
        const seen = new MutationObserver(() => requestAnimationFrame(() => {
            seen.disconnect();
            done(performance.now() - start);
        }));
        seen.observe(cell, { childList: true });
    });
    press.focus();
}"""


def answer_times(tab, slider: str) -> list[float]:
    """Milliseconds from a key pressed on C1's slider to the frame with another number."""
    took = []
    for key in ["ArrowLeft", "ArrowRight"] * 10:
        tab.evaluate(ANSWER_TIME, [slider, '[data-number="minimum DP no click"]'])
        tab.keyboard.press(key)
        took.append(tab.evaluate("window.answered"))
    return took


@pytest.mark.alone
def test_a_key_is_answered_within_30_ms(page):
    assert statistics.median(answer_times(page, "[data-slider=c1]")) < 30


# The other three.


def test_keys_move_over_the_surface(page):
    place = page.locator("#part-1")
    place.locator('[data-cell="1 1"]').focus()
    left = "C1 = 10, C2 = 1: recall@20 0.3000, interval 0.2500 to 0.3500"
    right = "C1 = 10, C2 = 10: recall@20 0.4000, interval 0.3500 to 0.4500; the paper prints 0.109"
    for key, said in [("ArrowUp", left), ("ArrowUp", left), ("ArrowRight", right)]:
        page.keyboard.press(key)
        assert place.locator(".deca-detail").inner_text() == said
    place.locator('[data-cell="1 10"]').hover()
    assert place.locator(".deca-detail").inner_text().startswith("C1 = 1, C2 = 10: recall@20 0.2000")
    assert place.locator("svg text", has_text="★").count() == 1
    assert page.errors == []


def test_keys_cross_holes_and_leave_the_browsers_own_alone(tab, table, tmp_path):
    diagonal = table[table["c1"] == table["c2"]]
    explore(
        tmp_path / "holes.html", Surface(pd.concat([diagonal, diagonal.tail(1).assign(c1=100.0, c2=100.0)]))
    )
    tab.goto((tmp_path / "holes.html").as_uri())
    tab.locator('[data-cell="1 1"]').focus()
    for key, cell in [
        ("ArrowRight", "10 10"),
        ("ArrowUp", "100 100"),
        ("ArrowUp", "100 100"),
        ("Alt+ArrowDown", "100 100"),
        ("ArrowDown", "10 10"),
    ]:
        tab.keyboard.press(key)
        assert tab.evaluate("document.activeElement.dataset.cell") == cell
    assert tab.errors == []


def test_keys_move_along_the_curves(page, run):
    place = page.locator("#part-2")
    place.locator("[tabindex]").focus()
    for key, epoch in [("ArrowLeft", 1), ("ArrowLeft", 1), ("End", 2)]:
        page.keyboard.press(key)
        told = f"epoch {epoch} of 2: mean of {len(SEEDS)} seeds (lowest–highest)"
        assert place.locator("caption").inner_text() == told
        cells = place.locator("tr", has_text="DeCA").locator("td").all_inner_texts()
        curves = run["curves"]["DeCA"].values()
        each = [[lines[line][epoch - 1] for line in ("mean", "low", "high")] for lines in curves]
        assert cells == ["DeCA", *(f"{mean:.3f} ({low:.3f}–{high:.3f})" for mean, low, high in each)]
    place.locator("select").select_option("another")
    assert place.locator("tr", has_text="DeCA").count() == 0
    assert page.errors == []


def test_a_curve_runs_through_the_band_of_its_seeds(page, run):
    charts = page.locator("#part-2 svg[role=img]")
    for n, metric in enumerate(MEASURED):
        for name in WATCHED:
            lines = run["curves"][name][metric]
            outline = lines["low"] + lines["high"][::-1]
            for kind, epochs, values in (("line", [1, 2], lines["mean"]), ("band", [1, 2, 2, 1], outline)):
                drawn = charts.nth(n).locator(f'[data-{kind}="{name}"]').get_attribute("d")
                expected = np.column_stack([50 + 149 * np.array(epochs), 194 - 168 * np.array(values)])
                assert points(drawn.rstrip("Z")) == pytest.approx(expected, abs=0.01)


def test_a_user_is_chosen(page, recommenders):
    place = page.locator("#part-3")
    place.locator("select").select_option("5")
    first = recommenders[0].recommend([5], 10)["item"].astype(str).tolist()
    assert place.locator("table").nth(2).locator("tbody tr td:nth-child(2)").all_inner_texts() == first
    assert place.locator("select option").all_text_contents() == [*map(str, USERS)], "in the order given"
    place.locator("input").fill("constructor")
    page.keyboard.press("Enter")
    assert "no table of user constructor" in place.inner_text()
    place.locator("input").fill("nobody")
    page.keyboard.press("Enter")
    assert "no table of user nobody" in place.inner_text()
    assert page.errors == []


def test_the_page_asks_for_nothing(page):
    assert [url for url in page.requests if not url.startswith(("file:", "blob:"))] == []
    assert page.errors == []


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_cut_off(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.evaluate(
        "[...document.querySelectorAll('svg[role] text')]"
        ".map((t) => [t.getBoundingClientRect(), t.ownerSVGElement.getBoundingClientRect()])"
    )
    assert [
        (inner, outer)
        for inner, outer in boxes
        if inner["left"] < outer["left"] - 1 or inner["right"] > outer["right"] + 1
    ] == []


def test_everything_has_a_name(page):
    unnamed = (
        "[...document.querySelectorAll('input, select, svg:not([aria-hidden])')]"
        ".filter((e) => !e.labels?.length && !e.getAttribute('aria-label')).length"
    )
    assert page.evaluate(unnamed) == 0


# JupyterLab.


@pytest.fixture
def notebook(tmp_path) -> Path:
    """Chapter 13's own cells: its first and its third widget, and what these two need.

    What it exports comes from the package.
    """
    cells = [
        cell
        for cell in read(CHAPTER)
        if cell.is_code and (not cell.is_exported or cell.id == "imports-export")
    ]
    wanted = [cell for cell in cells if cell.id in ("explore-one-pair", "explore-world")]
    kept = [nbformat.v4.new_code_cell(cell.source, id=cell.id) for cell in needed(cells, wanted)]
    kept.insert(1, nbformat.v4.new_code_cell("from deca_nb.explorer import *", id="package"))
    kernel = {"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=kept, metadata=kernel), tmp_path / "explorer.ipynb")
    return tmp_path / "explorer.ipynb"


def write(path: Path, settings: dict):
    """A file of settings, with its folders."""
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(settings))


@pytest.fixture
def lab(notebook):
    """JupyterLab over the notebook's folder, with settings of its own: the address that opens it."""
    folder = notebook.parent
    quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    write(folder / "config" / "labconfig" / "page_config.json", quiet)
    write(
        folder / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings",
        {"windowingMode": "none"},
    )
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
    }
    env = os.environ | {name: str(folder / place) for name, place in own.items()} | {"OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        "--port=0",
        f"--notebook-dir={folder}",
    ]
    command += ["--LabApp.extension_manager=readonly"]
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    try:
        yield address(folder / "runtime", server, notebook)
    finally:
        server.terminate()
        server.wait(timeout=20)


def address(runtime: Path, server: subprocess.Popen, notebook: Path) -> str:
    """What the server says of itself once it listens."""
    for _ in range(300):
        for info in runtime.glob("jpserver-*.json"):
            about = json.loads(info.read_text())
            return f"{about['url']}lab/workspaces/explorer/tree/{notebook.name}?token={about['token']}"
        assert server.poll() is None, (notebook.parent / "lab.log").read_text()
        time.sleep(0.2)
    raise AssertionError("JupyterLab did not start within a minute")


def run_all(tab):
    """Run All.

    A click before the kernel is attached is lost, or asks for one, so click until a cell has a prompt.
    """
    for _ in range(12):
        if tab.locator(".jp-Dialog .jp-mod-accept").count():
            tab.locator(".jp-Dialog .jp-mod-accept").click()
        tab.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
        tab.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()
        try:
            return tab.wait_for_function(
                r"[...document.querySelectorAll('.jp-InputPrompt')]"
                r".some((p) => /\[(\d+|\*)\]/.test(p.textContent))",
                timeout=5000,
            )
        except Exception as error:
            if "Timeout" not in type(error).__name__:
                raise
    raise AssertionError("no cell ran")


def press(tab, cell, n: int, *keys: str):
    """Press keys on the n-th slider of a cell."""
    handle = cell.locator(".noUi-handle").nth(n)
    handle.scroll_into_view_if_needed()
    handle.focus()
    for key in keys:
        tab.keyboard.press(key)


@pytest.mark.alone
def test_chapter_in_jupyterlab(tab, lab):
    tab.goto(lab)
    tab.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
    run_all(tab)
    cells = tab.locator(".jp-Notebook .jp-Cell")
    pair, world = (
        cells.filter(has=tab.locator(f".deca {mark}")) for mark in ("[data-turn]", ".deca-charts[tabindex]")
    )
    world.wait_for(timeout=120_000)

    assert_drawn(pair, **START)
    press(tab, pair, 0, *["ArrowLeft"] * 4)
    assert_drawn(pair, **START | {"c1": 10**0.8})
    assert statistics.median(answer_times(tab, ".jp-Cell:has([data-turn]) .noUi-handle")) < 30

    n_costs = 2 + len(COSTS)
    press(tab, world, n_costs, "End")
    world.get_by_role("button", name="Train").click()
    world.get_by_text(re.compile(r"^Normal: epoch \d+ of 200$")).wait_for(timeout=30_000)
    world.get_by_role("button", name="Stop").click()
    world.get_by_text("stopped after").wait_for(timeout=10_000)

    press(tab, world, n_costs, "Home")
    world.get_by_role("button", name="Train").click()
    world.get_by_text("done after 15 epochs of 15").wait_for(timeout=60_000)
    assert "epoch 5 of 5" in world.locator(".deca caption").inner_text()
    assert world.locator(".deca select option").count() == 7
    assert tab.errors == []
