"""How fast training and evaluation are, and could be: `python benchmarks/speed.py --out results/speed`.

Every model by three methods on MovieLens, Modcloth and worlds of 10^5, 10^6 and 10^7 clicks. Each cell is a
process of its own, which prints: seconds of a step and of an epoch, clicks a second, the most memory, a plain
loop in the same process (`plain.py`), the least that a step can take on this machine (`work.py` over what
`machine.py` measures), and how much faster a second thread makes it. `--models`, `--methods` and `--data`
choose some cells; those that stand in OUT/speed.json already are left, unless `--anew` is given. The
optimiser is `auto`, and the batch of pairs grows with the clicks, so that an epoch has 40 steps. Beside the
table it draws how the time of a click and the memory grow, and fits both. `--surface` times the surface of C1
and C2 trained together against its runs by themselves. It adds a line to OUT/history.jsonl. The whole takes
about half an hour on two idle cores. What `peers.py` has written to OUT/peers.json is shown beside it.

`--device cuda` measures on a GPU: without plain loops, without threads.

`--check` measures a few cells only and fails where a loop is not as many times as fast as the plain one as it
has to be: ratios, never seconds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import count, product
from pathlib import Path
from statistics import median

import machine
import numpy as np
import plain
import torch
import work

from deca_nb.batches import TrueNegatives
from deca_nb.cli import keep_memory
from deca_nb.datasets import load_named, movielens_100k
from deca_nb.evaluation import evaluate
from deca_nb.files import write_json, write_text
from deca_nb.interactions import CLEAN, PAPER, Interactions, Split
from deca_nb.names import find
from deca_nb.recipe import make_recipe
from deca_nb.runs import versions
from deca_nb.together import Together, in_groups
from deca_nb.training import Run, Trainer, n_threads
from deca_nb.worlds import World

MODELS, METHODS = ("MF", "GMF", "NeuMF", "CDAE", "LightGCN"), ("Normal", "DeCA", "DeCA(p)")
WORLDS = {"world 1e5": 1e5, "world 1e6": 1e6, "world 1e7": 1e7}
DATA = ("ml-100k", "modcloth", *WORLDS)
LONGEST, PLAIN_CLICKS = 4.0, 200_000  # seconds of steps in a cell; data on which plain loops are run
RATIOS = {  # times as fast as the plain loop, at least
    "GMF": 3,
    "NeuMF": 2,
    "CDAE": 1.5,
    "LightGCN": 4,
    "evaluation": 4,
    "a negative for each click": 3,
}


# What is measured on.


def world_of(clicks: float) -> World:
    """A world of about that many clicks, 72 of a user, its items growing as their root."""
    users, items = int(clicks / 72), int(9 * clicks**0.5)
    density = clicks / (users * items)
    return World(n_users=users, n_items=items, density=density, noise=density / 5)


def split_of(data: str) -> Split:
    """The split of that name; MovieLens as the authors split it where their files are, else our own."""
    if data in WORLDS:
        return world_of(WORLDS[data]).sample()
    if data == "ml-100k" and not os.environ.get("DECA_DATA"):
        return movielens_100k()
    return load_named(f"authors:{data}", CLEAN.files)


COLUMNS = ("users", "items")
PARTS = ("train", "valid", "truth", "known")


def keep(split: Split, path: str):
    """Writes a split for other processes."""
    columns = {f"{part}.{name}": getattr(getattr(split, part), name) for part in PARTS for name in COLUMNS}
    np.savez(path, shape=[split.n_users, split.n_items], k=split.k, **columns)


def kept(path: str) -> Split:
    """The split that `keep` wrote."""
    import pandas as pd

    file = np.load(path)
    ids = [pd.RangeIndex(n) for n in file["shape"]]
    parts = {part: Interactions(*(file[f"{part}.{name}"] for name in COLUMNS), *ids) for part in PARTS}
    return Split(**parts, k=tuple(file["k"].tolist()))


# One cell.


STEPS = 40  # of an epoch: beyond 82,000 clicks the batch grows with them


def run_of(model: str, method: str, split: Split, device: str = "cpu") -> Run:
    """A run that never validates and has no other end than its epochs."""
    numbers = {"epochs": 1, "l2": 0.001, "optimiser": "auto"}
    if model != "CDAE":
        numbers["batch_size"] = max(2048, len(split.train) // STEPS)
    return Run(make_recipe(model, method, numbers), split.train, device=device)


def finish(device: str):
    """Waits for what a GPU still has to do."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def timed(steps, longest: float, device: str = "cpu") -> list[float]:
    """Seconds of each step, the first left out, for about that long and three steps at least."""
    next(steps, None)
    finish(device)
    at = [time.perf_counter()]
    for _ in steps:
        finish(device)
        at.append(time.perf_counter())
        if at[-1] - at[0] > longest and len(at) > 3:
            break
    return np.diff(at).tolist()


