"""How long `deca recommend FOLDER --all` takes, and how much memory, for 100,000 users and 10,000 items.

`python benchmarks/serving.py --out results/serving` saves untrained models over drawn clicks, runs the
command on each, and writes serving.md and serving.json. Weights of any value take as long. NeuMF is measured
on a share of the users, all of whom cost the same, and the seconds are multiplied.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from deca_nb.figures import as_markdown
from deca_nb.files import write_json, write_text
from deca_nb.interactions import Interactions
from deca_nb.recommender import Recommender
from deca_nb.runs import versions

MODELS = ("MF", "GMF", "LightGCN", "CDAE", "NeuMF")
LIMITS = {"NeuMF": 300}  # seconds for everybody; 60 for the others


def drawn_clicks(n_users: int, n_items: int, n: int, seed: int = 0) -> Interactions:
    """About n clicks, popular items more often, at least one of each user; ids are texts."""
    rng = np.random.default_rng(seed)
    users = np.concatenate([np.arange(n_users), rng.integers(n_users, size=n - n_users)])
    items = (n_items * rng.random(n) ** 3).astype(np.int64)
    users, items = np.divmod(np.unique(users * n_items + items), n_items)
    ids = (
        pd.Index([f"{role}{place:06d}" for place in range(count)])
        for role, count in (("u", n_users), ("i", n_items))
    )
    return Interactions(users, items, *ids)


def untrained(model: str, clicks: Interactions) -> Recommender:
    """A recommender of these clicks with its first weights."""
    made = Recommender(model, "Normal", device="cpu")
    made.train = made.known = clicks
    run = made.run()
    made.recipe, made.learned, made.trained = run.recipe, run.train, run.untrained().eval()
    return made


def measured(folder: Path, words: list[str], threads: int) -> dict:
    """Wall-clock and processor seconds, and GB at the most, of one command."""
    command = [sys.executable, "-m", "deca_nb", "recommend", folder, *words]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=os.environ | {"OMP_NUM_THREADS": str(threads)}, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"deca recommend failed with {status}")
    gigabytes = used.ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)
    return {
        "seconds": time.perf_counter() - started,
        "processor seconds": used.ru_utime + used.ru_stime,
        "GB": gigabytes,
    }


def row(model: str, clicks: Interactions, share: float, threads: int) -> dict:
    """One model's command, for all users or for a share of them."""
    with tempfile.TemporaryDirectory() as place:
        folder, ids = Path(place, model), Path(place, "ids.txt")
        untrained(model, clicks).save(folder)
        n = int(clicks.n_users * share)
        ids.write_text("\n".join(clicks.user_ids[:n]))
        whose = ["--all"] if n == clicks.n_users else ["--users-file", str(ids)]
        found = measured(folder, [*whose, "--k", "10", "--out", str(Path(place, "lists.parquet"))], threads)
    return {"model": model, "users": n} | found


def as_page(rows: list[dict], clicks: Interactions, threads: int) -> str:
    """The rows as a page."""
    about = (
        f"`python benchmarks/serving.py` on {clicks}, ten items each, {threads} thread. The time is that of "
        "the whole command: start, reading the folder, lists, Parquet. Other work on the machine lengthens "
        "the seconds and hardly the processor's. *For everybody* is processor seconds times all users over "
        f"those measured, and has to stay below the limit.\n\n{versions()}"
    )
    return as_markdown({"lists": pd.DataFrame(rows).round(1)}, "Lists for everybody", about)


def main():
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--clicks", type=int, default=2_000_000)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--share", type=float, default=0.1, help="of the users, for NeuMF")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", help="folder for serving.md and serving.json")
    given = parser.parse_args()
    clicks = drawn_clicks(given.users, given.items, given.clicks)
    rows = []
    for model in given.models.split(","):
        found = row(model, clicks, given.share if model == "NeuMF" else 1.0, given.threads)
        everybody = found["processor seconds"] * given.users / found["users"]
        rows.append(found | {"for everybody": everybody, "limit": LIMITS.get(model, 60)})
        print(rows[-1], file=sys.stderr)
    text = as_page(rows, clicks, given.threads)
    print(text)
    if given.out:
        write_text(Path(given.out) / "serving.md", text)
        write_json(Path(given.out) / "serving.json", rows)


if __name__ == "__main__":
    main()
