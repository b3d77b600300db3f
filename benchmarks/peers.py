"""Other libraries at the same work, each in its own environment: `python benchmarks/peers.py --envs FOLDER`.

RecBole, implicit and LensKit train on the same interactions with the same sizes and batches, one thread, in
turn with ours: normal training, and a full evaluation or a list of 20 for every user. What each of them runs
stands in `peers/run_*.py`. Every number is the least of a few, in seconds of a processor, since other work on
a machine only adds to it; still, it should be idle. `--out` writes all of them as JSON; a peer that cannot be
installed or run is named there with the reason. An environment that is there is used again.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path

import pandas as pd
from speed import keep, split_of

from deca_nb.files import write_json
from deca_nb.runs import versions

HERE = Path(__file__).parent
SECONDS = 900  # after which a cell is given up


@dataclass(frozen=True)
class Peer:
    """A library: what is installed, and the models that are measured."""

    requirements: tuple[str, ...]
    models: tuple[str, ...]


TORCH = "torch==2.13.0"
PEERS = {
    "recbole": Peer(
        (TORCH, "recbole==1.2.1", "numpy<2", "pandas<3", "scipy<1.13", "setuptools<81"),
        ("BPR", "NeuMF", "CDAE", "LightGCN"),
    ),
    "implicit": Peer(("implicit==0.7.3",), ("ALS", "BPR")),
    "lenskit": Peer((TORCH, "lenskit==2025.8.1"), ("ALS", "ItemKNN")),
}
OURS = ("MF", "GMF", "NeuMF", "CDAE", "LightGCN", "GMF+DeCA", "NeuMF+DeCA", "CDAE+DeCA", "LightGCN+DeCA")


def last_line(done: subprocess.CompletedProcess) -> str:
    """The last line that a failed process left on standard error."""
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def environment(name: str, folder: Path) -> Path:
    """The Python of a peer's environment, made where there is none. Raises `RuntimeError`."""
    python, installed = folder / name / "bin" / "python", folder / name / "installed"
    wanted = "\n".join(PEERS[name].requirements)
    if installed.is_file() and installed.read_text() == wanted:
        return python
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    torch_first = [one for one in PEERS[name].requirements if one == TORCH]
    steps = [[sys.executable, "-m", "venv", "--clear", folder / name]]
    steps += [[*pip, *torch_first]] if torch_first else []
    for step in [*steps, [*pip, *PEERS[name].requirements]]:
        done = subprocess.run(step, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"not installed: {last_line(done)}")
    installed.write_text(wanted)
    return python


def measured(python: str | Path, name: str, model: str, split: Path) -> dict:
    """What a peer's script says of one model. Raises `RuntimeError`."""
    script, threads = HERE / "peers" / f"run_{name}.py", ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON")
    alone = os.environ | {f"{library}_NUM_THREADS": "1" for library in threads}
    alone |= {"LK_NUM_THREADS": "1", "LK_NUM_BACKEND_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    with tempfile.TemporaryDirectory() as folder:
        command = [python, script, split, model, folder]
        try:
            done = subprocess.run(
                command, cwd=folder, env=alone, capture_output=True, text=True, timeout=SECONDS
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"not done after {SECONDS} s") from None
    if done.returncode:
        raise RuntimeError(f"not run: {last_line(done)}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def row(name: str, model: str, data: str, python: str | Path, split: Path) -> dict:
    """One cell: the least seconds of each kind of work, or why there are none."""
    cell = {"data": data, "library": name, "model": model}
    try:
        found = measured(python, name, model, split)
    except RuntimeError as error:
        return cell | {"error": str(error)}
    times = {kind: min(found[kind]) for kind in ("epoch", "evaluation", "recommend") if kind in found}
    return (
        cell | {"model": found["model"], "method": found["method"]} | times | {"versions": found["versions"]}
    )


def main():
    """Measures, prints a table, writes JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--envs", type=Path, required=True, help="folder for the environments of the peers")
    parser.add_argument("--out", type=Path, default=Path("peers.json"), help="JSON file to write")
    parser.add_argument("--data", type=lambda text: text.split(","), default=("ml-100k", "modcloth"))
    parser.add_argument("--peers", type=lambda text: text.split(","), default=tuple(PEERS))
    given = parser.parse_args()
    pythons, rows = {"ours": sys.executable}, []
    for name in given.peers:
        try:
            pythons[name] = environment(name, given.envs.absolute())
        except RuntimeError as error:
            rows.append({"library": name, "error": str(error)})
    cells = [(name, model) for name in pythons for model in (PEERS[name].models if name in PEERS else OURS)]
    with tempfile.TemporaryDirectory() as folder:
        for data in given.data:
            keep(split_of(data), f"{folder}/{data}.npz")
        for data, (name, model) in product(given.data, cells):
            rows.append(row(name, model, data, pythons[name], Path(folder) / f"{data}.npz"))
            print(*(f"{key} {value}" for key, value in rows[-1].items() if key != "versions"), flush=True)
    write_json(given.out, {"date": date.today().isoformat(), "machine": versions(), "rows": rows})
    table = pd.DataFrame(rows).drop(columns="versions", errors="ignore")
    print(table.to_string(index=False, na_rep="", float_format="{:.3g}".format))


if __name__ == "__main__":
    main()