def our_trainer(run: Run) -> Trainer:
    """What trains; a prior is there, but untrained, for a step takes as long with it."""
    method = run.untrained()
    optimiser = find("optimiser", run.settings.optimiser)(method, run.settings.learning_rate)
    return Trainer(method, run.batches(), run.penalty(), optimiser, 1, run.generator)


def our_steps(trainer: Trainer) -> Iterator[None]:
    """Steps of the trainer, epoch after epoch."""
    while True:
        for batch in trainer.batches.epoch(trainer.generator):
            trainer.step(batch)
            yield
        trainer.loss_sum, trainer.n_losses = 0.0, 0  # as at the end of an epoch


def plain_steps(run: Run) -> Iterator[None]:
    """Steps of the plain loop, from the same weights."""
    method = plain.with_plain_models(run.untrained(), run.train)
    batches = plain.rows if run.model_class.trains_on == "rows" else plain.pairs
    endless = (batch for _ in count() for batch in batches(run.train, run.settings.batch_size))
    return plain.steps(method, endless, run.settings.learning_rate, run.settings.l2)


def seeded() -> torch.Generator:
    """A generator that always starts alike."""
    return torch.Generator().manual_seed(0)


def some_truth(split: Split, cells: float = 4e7) -> Split:
    """The same split with the truth of so many users that about that many cells are ranked."""
    most = max(100, int(cells / split.n_items))
    return replace(split, truth=split.truth.select(split.truth.users < most))


