"""Whether memory stays flat in a long training: 100,000 steps of each model, MovieLens-100K, DeCA.

`python benchmarks/soak.py --out results/soak` trains each model in a process of its own, with evaluation and
early stopping as the command has them, asks the system for the memory held every thousand steps, and writes
soak.md and soak.json. Once the first tenth of the steps is done, memory has to stay within 2 %.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from deca_nb.cli import keep_memory
from deca_nb.datasets import authors_split
from deca_nb.figures import as_markdown
from deca_nb.files import write_json, write_text
from deca_nb.recipe import make_recipe
from deca_nb.runs import versions
from deca_nb.training import Callback, Run

MODELS = ("MF", "GMF", "NeuMF", "CDAE", "LightGCN")
WARM, LIMIT = 0.1, 0.02  # the share of steps after which memory has to stay, and within which share
EPOCHS = 10**6  # more than any number of steps needs


def memory_now() -> float:
    """MB that this process holds now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1e3


class Soak(Callback):
    """Looks at the memory every so many steps, and stops after the last of them."""

    def __init__(self, steps: int, every: int):
        self.steps, self.every, self.held = steps, every, []

    def after_step(self, trainer):
        if trainer.n_steps % self.every == 0:
            self.held.append(memory_now())

    def after_epoch(self, trainer, record):
        return trainer.n_steps >= self.steps


def soak(model: str, steps: int, batch_size: int) -> dict:
    """One training of that many steps, and what it held: MB at every hundredth of the way."""
    split = authors_split("ml-100k")
    numbers = {"epochs": EPOCHS, "patience": EPOCHS, "batch_size": batch_size}
    recipe, looks = make_recipe(model, "DeCA", numbers, threads=1), Soak(steps, max(1, steps // 100))
    started = time.perf_counter()
    trainer = Run(recipe, split.train, split.valid, callbacks=[looks]).fit()
    return {
        "model": model,
        "steps": trainer.n_steps,
        "epochs": trainer.n_epochs,
        "seconds": time.perf_counter() - started,
        "MB": looks.held,
    }


def row(found: dict) -> dict:
    """What a page says of a training."""
    settled = found["MB"][int(WARM * len(found["MB"])) :]
    growth = settled[-1] / settled[0] - 1
    return {
        "model": found["model"],
        "steps": found["steps"],
        "epochs": found["epochs"],
        "minutes": found["seconds"] / 60,
        "MB after a tenth": settled[0],
        "MB at most": max(settled),
        "MB at the end": settled[-1],
        "growth %": 100 * growth,
        "flat": abs(growth) <= LIMIT,
    }


def as_page(all_found: list[dict], steps: int, batch_size: int) -> str:
    """The trainings as a page."""
    about = (
        f"`python benchmarks/soak.py --out results/soak`: {steps:,} steps of DeCA on the authors' "
        f"MovieLens-100K, batches of {batch_size}, one thread, evaluation after each epoch, each model in a "
        f"process of its own. *Flat* says that the memory held at the end is within {LIMIT:.0%} of that held "
        f"after a tenth of the steps.\n\n{versions()}"
    )
    table = pd.DataFrame([row(found) for found in all_found]).round(1)
    return as_markdown({"memory": table}, "Memory in a long training", about)


def main():
    """Train, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--out", help="folder for soak.md and soak.json")
    parser.add_argument("--one", help="train this model here and print what it held")
    given = parser.parse_args()
    if given.one:
        keep_memory()
        print(json.dumps(soak(given.one, given.steps, given.batch_size)))
        return
    all_found = []
    for model in given.models.split(","):
        words = ["--one", model, "--steps", str(given.steps), "--batch-size", str(given.batch_size)]
        done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, check=True)
        all_found.append(json.loads(done.stdout.splitlines()[-1]))
        print(row(all_found[-1]), file=sys.stderr)
    text = as_page(all_found, given.steps, given.batch_size)
    print(text)
    if given.out:
        write_text(Path(given.out) / "soak.md", text)
        write_json(Path(given.out) / "soak.json", all_found)


if __name__ == "__main__":
    main()
