"""From a log to lists, and whether denoising helps: the README's commands on real data, with their times.

`python benchmarks/journeys.py --out results/journeys` follows *my log to lists* and *does denoising help
me?* on `ml-latest-small`, read as a file of one's own, and on `coat`, whose tables are read by name. Both
are looked for in $DECA_DATA. A page for each has the commands as they were given, what they printed and how
long they took; the command ends with exit code 1 where a journey takes over five minutes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deca_nb.files import write_text
from deca_nb.runs import versions

LIMIT = 300  # seconds of a journey
ALIKE = "--trials 4 --seeds 2 --epochs 40 --methods Normal,DeCA,T-CE,R-CE,MostPopular,ItemKNN"
JOURNEYS = {
    "my log to lists": (
        "deca audit --data {data}",
        "deca train --data {data} --out my-model",
        "deca recommend my-model --all --k 10 --out lists.parquet",
        "deca similar-items my-model --items {item} --k 5",
        "deca vectors my-model --out tables",
    ),
    "does denoising help me?": (
        f"deca tune --data {{data}} {ALIKE} --out tuned",
        "deca train --recipe tuned/best.toml --out best-model",
        "deca denoise {data} --learning-rate 0.01 --drop 0.05 --out kept.csv --save cleaned",
    ),
}
DATA = {"ml-latest-small": ("ratings.csv", "1"), "coat": ("coat", "1")}  # what --data is given; an item


def followed(command: str, folder: Path) -> tuple[str, float]:
    """What a command prints, and its seconds. Ends with what went wrong where it fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    began = time.perf_counter()
    done = subprocess.run(
        command, shell=True, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stdout}{done.stderr}")
    return done.stdout.rstrip(), time.perf_counter() - began


def page(name: str, folder: Path) -> tuple[str, bool]:
    """The page of a data set, and whether each journey kept to the limit."""
    data, item = DATA[name]
    if data == "ratings.csv":
        (folder / data).symlink_to(Path(os.environ["DECA_DATA"]).resolve() / name / data)
    parts, in_time = [f"# {name}: two journeys\n\n{versions()}"], True
    for title, commands in JOURNEYS.items():
        blocks, total = [], 0.0
        for command in (line.format(data=data, item=item) for line in commands):
            printed, seconds = followed(command, folder)
            total += seconds
            blocks.append(f"`{command}` ({seconds:.0f} s)\n\n```text\n{printed}\n```")
        in_time &= total < LIMIT
        parts.append(f"## {title}\n\n{total:.0f} s in all; the limit is {LIMIT} s.\n\n" + "\n\n".join(blocks))
    return "\n\n".join(parts) + "\n", in_time


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", default="results/journeys", help="folder for the pages")
    options.add_argument("--data", default=",".join(DATA), help="some of them only")
    given = options.parse_args()
    kept = []
    for name in given.data.split(","):
        with tempfile.TemporaryDirectory() as folder:
            text, in_time = page(name, Path(folder))
        write_text(Path(given.out) / f"{name}.md", text)
        kept.append(in_time)
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