def peak_memory(device: str = "cpu") -> float | None:
    """The most memory that this process has had since it began, in MB; None where no /proc says it."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated(device) / 1e6
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM")), None)


def measure(model: str, method: str, split: Split, device: str = "cpu") -> dict:
    """One cell of the table."""
    keep_memory()
    clicks, run = len(split.train), run_of(model, method, split, device)
    trainer = our_trainer(run)
    steps = len(trainer.batches)
    step = median(timed(our_steps(trainer), LONGEST, device))
    found = {
        "clicks": clicks,
        "users": split.n_users,
        "items": split.n_items,
        "steps": steps,
        "step": step,
        "epoch": step * steps,
        "clicks a second": clicks / (step * steps),
        "MB": peak_memory(device),
        "optimiser": run.settings.optimiser,
        "batch": run.settings.batch_size,
    }
    least = work.of_step(trainer.method, run, 2 * clicks / steps, clicks / steps)
    found |= {"bytes": least.bytes, "flops": least.flops}
    if method == "Normal":
        asked = some_truth(split)
        ranked = len(np.unique(asked.truth.users))
        model_ = trainer.method.f.eval()
        found["users ranked a second"] = ranked / median(
            machine.seconds_of(lambda: evaluate(model_, asked, split.k), 3)
        )
    if device != "cpu":
        return found
    if clicks <= PLAIN_CLICKS:
        found["plain step"] = median(timed(plain_steps(run_of(model, method, split)), LONGEST))
    with n_threads(2):
        found["step of two threads"] = median(timed(our_steps(trainer), LONGEST))
    return found


def surface(split: Split, batch_size: int) -> dict:
    """Seconds of an epoch of 16 points by 3 seeds of GMF + DeCA, by themselves (by a fourth of them) and
    together, with what Figure 6 asks for: protocol paper, without its stopper."""
    keep_memory()
    parts = replace(PAPER.training, stopper="never")
    points = list(product((1.0, 10.0, 100.0, 1000.0), repeat=2))
    numbers = {"epochs": 2, "l2": 0.1, "batch_size": batch_size}
    runs = [
        Run(make_recipe("GMF", "DeCA", numbers | {"c1": c1, "c2": c2}, seed=seed, parts=parts), split.train)
        for seed in range(3)
        for c1, c2 in points
    ]
    places = in_groups([run.recipe for run in runs], split.train)
    groups = [[runs[place] for place in group] for group in places]
    alone = [seconds_of_fit(lambda run=run: replace(run).fit()) for run in runs[::4]]
    together = [seconds_of_fit(lambda group=group: Together(group).fit()) for group in groups]
    return {"alone": 4 * sum(alone) / 2, "together": sum(together) / 2}


def seconds_of_fit(fit: Callable) -> float:
    """Seconds of one training."""
    started = time.perf_counter()
    fit()
    return time.perf_counter() - started


# All cells.


def cell_in_process(model: str, method: str, path: str, device: str) -> dict:
    """`measure` in a process of its own, of one thread, so that its memory is its own."""
    command = [sys.executable, __file__, "--device", device, "--cell", model, method, path]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["killed"])[-1]}
    return json.loads(done.stdout)


def run_all(options, out: Path) -> dict:
    """Measures the cells that are asked for, and keeps each as soon as it is there."""
    page = out / "speed.json"
    found = json.loads(page.read_text()) if page.is_file() and not options.anew else {"cells": {}}
    found |= {
        "versions": versions(options.device),
        "device": options.device,
        "date": str(date.today()),
        "bandwidth": machine.bandwidth(options.device),
        "peak": machine.peak(options.device),
    }
    for data in options.data:
        missing = [
            (model, method)
            for model, method in product(options.models, options.methods)
            if f"{model}, {method}, {data}" not in found["cells"]
        ]
        if not missing:
            continue
        with tempfile.TemporaryDirectory() as folder:
            keep(split_of(data), f"{folder}/split.npz")
            for model, method in missing:
                name = f"{model}, {method}, {data}"
                found["cells"][name] = cell_in_process(model, method, f"{folder}/split.npz", options.device)
                print(name, found["cells"][name], flush=True)
                write_json(str(page), found)
    if options.surface:
        found["surfaces"] = {
            "ml-100k": surface(split_of("ml-100k"), 2048),
            "world": surface(World().sample(), 256),
        }
        write_json(str(page), found)
    return found


def in_order(cells: dict) -> list[tuple]:
    """The cells by data, model and method, in whatever order they were measured."""
    places = [f"{model}, {method}, {data}" for data, model, method in product(DATA, MODELS, METHODS)]
    return [(name, cells[name]) for name in places if name in cells]


def as_markdown(found: dict) -> str:
    """The table, and under it what was measured where."""
    if found["device"] != "cpu":
        return gpu_table(found)
    columns = "epoch, s", "1000 clicks/s", "MB", "plain loop", "of the limit", "2 threads", "users ranked/s"
    lines = [f"| model, method, data | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for name, cell in in_order(found["cells"]):
        if "error" in cell:
            lines.append(f"| {name} | {cell['error']} | | | | | | |")
            continue
        least = work.Work(cell["bytes"], cell["flops"]).least_seconds(found["bandwidth"], found["peak"])
        ratio = f"{cell['plain step'] / cell['step']:.1f} x" if "plain step" in cell else "–"
        ranked = f"{cell['users ranked a second']:,.0f}" if "users ranked a second" in cell else "–"
        memory = f"{cell['MB']:,.0f}" if cell.get("MB") else "–"
        two = cell.get("step of two threads")
        threads = f"{cell['step'] / two:.1f} x" if two else "–"
        speed, limit = f"{cell['clicks a second'] / 1000:,.0f}", f"{least / cell['step']:.0%}"
        told = f"{cell['epoch']:.3f} | {speed} | {memory} | {ratio} | {limit} | {threads}"
        lines.append(f"| {name} | {told} | {ranked} |")
    about = (
        f"Of the limit: the least time of a step, by {found['bandwidth'] / 1e9:.1f} GB/s and "
        f"{found['peak'] / 1e9:.0f} Gflop/s as measured here, over the time it takes. Plain loop: how many "
        f"times its step takes. 2 threads: how many times as fast a step is with a second one. All else with "
        f"one thread on {found['device']}. {found['versions']}, {found['date']}."
    )
    return "\n".join([*lines, "", about, "", *growth_lines(found), *surface_lines(found)])


def gpu_table(found: dict) -> str:
    """The table of a GPU, where neither plain loops nor threads are measured."""
    lines = ["| model, method, data | epoch, s | 1000 clicks/s | MB on the GPU |", "|---|---:|---:|---:|"]
    for name, cell in in_order(found["cells"]):
        if "error" in cell:
            lines.append(f"| {name} | {cell['error']} | | |")
            continue
        told = f"{cell['epoch']:.3f} | {cell['clicks a second'] / 1000:,.0f} | {cell['MB']:,.0f}"
        lines.append(f"| {name} | {told} |")
    about = "The process has one thread beside the GPU, and each step is waited for."
    return "\n".join([*lines, "", f"{about} {found['versions']}, {found['date']}.", ""])


GROWTH = "Time of a click and memory of the process by the number of training clicks, a line for each model"


def world_cells(found: dict, model: str) -> list[dict]:
    """The cells of a model by DeCA on the worlds that were measured."""
    cells = [found["cells"].get(f"{model}, DeCA, {data}", {"error": "left out"}) for data in WORLDS]
    return [cell for cell in cells if "error" not in cell]


def growth_lines(found: dict) -> list[str]:
    """How the time of a click and the memory grow: slopes of a straight line through logarithms."""
    lines = []
    for model in MODELS:
        cells = world_cells(found, model)
        if len(cells) < 2:
            continue
        clicks = [cell["clicks"] for cell in cells]
        each = [1e6 / cell["clicks a second"] for cell in cells]
        slope = np.polyfit(np.log(clicks), np.log(each), 1)[0]
        a_click = np.polyfit(clicks, [cell["MB"] for cell in cells], 1)[0] * 1e6
        lines.append(
            f"- {model} + DeCA: {each[0]:.2f} microseconds a click at {clicks[0]:,} clicks, {each[-1]:.2f} "
            f"at {clicks[-1]:,} (slope {slope:.2f}); {a_click:.0f} bytes of memory for each click more."
        )
    return ["## Growth", "", *lines, ""] if lines else []


def surface_lines(found: dict) -> list[str]:
    """The surfaces, and how many times as fast they are together."""
    lines = [
        f"- {data}: {times['alone']:.1f} s an epoch by themselves, {times['together']:.1f} s together, "
        f"{times['alone'] / times['together']:.1f} times as fast."
        for data, times in found.get("surfaces", {}).items()
    ]
    about = "GMF + DeCA, 16 points of C1 and C2 by 3 seeds, one thread:"
    return ["## A surface", "", about, "", *lines, ""] if lines else []


def peer_lines(path: Path) -> list[str]:
    """What `peers.py` measured: seconds of a processor, of an epoch and of ranking."""
    if not path.is_file():
        return []
    told = json.loads(path.read_text())
    columns = "data", "library", "model", "method", "epoch", "evaluation", "recommend"
    lines = [f"| {' | '.join(columns)} |", "|---|---|---|---|---|---|---|"]
    for row in told["rows"]:
        cells = [row.get(name) for name in columns]
        shown = [f"{cell:.3f}" if isinstance(cell, float) else str(cell or "") for cell in cells]
        lines.append(f"| {' | '.join(shown)} |")
    about = "`python benchmarks/peers.py`: seconds of a processor, one thread, the least of a few. "
    libraries = sorted({row["versions"] for row in told["rows"] if row.get("versions")})
    return ["## Beside other libraries", "", *lines, "", about + "; ".join(libraries) + ".", ""]


def draw_growth(found: dict, path: Path):
    """The time of a click and the memory against the number of clicks, of the worlds that were measured."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter

    with plt.style.context("deca_nb.figures"):
        fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
        for model, mark in zip(MODELS, "oxD^v", strict=True):
            cells = world_cells(found, model)
            clicks = [cell["clicks"] for cell in cells]
            if cells:
                axes[0].plot(
                    clicks, [1e6 / cell["clicks a second"] for cell in cells], mark + "-", label=model
                )
                axes[1].plot(clicks, [cell["MB"] for cell in cells], mark + "-", label=model)
        axes[0].set(title="Time of a click on worlds, DeCA", ylabel="microseconds")
        axes[1].set(title="Memory of the process", ylabel="MB")
        for ax in axes:
            ax.set(xlabel="training clicks", xscale="log", yscale="log")
            ax.xaxis.set_minor_formatter(NullFormatter())
            ax.yaxis.set_minor_formatter(NullFormatter())
        axes[1].set_yticks([500, 1000, 2000, 4000], [500, 1000, 2000, 4000])
        if axes[0].lines:
            fig.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
        fig.savefig(path, metadata={"Date": None})


