"""How long a file of ten million rows takes to be read: `python benchmarks/reading.py --out results/reading`.

Rows of 400,000 users and 50,000 items, whose ids are text, are written in three ways: with times in seconds,
with every field in quotation marks and times as dates, and as Parquet. Each file is read and split in a
process of its own, which says how many seconds passed, how many of them a processor was busy with it, and the
most memory. Other work on the machine makes the first of them longer, not the second. The files lie in a
temporary folder and are gone at the end. `--rows` makes smaller ones.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from deca_nb.files import replacing, write_text

USERS, ITEMS = 400_000, 50_000
FILES = ("log.csv", "dates.csv", "log.parquet")
ABOUT = {
    "log.csv": "text, times in seconds",
    "dates.csv": "text, each field in quotation marks, times as dates",
    "log.parquet": "Parquet, ids as text",
}


def clicks(rows: int) -> pa.Table:
    """Clicks of which few users and items have many."""
    rng = np.random.default_rng(0)
    users = (USERS * rng.random(rows) ** 1.5).astype(np.int32)
    items = (ITEMS * rng.random(rows) ** 2).astype(np.int32)
    names = [f"user-{place * 2654435761 % 2**32:08x}" for place in range(USERS)]
    codes = [f"SKU{place * 40503 % 10**6:07d}" for place in range(ITEMS)]
    columns = {
        "user": pa.DictionaryArray.from_arrays(pa.array(users), pa.array(names)).cast(pa.string()),
        "item": pa.DictionaryArray.from_arrays(pa.array(items), pa.array(codes)).cast(pa.string()),
        "rating": rng.integers(1, 6, rows),
        "timestamp": rng.integers(1_600_000_000, 1_700_000_000, rows),
    }
    return pa.table(columns)


def write_files(folder: Path, rows: int):
    """The same clicks in each of the ways."""
    import pyarrow.compute as pc
    from pyarrow import csv, parquet

    table = clicks(rows)
    csv.write_csv(table, folder / "log.csv", csv.WriteOptions(quoting_style="none"))
    parquet.write_table(table, folder / "log.parquet")
    days = pc.strftime(table["timestamp"].cast(pa.timestamp("s")), format="%Y-%m-%d %H:%M:%S")
    dated = table.set_column(3, "timestamp", days)
    csv.write_csv(dated, folder / "dates.csv", csv.WriteOptions(quoting_style="all_valid"))


def most_gigabytes() -> float:
    """The most memory that this process has had, as Linux tells it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e6


def measure(path: Path) -> dict:
    """Seconds and gigabytes of reading one file, then of splitting it, in this process."""
    from deca_nb.interactions import cut, cut_by_time, read_interactions

    begun, busy = time.perf_counter(), time.process_time()
    pairs = read_interactions(path)
    read, read_busy = time.perf_counter() - begun, time.process_time() - busy
    most = most_gigabytes()
    cut(pairs, cut_by_time(pairs, 0)[0])
    return {
        "pairs": len(pairs),
        "read": read,
        "read, busy": read_busy,
        "read and split": time.perf_counter() - begun,
        "GB to read": most,
        "GB to split": most_gigabytes(),
    }


def measured_apart(path: Path) -> dict:
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, "--measure", path]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def page(rows: list[dict], n_rows: int) -> str:
    """The measurements as a page."""
    from deca_nb.runs import versions

    names = ("read", "read, busy", "read and split", "GB to read", "GB to split")
    lines = [
        f"| {row['file']} | {ABOUT[row['file']]} | {row['MB']:,.0f} | "
        + " | ".join(f"{row[name]:.1f}" for name in names)
        + " |"
        for row in rows
    ]
    about = [
        "# reading: how long a large file takes",
        "From a file to `Interactions`, and to a chronological split. What else the machine does makes the "
        "seconds more, not those in which the processor was busy with it.",
        f"`python benchmarks/reading.py --rows {n_rows} --out results/reading`",
        f"{n_rows:,} rows, {rows[0]['pairs']:,} pairs. {versions()}, {date.today()}.",
        "## Files",
    ]
    head = "| file | what | MB | s to read | of them busy | s to read and split | GB to read | GB to split |"
    return "\n\n".join([*about, "\n".join([head, "|---|---|---|---|---|---|---|---|", *lines]), ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--out", type=Path, default=Path("results/reading"))
    parser.add_argument("--measure", type=Path, help="only measure this file, in this process")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    import pandas as pd

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, options.rows)
        rows = [
            {"file": file, "MB": (folder / file).stat().st_size / 1e6, **measured_apart(folder / file)}
            for file in FILES
        ]
    text = page(rows, options.rows)
    print(text)
    write_text(options.out / "reading.md", text)
    with replacing(options.out / "reading-files.csv") as draft:
        pd.DataFrame(rows).round(3).to_csv(draft, index=False)


if __name__ == "__main__":
    main()