def write_all(found: dict, out: Path):
    """The table, the figure, and a line of history."""
    made_by = "make bench" if found["device"] == "cpu" else "make gpu"
    title = "# Speed" if found["device"] == "cpu" else "# Speed on a GPU"
    page = "\n".join([title, "", f"`{made_by}`", "", as_markdown(found), *peer_lines(out / "peers.json")])
    if found["device"] == "cpu":
        page += f"\n![{GROWTH}](growth.svg)\n"
        draw_growth(found, out / "growth.svg")
    write_text(str(out / "speed.md"), page)
    epochs = {name: cell.get("epoch") for name, cell in found["cells"].items()}
    with (out / "history.jsonl").open("a", encoding="utf-8") as history:
        about = {name: found[name] for name in ("date", "versions", "device")}
        history.write(json.dumps(about | {"epoch": epochs, "surfaces": found.get("surfaces")}) + "\n")


# The guard.

TURNS = 5  # of the plain loop and ours one after the other, so that a busy moment hardly hits all of either


def least_ratio(plainly: Callable, ours: Callable) -> float:
    """How many times as long a plain call takes: the least of some calls each, past busy moments."""
    return min(machine.seconds_of(plainly, 2)) / min(machine.seconds_of(ours, 20))


def ratios(split: Split) -> dict[str, float]:
    """How many times as fast as the plain loop each of `RATIOS` is."""
    keep_memory()
    found = {}
    for model in [name for name in plain.MODELS if name in RATIOS]:
        run = run_of(model, "DeCA", split)
        loops = plain_steps(run), our_steps(our_trainer(run))
        turns = np.array([[median(timed(steps, 0.3)) for steps in loops] for _ in range(TURNS)])
        theirs, ours = turns.min(axis=0)  # each in its quietest turn
        found[model] = theirs / ours
    model = plain.MODELS["MF"](split.train, generator=seeded())
    ours, theirs = partial(evaluate, model, split, split.k), partial(plain.evaluation, model, split, split.k)
    np.testing.assert_allclose(ours().filter(like="@").mean(), theirs(), atol=1e-6)
    found["evaluation"] = least_ratio(theirs, ours)
    users, sampler = torch.tensor(split.train.users), TrueNegatives(split.train)
    ours, theirs = partial(sampler.draw, users, seeded()), partial(plain.negatives, split.train)
    found["a negative for each click"] = least_ratio(theirs, ours)
    return found


def check(split: Split) -> int:
    """Prints the ratios; 1 where one is too small."""
    found = ratios(split)
    for name, ratio in found.items():
        print(f"{name}: {ratio:.1f} times as fast as the plain loop, at least {RATIOS[name]}")
    return int(any(found[name] < least for name, least in RATIOS.items()))


def main() -> int:
    """Measure, print and write, or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="folder to write to")
    parser.add_argument("--models", type=lambda text: text.split(","), default=MODELS)
    parser.add_argument("--methods", type=lambda text: text.split(","), default=METHODS)
    parser.add_argument("--data", type=lambda text: text.split(","), default=DATA)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--surface", action="store_true", help="also the surface of C1 and C2, together")
    parser.add_argument("--anew", action="store_true", help="measure again what stands there already")
    parser.add_argument("--check", action="store_true", help="only the ratios, which must hold")
    parser.add_argument("--cell", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cell:
        *names, path = options.cell
        print(json.dumps(measure(*names, kept(path), options.device)))
        return 0
    if options.check:
        return check(split_of("ml-100k"))
    if options.out is None:
        parser.error("--out or --check is needed")
    options.out.mkdir(parents=True, exist_ok=True)
    found = run_all(options, options.out)
    print(as_markdown(found))
    write_all(found, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
